"""Runs calls over httpx in the thread that makes them."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import SystemRandom
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TypeVar
from weakref import WeakSet

import httpx

from kvorum.client.attempts import Limits, NoAnswer, Pause, Reply, Send, Steps, attempts
from kvorum.client.call import Answer, Call
from kvorum.client.errors import ClientClosed, ClientError, UnexpectedAnswer
from kvorum.client.http import (
    ANSWER_BYTES_MAX,
    POOL,
    USER_AGENT,
    allow_silence,
    head_of,
    needs_tls,
    no_answer,
    out_of_time,
    request_of,
)
from kvorum.client.keeping import Ask, Flow
from kvorum.client.model import Claim, LeaseInfo
from kvorum.client.routing import Router
from kvorum.client.tracing import OnSend, call_tracer, nobody

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

T = TypeVar("T")

Sender = Callable[[Send], Answer | NoAnswer]


class Closable(Protocol):
    """What ends with its client."""

    def close(self) -> None: ...


class Shell:
    """One pool of connections; threads may share it."""

    def __init__(
        self,
        endpoints: tuple[str, ...],
        limits: Limits,
        *,
        tracer_provider: "TracerProvider | None" = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.limits = limits
        self.router = Router(endpoints, jitter=SystemRandom().random)
        self.clock = time.monotonic
        self._http = httpx.Client(
            transport=transport,
            verify=needs_tls(endpoints),
            limits=POOL,
            trust_env=False,
            headers={"user-agent": USER_AGENT},
        )
        self._tracer = call_tracer(tracer_provider)
        self._closed = threading.Event()
        self._dependants: WeakSet[Closable] = WeakSet()
        self._lock = threading.Lock()

    def run(
        self,
        call: Call[T],
        timeout_s: float | None = None,
        *,
        router: Router | None = None,
        stop: threading.Event | None = None,
    ) -> T:
        """The call's result; see :func:`~kvorum.client.attempts.attempts`.

        Setting ``stop`` ends a pause between attempts with :class:`ClientClosed`.
        """
        steps = attempts(call, router or self.router, self.limits, self.clock, timeout_s)
        return self._traced(call, steps, stop, self._exchange)

    def open(
        self, call: Call[Answer], timeout_s: float | None, stop: threading.Event | None = None
    ) -> "Opened":
        """The same for a stream; whoever asked closes it."""
        opening = _Opening(self._http)
        steps = attempts(call, self.router, self.limits, self.clock, timeout_s)
        try:
            head = self._traced(call, steps, stop, opening.send)
        except BaseException:
            opening.close()
            raise
        assert opening.response is not None, "only an opened stream is an answer"
        return Opened(head, opening.response)

    def follow(self, flow: Flow[T]) -> T:
        """Run the calls that the flow asks for; its result."""
        try:
            step = next(flow)
            while True:
                try:
                    result = self._follow(step)
                except ClientError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(result)
        except StopIteration as end:
            value: T = end.value
            return value

    def _follow(self, step: Ask | Pause) -> LeaseInfo | Claim | None:
        if isinstance(step, Pause):
            self._closed.wait(step.seconds)  # if it is set, the next call says so
            return None
        result: LeaseInfo | Claim = self.run(step.call, step.timeout_s)
        return result

    def each(self, ask: Callable[[str], T], endpoints: tuple[str, ...]) -> tuple[T, ...]:
        """Ask several endpoints at once."""
        with ThreadPoolExecutor(min(len(endpoints), 16)) as pool:
            return tuple(pool.map(ask, endpoints))

    def _traced(
        self, call: Call[T], steps: Steps[T], stop: threading.Event | None, send: Sender
    ) -> T:
        if self._tracer is None:
            return self._drive(steps, stop or self._closed, send, nobody)
        with self._tracer.span(call) as on_send:
            return self._drive(steps, stop or self._closed, send, on_send)

    def _drive(self, steps: Steps[T], stop: threading.Event, send: Sender, on_send: OnSend) -> T:
        reply: Reply = None
        try:
            while True:
                self._check_open()
                step = steps.send(reply)
                reply = None
                if isinstance(step, Send):
                    on_send(step.endpoint)
                    reply = send(step)
                elif stop.wait(step.seconds):
                    raise ClientClosed("it was closed while a call waited to be repeated")
        except RuntimeError as error:
            if not self._http.is_closed:
                raise
            raise ClientClosed("the client was closed meanwhile") from error
        except StopIteration as end:
            value: T = end.value
            return value

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise ClientClosed("the client is closed")

    def _exchange(self, step: Send) -> Answer | NoAnswer:
        deadline_s = self.clock() + step.total_s
        request = request_of(self._http, step)
        try:
            response = self._http.send(request, stream=True)
            try:
                body = self._read(response, deadline_s)
            finally:
                response.close()
        except httpx.RequestError as error:
            return no_answer(error)
        return out_of_time(step) if body is None else head_of(response, step.endpoint, body)

    def _read(self, response: httpx.Response, deadline_s: float) -> bytes | None:
        """None if it trickles in for longer than it may."""
        parts: list[bytes] = []
        size = 0
        for part in response.iter_bytes():
            parts.append(part)
            size += len(part)
            if size > ANSWER_BYTES_MAX:
                raise UnexpectedAnswer(f"the answer is longer than {ANSWER_BYTES_MAX} bytes")
            if self.clock() > deadline_s:
                return None
        return b"".join(parts)

    def adopt(self, dependant: Closable) -> None:
        """Close it with the client."""
        self._check_open()
        with self._lock:
            self._dependants.add(dependant)

    def disown(self, dependant: Closable) -> None:
        with self._lock:
            self._dependants.discard(dependant)

    def close(self) -> None:
        """End what is under way in other threads, and all connections."""
        self._closed.set()
        with self._lock:
            dependants = tuple(self._dependants)
        for dependant in dependants:
            dependant.close()
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()


class Opened:
    """A stream that was opened, and what its head said."""

    def __init__(self, head: Answer, response: httpx.Response) -> None:
        self.head = head
        self.response = response


class _Opening:
    """Sends the request for a stream; keeps the response that is one."""

    def __init__(self, client: httpx.Client) -> None:
        self._http = client
        self.response: httpx.Response | None = None

    def send(self, step: Send) -> Answer | NoAnswer:
        request = request_of(self._http, step)
        try:
            response = self._http.send(request, stream=True)
            if response.status_code == 200:
                allow_silence(request, step.call.silence_s)
                self.response = response
                return head_of(response, step.endpoint)
            try:
                return head_of(response, step.endpoint, response.read())
            finally:
                response.close()
        except httpx.RequestError as error:
            return no_answer(error)

    def close(self) -> None:
        if self.response is not None:
            self.response.close()
