"""Runs calls over httpx in an asyncio event loop."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
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

Sender = Callable[[Send], Awaitable[Answer | NoAnswer]]


class Closable(Protocol):
    """What ends with its client."""

    async def close(self) -> None: ...


class Shell:
    """One pool of connections, for the tasks of one event loop."""

    def __init__(
        self,
        endpoints: tuple[str, ...],
        limits: Limits,
        *,
        tracer_provider: "TracerProvider | None" = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.limits = limits
        self.router = Router(endpoints, jitter=SystemRandom().random)
        self.clock = time.monotonic
        self._http = httpx.AsyncClient(
            transport=transport,
            verify=needs_tls(endpoints),
            limits=POOL,
            trust_env=False,
            headers={"user-agent": USER_AGENT},
        )
        self._tracer = call_tracer(tracer_provider)
        self._is_closed = False
        self._dependants: WeakSet[Closable] = WeakSet()

    async def run(
        self, call: Call[T], timeout_s: float | None = None, *, router: Router | None = None
    ) -> T:
        """The call's result; see :func:`~kvorum.client.attempts.attempts`."""
        steps = attempts(call, router or self.router, self.limits, self.clock, timeout_s)
        return await self._traced(call, steps, self._exchange)

    async def open(self, call: Call[Answer], timeout_s: float | None) -> "Opened":
        """The same for a stream; whoever asked closes it."""
        opening = _Opening(self._http)
        steps = attempts(call, self.router, self.limits, self.clock, timeout_s)
        try:
            head = await self._traced(call, steps, opening.send)
        except BaseException:
            await opening.close()
            raise
        assert opening.response is not None, "only an opened stream is an answer"
        return Opened(head, opening.response)

    async def follow(self, flow: Flow[T]) -> T:
        """Run the calls that the flow asks for; its result."""
        try:
            step = next(flow)
            while True:
                try:
                    result = await self._follow(step)
                except ClientError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(result)
        except StopIteration as end:
            value: T = end.value
            return value

    async def _follow(self, step: Ask | Pause) -> LeaseInfo | Claim | None:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        result: LeaseInfo | Claim = await self.run(step.call, step.timeout_s)
        return result

    async def each(
        self, ask: Callable[[str], Coroutine[None, None, T]], endpoints: tuple[str, ...]
    ) -> tuple[T, ...]:
        """Ask several endpoints at once."""
        return tuple(await asyncio.gather(*map(ask, endpoints)))

    async def _traced(self, call: Call[T], steps: Steps[T], send: Sender) -> T:
        if self._tracer is None:
            return await self._drive(steps, send, nobody)
        with self._tracer.span(call) as on_send:
            return await self._drive(steps, send, on_send)

    async def _drive(self, steps: Steps[T], send: Sender, on_send: OnSend) -> T:
        reply: Reply = None
        try:
            while True:
                self._check_open()
                step = steps.send(reply)
                reply = None
                if isinstance(step, Send):
                    on_send(step.endpoint)
                    reply = await send(step)
                else:
                    await asyncio.sleep(step.seconds)
        except RuntimeError as error:
            if not self._http.is_closed:
                raise
            raise ClientClosed("the client was closed meanwhile") from error
        except StopIteration as end:
            value: T = end.value
            return value

    def _check_open(self) -> None:
        if self._is_closed:
            raise ClientClosed("the client is closed")

    async def _exchange(self, step: Send) -> Answer | NoAnswer:
        request = request_of(self._http, step)
        try:
            async with asyncio.timeout(step.total_s):
                response = await self._http.send(request, stream=True)
                try:
                    body = await _read(response)
                finally:
                    await response.aclose()
        except httpx.RequestError as error:
            return no_answer(error)
        except TimeoutError:
            return out_of_time(step)
        return head_of(response, step.endpoint, body)

    def adopt(self, dependant: Closable) -> None:
        """Close it with the client."""
        self._check_open()
        self._dependants.add(dependant)

    def disown(self, dependant: Closable) -> None:
        self._dependants.discard(dependant)

    async def close(self) -> None:
        """End what is under way in other tasks, and all connections."""
        self._is_closed = True
        for dependant in tuple(self._dependants):
            await dependant.close()
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.close()


async def _read(response: httpx.Response) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        parts.append(part)
        size += len(part)
        if size > ANSWER_BYTES_MAX:
            raise UnexpectedAnswer(f"the answer is longer than {ANSWER_BYTES_MAX} bytes")
    return b"".join(parts)


class Opened:
    """A stream that was opened, and what its head said."""

    def __init__(self, head: Answer, response: httpx.Response) -> None:
        self.head = head
        self.response = response


class _Opening:
    """Sends the request for a stream; keeps the response that is one."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._http = client
        self.response: httpx.Response | None = None

    async def send(self, step: Send) -> Answer | NoAnswer:
        request = request_of(self._http, step)
        try:
            async with asyncio.timeout(step.total_s):
                response = await self._http.send(request, stream=True)
                if response.status_code == 200:
                    allow_silence(request, step.call.silence_s)
                    self.response = response
                    return head_of(response, step.endpoint)
                try:
                    return head_of(response, step.endpoint, await response.aread())
                finally:
                    await response.aclose()
        except httpx.RequestError as error:
            return no_answer(error)
        except TimeoutError:
            return out_of_time(step)

    async def close(self) -> None:
        if self.response is not None:
            await self.response.aclose()
