"""Plain requests for keys, from the bytes that arrive to the bytes that leave.

Nearly all of a store's requests are of this kind, and here they cost neither a task nor a
coroutine, neither a scope nor a parsed header: what came is recognised
(:mod:`kvorum.rest.plain_request`), the service is told who waits for the result, and the results
of a batch leave in one go. Whatever is special about a request is left to
:class:`~kvorum.rest.keys.KeyApi`, which gives the same answers, byte for byte.
"""

import logging
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Protocol

from kvorum.mvcc.outcome import Outcome, Status
from kvorum.node.service import KvService
from kvorum.node.views import ReadResult
from kvorum.rest.answer import Answer
from kvorum.rest.answer_bytes import AnswerForms, is_last
from kvorum.rest.body import body_bytes_max, parse_swap
from kvorum.rest.fullness import full_detail
from kvorum.rest.key_answers import read_answer, unread_answer, write_answer
from kvorum.rest.locations import KEY_PREFIX, shown_path
from kvorum.rest.new_value import parse_put
from kvorum.rest.observer import KEY_ROUTE, RestObserver
from kvorum.rest.options import RestOptions
from kvorum.rest.plain_request import PlainRequest, PlainRequests
from kvorum.rest.problems import INTERNAL, Context, kind_of, problem_of, refusal_of
from kvorum.telemetry.spans import Admission, RequestSpans

_SUCCESS = Status.SUCCESS

_logger = logging.getLogger(__name__)

CallSoon = Callable[[Callable[[], None]], object]
"""Calls it in the next iteration of the event loop."""


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


class _Waiting:
    """A request under way, as the service sees it: it waits for a result."""

    __slots__ = (
        "_direct",
        "began_s",
        "connection",
        "error",
        "key",
        "method",
        "request_id",
        "result",
        "value_bytes",
    )

    def __init__(
        self,
        direct: "Direct",
        connection: Connection,
        request: PlainRequest,
        request_id: str,
        values: tuple[bytes, ...],
    ) -> None:
        self.began_s = perf_counter()
        self._direct = direct
        self.connection = connection
        self.key = request.key
        self.method = request.method
        self.request_id = request_id
        self.value_bytes = len(values[-1]) if values else 0  # of what it writes
        self.result: Outcome | ReadResult | None = None
        self.error: Exception | None = None

    def done(self) -> bool:
        """A client that hung up changes nothing: its request is under way."""
        return self.result is not None or self.error is not None

    def set_result(self, result: Outcome | ReadResult) -> None:
        self.result = result
        self._direct.has_answer(self)

    def set_exception(self, error: Exception) -> None:
        self.error = error
        self._direct.has_answer(self)


