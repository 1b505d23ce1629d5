"""The incoming half of a peering: judge who calls, then deliver what it says."""

import asyncio
from collections.abc import Callable, Sequence

import grpc
from grpc import aio
from msgspec import Struct

from kvorum.raft.messages import Message
from kvorum.raft.types import NodeId
from kvorum.transport.codec import (
    MalformedMessage,
    decode_batch,
    decode_hello,
    encode_reply,
)
from kvorum.transport.complaints import Complaints
from kvorum.transport.directory import Directory
from kvorum.transport.handshake import Handshake, Hello, Refusal
from kvorum.transport.observer import TransportObserver
from kvorum.transport.options import TransportOptions

Deliver = Callable[[Sequence[Message]], None]
"""Takes a frame's messages on the event loop; must neither block nor raise."""

Context = aio.ServicerContext[bytes, bytes]

MALFORMED = "malformed"


class _Caller(Struct, eq=False):
    """One accepted stream; compared by identity."""

    address: str
    node_id: str


class Reception:
    """Serves ``RaftService.Stream``."""

    def __init__(
        self,
        *,
        options: TransportOptions,
        handshake: Handshake,
        directory: Directory,
        deliver: Deliver,
        observer: TransportObserver,
        complaints: Complaints,
        on_caller: Callable[[str], None],
    ) -> None:
        self._options = options
        self._handshake = handshake
        self._directory = directory
        self._deliver = deliver
        self._observer = observer
        self._complaints = complaints
        self._on_caller = on_caller
        self._self = NodeId(options.self_address)
        self._callers: dict[str, _Caller] = {}  # the newest stream of each address
        self._tasks: set[asyncio.Task[object]] = set()
        self._closing = False

    def close(self) -> None:
        """End all streams: they would otherwise last as long as their callers."""
        self._closing = True
        for task in self._tasks:
            task.cancel()

    async def stream(self, _requests: object, context: Context) -> None:
        """Handler of the RPC; raw bytes in and out."""
        task = asyncio.current_task()
        assert task is not None, "gRPC runs a handler in a task"
        self._tasks.add(task)
        try:
            await self._receive(context)
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

    async def _receive(self, context: Context) -> None:
        caller = await self._admit(context)
        if caller is None:
            return
        self._callers[caller.address] = caller
        self._on_caller(caller.address)
        try:
            await self._deliver_all(caller, context)
        finally:
            if self._callers.get(caller.address) is caller:
                del self._callers[caller.address]

    async def _admit(self, context: Context) -> _Caller | None:
        """Handshake; None if the caller was refused. Raises MalformedMessage."""
        hello = await self._hello(context)
        if hello is None:
            return None
        open_stream = self._callers.get(hello.sender_address)
        refusal = self._handshake.judge_caller(
            hello, streaming_as=open_stream.node_id if open_stream else None
        )
        if refusal is None:
            self._directory.learn(hello.sender_address, hello.node_id)
        else:
            self._complain(hello, refusal)
        await context.write(encode_reply(self._handshake.reply(refusal)))
        return None if refusal else _Caller(hello.sender_address, hello.node_id)

    async def _hello(self, context: Context) -> Hello | None:
        """The first frame; None if the caller hung up first. Raises MalformedMessage."""
        try:
            async with asyncio.timeout(self._options.handshake_timeout_ms / 1000):
                raw = await _read(context)
        except TimeoutError:
            raise MalformedMessage("no hello in time") from None
        return None if raw is None else decode_hello(raw)

    async def _deliver_all(self, caller: _Caller, context: Context) -> None:
        sender = NodeId(caller.address)
        deliver, observer = self._deliver, self._observer
        while (raw := await _read(context)) is not None:
            if self._callers.get(caller.address) is not caller:
                await context.abort(
                    grpc.StatusCode.ABORTED,
                    f"{caller.address} ({caller.node_id}) opened another stream; if this "
                    "repeats, two processes run with its address and id",
                )
            messages = decode_batch(raw, sender, self._self)
            deliver(messages)
            observer.received(caller.address, len(messages), len(raw))

    def _complain(self, hello: Hello, refusal: Refusal) -> None:
        self._observer.refused(refusal.kind)
        member = hello.sender_address in self._options.members
        self._complaints.warn(
            (refusal.kind, hello.sender_address if member else None),
            f"refused a peer: {refusal.text}",
            repeat_if_changed=False,
        )


async def _read(context: Context) -> bytes | None:
    """The next frame; None at the end of the stream."""
    raw: object = await context.read()
    return raw if isinstance(raw, bytes) else None
