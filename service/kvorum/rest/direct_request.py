"""A plain request under way: the service's waiter, and what becomes of its result.

One of each kind of request stands in :mod:`kvorum.rest.direct_keys`, ``direct_ranges`` and
``direct_txns``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import ClassVar, Generic, Protocol, TypeVar

from kvorum.node.service import KvService
from kvorum.rest.answer import Answer
from kvorum.rest.answer_bytes import AnswerForms
from kvorum.rest.locations import shown_path
from kvorum.rest.problems import Context
from kvorum.telemetry.spans import Admission

_Result = TypeVar("_Result")


class Connection(Protocol):
    """A client's, which has one request at a time under way."""

    admission: Admission | None
    """Of the request that was not taken, if it is to be traced: that is decided only once."""

    @property
    def keep_alive(self) -> bool:
        """There may be another request after this one."""
        ...

    @property
    def default_headers(self) -> Sequence[tuple[bytes, bytes]]:
        """What the server adds to every answer: another list if one of them changes."""
        ...

    def respond(self, answer: bytes, *, last: bool) -> None:
        """Send a whole answer, and with ``last`` close; never raises."""
        ...


class DirectRequest(ABC, Generic[_Result]):
    """Waits for a result from :meth:`begin` on; ``method`` is there before."""

    __slots__ = (
        "_has_answer",
        "began_s",
        "connection",
        "error",
        "method",
        "request_id",
        "result",
    )

    route: ClassVar[str]
    """As the observer is told."""
    method: str
    error: Exception | None
    result: _Result | None

    def begin(
        self,
        service: KvService,
        connection: Connection,
        has_answer: Callable[["DirectRequest[_Result]"], None],
    ) -> None:
        """Ask the service; ``has_answer`` is called once, perhaps at once."""
        self.began_s = perf_counter()
        self.connection = connection
        self.request_id = service.new_request_id()
        self.result = self.error = None
        self._has_answer = has_answer
        try:
            self._ask(service)
        except Exception as error:  # noqa: BLE001 - every one becomes an answer
            self.set_exception(error)

    def done(self) -> bool:
        """A client that hung up changes nothing: its request is under way."""
        return self.result is not None or self.error is not None

    def set_result(self, result: _Result) -> None:
        self.result = result
        self._has_answer(self)

    def set_exception(self, error: Exception) -> None:
        self.error = error
        self._has_answer(self)

    @abstractmethod
    def _ask(self, service: KvService) -> None:
        """As its waiter."""

    def form(self, _forms: AnswerForms) -> bytes:
        """The answer to the result as a form that is filled in; empty if there is none."""
        return b""

    @abstractmethod
    def answer(self, service: KvService) -> Answer:
        """To the result."""

    def context(self, service: KvService) -> Context:
        """What a problem says of the request."""
        return Context(shown_path(self._path()), service.leadership(), self.request_id)

    def _path(self) -> bytes:
        return self.route.encode("ascii")
