"""HTTP/1.1 on one connection: uvicorn's protocol, amended where an open port needs it.

Plain requests for keys do not get as far as its parser: :class:`~kvorum.rest.direct.Direct`
takes them as they come.
"""

import asyncio
import socket
from collections.abc import Sequence, Sized
from typing import Any, cast

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from kvorum.rest.direct import Direct
from kvorum.rest.tracing import ADMISSION
from kvorum.telemetry.spans import Admission

HEAD_BYTES_MAX = 128 << 10
PIECE_BYTES = 16 << 10
"""What is parsed at once: a request that waits takes many times the memory of its bytes."""
_OFFER_OF_HTTP_2 = b"\r\nUpgrade: h2c"
_HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)
_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_USER_TIMEOUT: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)


class _Message:
    """What uvicorn's protocol wants to tell a cycle, and nobody has to hear here."""

    @staticmethod
    def set() -> None:
        """Another part of the body, or the end of the connection."""


class DirectCycle:
    """Stands where uvicorn has the cycle of the request under way, while there is a direct one.

    So whatever else arrives waits until it is answered, and a server that stops waits for it.
    """

    __slots__ = ("disconnected", "keep_alive", "response_complete")

    message_event = _Message

    def __init__(self) -> None:
        self.response_complete = True
        self.keep_alive = True
        self.disconnected = False


class PipelineFlow(FlowControl):
    """Nothing more is read while requests wait for the one before them to be answered.

    Otherwise each answer, and each body that is wanted, would let in more of them than it ends.
    """

    def __init__(self, transport: asyncio.Transport, waiting: Sized) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        if not self._waiting:
            super().resume_reading()


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's, with direct answers and five amendments.

    A request that has not arrived as a whole within ``PATIENCE_S`` is ended (408, RFC 9110
    §15.5.9); one that comes in a single piece, as nearly all do, costs no timer. A
    connection whose request line and headers never end is ended (431, RFC 6585): the
    parser would collect them without bound, and ever more slowly. And an offer to change
    to HTTP/2 is ignored, as RFC 9110 §7.8 allows: the parser would take the body for
    something else. A client that takes nothing of its answer for ``UNREAD_S``, or is gone
    without a word, is cut off by the kernel (TCP_USER_TIMEOUT, where there is one): what waits
    for it would stay in memory for ever. And of requests that are sent without waiting for
    answers, only some are parsed ahead.
    """

    PATIENCE_S = 30.0
    UNREAD_S = 60.0

    def __init__(self, *arguments: Any, direct: Direct | None = None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._direct = direct
        self._direct_cycle = DirectCycle()
        self._answered_s = 0.0  # the last direct request
        self._idle_timer: asyncio.TimerHandle | None = None
        self.admission: Admission | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._in_head = False
        self._in_message = False
        self._head_began = False  # in the piece of data that is being parsed
        self._head_bytes = 0  # of the head that is arriving, but for its first piece
        self._unparsed = b""  # not empty: requests before it wait in the pipeline

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self.flow = PipelineFlow(transport, self.pipeline)
        connection = transport.get_extra_info("socket")
        if connection is not None and _USER_TIMEOUT is not None:
            unread_ms = round(self.UNREAD_S * 1000)
            connection.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, unread_ms)

    def on_message_begin(self) -> None:
        self._in_head = self._in_message = self._head_began = True
        super().on_message_begin()
        if self.admission is not None:
            self.scope["extensions"] = {ADMISSION: cast("Any", self.admission)}
            self.admission = None

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_message = False
        self._forget_deadline()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._direct is not None and self._is_free() and self._direct.take(data, self):
            self._direct_cycle.response_complete = False
            self.cycle = cast("RequestResponseCycle", self._direct_cycle)  # in its place
            self._unset_keepalive_if_required()
            return
        if self._unparsed:
            self._unparsed += data
        else:
            self._parse(data)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._unparsed and not self.pipeline:
            data, self._unparsed = self._unparsed, b""
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        """As far as a request of it has to wait."""
        for start in range(0, len(data), PIECE_BYTES):
            if self.transport.is_closing():
                return
            if self.pipeline:
                self._unparsed = data[start:]
                return
            self._parse_piece(data[start : start + PIECE_BYTES])

    def _parse_piece(self, data: bytes) -> None:
        if not self._in_message and _OFFER_OF_HTTP_2 in data:
            head, end, rest = data.partition(b"\r\n\r\n")
            data = head.replace(_OFFER_OF_HTTP_2, b"") + end + rest
        self._head_began = False
        super().data_received(data)
        if self._in_head:  # what came before it in its first piece belongs to others
            self._head_bytes = 0 if self._head_began else self._head_bytes + len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self._end(_HEAD_TOO_LARGE)
        if self._in_message and self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(self.PATIENCE_S, self._give_up)

    def _give_up(self) -> None:
        self._deadline = None
        if self.transport.is_closing():
            return
        if self.flow.read_paused or (self._in_head and self._is_answering()):
            # Those before it come first: the rest may not have been read, and what was said now
            # would be taken for the answer to one of them.
            self._deadline = self.loop.call_later(self.PATIENCE_S, self._give_up)
            return
        answered = not self._in_head and self.cycle.response_started
        self._end(b"" if answered else _TIMED_OUT)

    def _end(self, answer: bytes) -> None:
        self._forget_deadline()
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    # --- direct answers ----------------------------------------------------------------

    @property
    def default_headers(self) -> Sequence[tuple[bytes, bytes]]:
        return self.server_state.default_headers

    @property
    def keep_alive(self) -> bool:
        return self._direct_cycle.keep_alive

    def _is_free(self) -> bool:
        """Nothing is under way, or has begun to arrive; neither client nor server is strained."""
        return (
            not self._in_message
            and not self._is_answering()
            and not self.flow.write_paused
            and not self.transport.is_closing()
            and (self.limit_concurrency is None or len(self.connections) < self.limit_concurrency)
        )

    def _is_answering(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None at first
        return cycle is not None and not cycle.response_complete

    def respond(self, answer: bytes, *, last: bool) -> None:
        self._direct_cycle.response_complete = True
        transport = self.transport
        if transport.is_closing():
            return
        transport.write(answer)
        if last:
            transport.close()
        elif self.pipeline:
            self.on_response_complete()
        else:
            self.server_state.total_requests += 1
            self._answered_s = self.loop.time()
            if self._idle_timer is None:
                self._watch_idleness(self.timeout_keep_alive)

    def _watch_idleness(self, delay_s: float) -> None:
        """One timer for many answers: to set one for each costs more than the answer's form."""
        self._idle_timer = self.loop.call_later(delay_s, self._on_idle_timer)

    def _on_idle_timer(self) -> None:
        idle_s = self.loop.time() - self._answered_s
        is_busy = self._in_message or not self.cycle.response_complete
        if is_busy or self.timeout_keep_alive_task is not None:  # then uvicorn's own timer decides
            self._watch_idleness(self.timeout_keep_alive)
        elif idle_s < self.timeout_keep_alive:
            self._watch_idleness(self.timeout_keep_alive - idle_s)
        else:
            self._idle_timer = None
            self.transport.close()
