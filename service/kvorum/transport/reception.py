"""The incoming half of a peering: judge who calls, then deliver what it says."""

import asyncio
from collections.abc import Callable, Sequence

import grpc
from grpc import aio
from msgspec import Struct

from kvorum.raft.messages import Message
from kvorum.raft.types import NodeId
from kvorum.telemetry.spans import FrameTraces
from kvorum.transport.complaints import Complaints
from kvorum.transport.decoding import decode_batch
from kvorum.transport.directory import Directory
from kvorum.transport.handshake import Handshake
from kvorum.transport.identity import Registrar
from kvorum.transport.introduction import Assignment, Hello, Refusal, RefusalKind
from kvorum.transport.introduction_codec import decode_hello, encode_reply
from kvorum.transport.observer import TransportObserver
from kvorum.transport.options import TransportOptions
from kvorum.transport.standing import Standing
from kvorum.transport.wire import MalformedMessage

Deliver = Callable[[Sequence[Message]], None]
"""Takes a frame's messages on the event loop; must neither block nor raise."""

Context = aio.ServicerContext[bytes, bytes]

MALFORMED = "malformed"


class _Caller(Struct, eq=False):
    """One accepted stream; compared by identity. ``cut`` says why it is ended from here."""

    hello: Hello
    task: asyncio.Task[object]
    cut: str = ""

    @property
    def address(self) -> str:
        return self.hello.sender_address

    @property
    def member(self) -> NodeId:
        return self.hello.member


class Reception:
    """Serves ``RaftService.Stream``."""

    def __init__(
        self,
        *,
        options: TransportOptions,
        handshake: Handshake,
        directory: Directory,
        standing: Standing,
        registrar: Registrar,
        deliver: Deliver,
        observer: TransportObserver,
        complaints: Complaints,
        on_caller: Callable[[NodeId], None],
        traces: FrameTraces | None = None,
    ) -> None:
        self._options = options
        self._handshake = handshake
        self._directory = directory
        self._standing = standing
        self._registrar = registrar
        self._deliver = deliver
        self._observer = observer
        self._complaints = complaints
        self._on_caller = on_caller
        self._traces = traces
        self._self = options.member_id
        self._callers: dict[str, _Caller] = {}  # the newest stream of each address
        self._tasks: set[asyncio.Task[object]] = set()
        self._closing = False

    def close(self) -> None:
        """End all streams: they would otherwise last as long as their callers."""
        self._closing = True
        for task in self._tasks:
            task.cancel()

    @property
    def guests(self) -> tuple[NodeId, ...]:
        """Callers that may be members of whom this node has not heard yet."""
        knows = self._standing.knows
        return tuple(
            caller.member
            for caller in self._callers.values()
            if not caller.cut and not knows(caller.member)
        )

    def review(self) -> None:
        """End the streams of those who would be refused by now."""
        for caller in self._callers.values():
            refusal = None if caller.cut else self._handshake.judge_again(caller.hello)
            if refusal is not None:
                caller.cut = refusal.text
                caller.task.cancel()

    async def stream(self, _requests: object, context: Context) -> None:
        """Handler of the RPC; raw bytes in and out."""
        task = asyncio.current_task()
        assert task is not None, "gRPC runs a handler in a task"
        self._tasks.add(task)
        try:
            await self._receive(task, context)
        except MalformedMessage as error:
            self._observer.refused(MALFORMED)
            self._complaints.warn(
                MALFORMED,
                f"broke off a stream from {context.peer()}: {error}",
                repeat_if_changed=False,
            )
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except asyncio.CancelledError:
            if not self._closing:
                raise
            task.uncancel()
            reason = f"{self._options.node_id} is stopping"
            await context.abort(grpc.StatusCode.UNAVAILABLE, reason)
        finally:
            self._tasks.discard(task)

    async def _receive(self, task: asyncio.Task[object], context: Context) -> None:
        hello = await self._admit(context)
        if hello is None:
            return
        caller = _Caller(hello, task)
        self._callers[caller.address] = caller
        self._on_caller(caller.member)
        try:
            await self._deliver_all(caller, context)
        except asyncio.CancelledError:
            if not caller.cut or self._closing:
                raise
            task.uncancel()
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, caller.cut)
        finally:
            if self._callers.get(caller.address) is caller:
                del self._callers[caller.address]

    async def _admit(self, context: Context) -> Hello | None:
        """Handshake; None if the caller was refused. Raises MalformedMessage."""
        hello = await self._hello(context)
        if hello is None:
            return None
        refusal = self._judge(hello)
        if refusal is None:
            self._directory.learn(hello.member, hello.node_id)
        else:
            self._complain(hello, refusal)
        await context.write(encode_reply(self._handshake.reply(refusal)))
        if refusal is None:
            return hello
        if refusal.kind is RefusalKind.RENAMED and refusal.assigned is not None:
            self._registrar.on_assigned(Assignment(refusal.assigned, hello.cluster_id))
        return None

    def _judge(self, hello: Hello) -> Refusal | None:
        there = self._callers.get(hello.sender_address)
        streaming_as = there.hello.node_id if there else None
        refusal = self._handshake.judge_caller(hello, streaming_as=streaming_as)
        if refusal is not None or self._standing.knows(hello.member):
            return refusal
        return None if there or self._has_room() else self._full()

    def _has_room(self) -> bool:
        return len(self.guests) < self._options.guests_max

    def _full(self) -> Refusal:
        return Refusal(
            RefusalKind.TOO_MANY_GUESTS,
            f"{self._options.node_id} talks to {self._options.guests_max} nodes already of which "
            "it does not know whether they are members; try again when it has caught up",
        )

    async def _hello(self, context: Context) -> Hello | None:
        """The first frame; None if the caller hung up first. Raises MalformedMessage."""
        try:
            async with asyncio.timeout(self._options.handshake_timeout_ms / 1000):
                raw = await _read(context)
        except TimeoutError:
            raise MalformedMessage("no hello in time") from None
        return None if raw is None else decode_hello(raw)

    async def _deliver_all(self, caller: _Caller, context: Context) -> None:
        sender = caller.member
        deliver, observer = self._deliver, self._observer
        while (raw := await _read(context)) is not None:
            if self._callers.get(caller.address) is not caller:
                await context.abort(
                    grpc.StatusCode.ABORTED,
                    f"{caller.address} ({caller.hello.node_id}) opened another stream; if this "
                    "repeats, two processes run with its address and id",
                )
            if self._standing.disowned:
                await context.abort(grpc.StatusCode.PERMISSION_DENIED, self._standing.disowned)
            messages = decode_batch(raw, sender, self._self, self._traces)
            deliver(messages)
            observer.received(sender, len(messages), len(raw))

    def _complain(self, hello: Hello, refusal: Refusal) -> None:
        self._observer.refused(refusal.kind)
        if refusal.kind is RefusalKind.NOT_READY:
            return  # for a moment only, and the caller says so if it lasts
        known = self._standing.at(hello.sender_address)
        self._complaints.warn(
            (refusal.kind, known),
            f"refused a peer: {refusal.text}",
            repeat_if_changed=False,
        )


async def _read(context: Context) -> bytes | None:
    """The next frame; None at the end of the stream."""
    raw: object = await context.read()
    return raw if isinstance(raw, bytes) else None
