"""One request of the REST contract and how to read its answer, without any I/O."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import quote, urlencode
from uuid import uuid4

from kvorum.client.errors import ClientError, InvalidRequest

T = TypeVar("T")

_REQUEST_ID = re.compile(r"[!#-\[\]-~]{1,128}")  # without " and \, which need quoting

Query = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    endpoint: str = ""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """What to send, and what its answer means.

    ``request_id`` travels as Idempotency-Key: such a write may be sent again whatever became of
    the first attempt. ``is_repeatable`` is False for what has no such id and changes something.
    ``patience_s`` is how long the node may hold the request by its own account (long polls).
    ``forgive`` may turn a refusal into a result.
    """

    operation: str
    method: str
    path: str
    read: Callable[[Answer], T]
    query: Query = ()
    headers: Query = ()
    content: bytes | None = None
    request_id: str = ""
    is_write: bool = False
    is_repeatable: bool = True
    prefers_leader: bool = True
    is_stream: bool = False
    patience_s: float = 0.0
    silence_s: float = 0.0
    forgive: Callable[[ClientError], T] | None = None

    @property
    def target(self) -> str:
        """Path and query; raises ``InvalidRequest`` for text that is not Unicode."""
        if not self.query:
            return self.path
        try:
            return f"{self.path}?{urlencode(self.query, quote_via=quote, safe='')}"
        except UnicodeEncodeError as error:
            raise InvalidRequest(f"this is not Unicode text: {error}") from error

    def header_list(self) -> Query:
        """With the request id (IETF draft Idempotency-Key), if there is one."""
        if not self.request_id:
            return self.headers
        return (*self.headers, ("idempotency-key", self.request_id))


def write_id(chosen: str) -> str:
    """The id of a write: ``chosen``, or one that nobody, not even a fork of this process, uses.

    Raises ``InvalidRequest`` unless it fits into Idempotency-Key.
    """
    if not chosen:
        return uuid4().hex
    if not _REQUEST_ID.fullmatch(chosen):
        raise InvalidRequest(
            "request_id must be 1 to 128 visible ASCII characters without spaces, "
            'for example "order-4711-put"'
        )
    return chosen


def quoted(text: str, what: str) -> str:
    """As one segment of a path, which no proxy or library can take for anything else."""
    if not text:
        raise InvalidRequest(f"the {what} is empty")
    if text in (".", ".."):
        return text.replace(".", "%2E")
    try:
        return quote(text, safe="")
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"the {what} is not Unicode text: {error}") from error


def flag(name: str, value: bool) -> Query:
    """A query parameter that is there only if it is set."""
    return ((name, "true"),) if value else ()