class Direct:
    """Takes requests from connections and answers them later."""

    def __init__(
        self,
        service: KvService,
        options: RestOptions,
        observer: RestObserver,
        call_soon: CallSoon,
        spans: RequestSpans | None = None,
    ) -> None:
        """With ``spans`` some requests are traced, and not taken here."""
        self._service = service
        self._options = options
        self._body_bytes_max = body_bytes_max(1, options.value_bytes_max)
        self._observer = observer
        self._call_soon = call_soon
        self._spans = spans
        self._requests = PlainRequests()
        self._forms = AnswerForms()
        self._answerable: list[_Waiting] = []

    def take(self, data: bytes, connection: Connection) -> bool:
        """Whether ``data`` is one plain request, as a whole: then the connection gets an answer."""
        request = self._requests.read(data)
        if request is None or len(request.key) > self._options.key_bytes_max:
            return False
        values = self._values_of(request)
        if values is None or (self._spans is not None and self._is_traced(connection)):
            return False
        self._begin(request, values, connection)
        return True

    def _values_of(self, request: PlainRequest) -> tuple[bytes, ...] | None:
        """The JSON texts that the method wants in the body; None: something special, or wrong."""
        method, body, bytes_max = request.method, request.body, self._options.value_bytes_max
        if method in ("GET", "DELETE"):
            return None if body else ()
        if len(body) > self._body_bytes_max:  # it may still be small enough, or is refused
            return None
        try:
            if method == "PATCH":
                return parse_swap(body, bytes_max)
            new = parse_put(body, bytes_max)
        except Exception:  # noqa: BLE001 - whatever is wrong, the general way meets and tells it
            return None
        return None if new.content_type or new.lease or new.ttl_ms else (new.value,)

    def _is_traced(self, connection: Connection) -> bool:
        """By chance: a plain request has no trace context."""
        assert self._spans is not None, "the caller knows"
        connection.admission = self._spans.admit(())
        return connection.admission is not None

    def _begin(
        self, request: PlainRequest, values: tuple[bytes, ...], connection: Connection
    ) -> None:
        waiting = _Waiting(self, connection, request, self._service.new_request_id(), values)
        try:
            self._ask(request, values, waiting)
        except Exception as error:  # noqa: BLE001 - every one becomes an answer
            waiting.set_exception(error)

    def _ask(self, request: PlainRequest, values: tuple[bytes, ...], waiting: _Waiting) -> None:
        service, request_id, key = self._service, waiting.request_id, request.key
        match request.method:
            case "GET" if request.stale:
                waiting.set_result(service.get_stale(request_id, key))
            case "GET":
                service.get_for(waiting, request_id, key)
            case "DELETE":
                service.delete_for(waiting, request_id, key)
            case "PATCH":
                service.compare_and_set_for(waiting, request_id, key, *values)
            case _:
                service.put_for(waiting, request_id, key, *values)

    # --- answers -----------------------------------------------------------------------

    def has_answer(self, waiting: _Waiting) -> None:
        """It leaves with all others that come in the same turn."""
        if not self._answerable:
            self._call_soon(self._respond)
        self._answerable.append(waiting)

    def _respond(self) -> None:
        answerable, self._answerable = self._answerable, []
        forms, leadership = self._forms, self._service.leadership()
        observe = self._observer.request
        for waiting in answerable:
            connection, status = waiting.connection, 200
            forms.prepare(connection.default_headers, leadership)
            last = not connection.keep_alive
            try:
                raw = b"" if last else _form_of(waiting.result, forms)
                answer = None if raw else self._answer(waiting)
            except Exception as error:  # noqa: BLE001 - it becomes an answer; the others get theirs
                waiting.error = error
                raw, answer = b"", self._answer(waiting)
            if answer is not None:
                status, raw = answer.status, forms.any(answer, keep_alive=not last)
                last = last or is_last(answer)
            connection.respond(raw, last=last)
            observe(KEY_ROUTE, waiting.method, status, perf_counter() - waiting.began_s)

    def _answer(self, waiting: _Waiting) -> Answer:
        """The general way; what nobody expected is logged."""
        error = waiting.error
        if error is not None:
            if kind_of(error) is INTERNAL:
                _logger.error("unexpected error while answering %s", waiting.method, exc_info=error)
            return problem_of(error, self._context(waiting))
        result, leadership = waiting.result, self._service.leadership()
        assert result is not None, "it has an error or a result"
        if isinstance(result, ReadResult):
            if result.record is None:
                return unread_answer(result, self._context(waiting))
            return read_answer(result, result.record, leadership)
        if result.status is _SUCCESS:
            return write_answer(result, leadership)
        detail = full_detail(result, self._service.store_info(), waiting.value_bytes)
        return refusal_of(result, self._context(waiting), detail=detail)

    def _context(self, waiting: _Waiting) -> Context:
        path = shown_path(KEY_PREFIX + waiting.key)
        return Context(path, self._service.leadership(), waiting.request_id)


def _form_of(result: Outcome | ReadResult | None, forms: AnswerForms) -> bytes:
    """Nearly always there is a form; empty if not."""
    if type(result) is Outcome:
        return forms.written(result) if result.status is _SUCCESS else b""
    if type(result) is ReadResult and result.record is not None:
        return forms.read(result)
    return b""
