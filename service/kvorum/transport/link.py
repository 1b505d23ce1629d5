"""The outgoing half of a peering: dial, introduce ourselves, send, dial again."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from enum import Enum, auto
from random import Random

from grpc import aio

from kvorum.raft.membership import address_of
from kvorum.raft.messages import Message
from kvorum.raft.types import NodeId
from kvorum.telemetry.spans import FrameTraces
from kvorum.transport.backoff import Backoff
from kvorum.transport.complaints import Complaints
from kvorum.transport.directory import Directory
from kvorum.transport.encoding import encode_batch, encode_with_notes
from kvorum.transport.handshake import Handshake
from kvorum.transport.introduction import REASON_CHARACTERS_MAX, RefusalKind, shown
from kvorum.transport.introduction_codec import decode_reply, encode_hello
from kvorum.transport.observer import DropReason, TransportObserver
from kvorum.transport.options import TransportOptions, client_arguments
from kvorum.transport.outbox import Outbox
from kvorum.transport.wire import MalformedMessage

STREAM_METHOD = "/raft_protocol.RaftService/Stream"

# The call is over: refused or broken by the network, or used after its end.
_CALL_FAILURES = (aio.AioRpcError, aio.BaseError, asyncio.InvalidStateError)

Call = aio.StreamStreamCall[bytes, bytes]

_PASSING = (RefusalKind.RENAMED, RefusalKind.NOT_READY)  # refusals for a moment only

_PROBLEMS = ("dial", "unreachable", "lost", "too-large")

_FAILURES_BEFORE_COMPLAINT = 8  # some seconds, with the back-off between them


class _Ended(Exception):
    """The stream is over; the message says why."""


class _Refused(Exception):
    """One side will not talk to the other; the message says why."""


class _Outcome(Enum):
    UNREACHABLE = auto()  # no handshake: the peer is away
    REFUSED = auto()  # a mistake of configuration: do not hurry
    BROKEN = auto()  # lost soon after the handshake
    LOST = auto()  # lost after a while of service


class Link:
    """Everything this node sends to ``peer``. Runs until it is retired or cancelled.

    Each attempt uses a new channel, so that the peer's name is resolved anew and
    gRPC's own back-off (which grows to minutes) never applies.
    """

    def __init__(
        self,
        peer: NodeId,
        *,
        options: TransportOptions,
        handshake: Handshake,
        directory: Directory,
        observer: TransportObserver,
        complaints: Complaints,
        logger: logging.Logger,
        random: Random,
        traces: FrameTraces | None = None,
    ) -> None:
        self._peer = peer
        self._address = address_of(peer)
        self._options = options
        self._handshake = handshake
        self._directory = directory
        self._observer = observer
        self._complaints = complaints
        self._logger = logger
        self._traces = traces
        self._failures = 0  # attempts since the last connection
        self._is_retired = False
        self._call: Call | None = None
        self._uid: str | None = None  # of the data directory that was met
        self._nudged = asyncio.Event()
        self._backoff = Backoff(
            min_s=options.reconnect_min_ms / 1000,
            max_s=options.reconnect_max_ms / 1000,
            random=random,
        )
        self._outbox = Outbox(
            messages_max=options.queue_messages_max,
            bytes_max=options.queue_bytes_max,
            message_bytes_max=options.message_bytes_max,
        )

    def send(self, message: Message) -> None:
        """Queue ``message`` or drop it; never blocks."""
        reason = self._outbox.offer(message)
        if reason is not None:
            self._dropped(1, reason)

    def nudge(self) -> None:
        """The peer was heard of: do not wait for the back-off to end."""
        self._nudged.set()

    def retire(self) -> bool:
        """End when what waits has left; False if nothing can leave, so that it may end now."""
        self._is_retired = True
        self._nudged.set()
        self._outbox.wake()
        return self._outbox.is_open

    def expect(self, uid: str | None) -> None:
        """The data directory that ``peer`` is known by: another one is not talked to."""
        if self._call is not None and self._uid is not None and uid not in (None, self._uid):
            self._call.cancel()  # the next handshake tells both sides why

    async def run(self) -> None:
        try:
            while not self._is_retired:
                outcome = await self._session()
                await self._pause(outcome)
        finally:
            self._observer.forgotten(self._peer)
            for problem in _PROBLEMS:
                self._complaints.settle((problem, self._peer))

    async def _pause(self, outcome: _Outcome) -> None:
        if outcome is _Outcome.LOST:
            self._backoff.reset()
        delay_s = self._backoff.next_s()
        if outcome is _Outcome.REFUSED:
            delay_s = self._options.refused_retry_ms / 1000
        try:
            async with asyncio.timeout(delay_s):
                await self._nudged.wait()
        except TimeoutError:
            return
        self._nudged.clear()

    async def _session(self) -> _Outcome:
        """One attempt, from the dial to the end of the stream."""
        self._observer.dialled(self._peer)
        try:
            async with self._dialled() as call:
                await self._greet(call)
                return await self._serve(call)
        except _Refused as refused:
            self._complaints.warn(("dial", self._peer), str(refused))
            return _Outcome.REFUSED
        except (_Ended, MalformedMessage, TimeoutError) as error:
            self._unreachable(error)
            return _Outcome.UNREACHABLE

    def _unreachable(self, error: Exception) -> None:
        """Said once it lasts: at a common start some nodes are always the first."""
        self._failures += 1
        why = str(error) or "no answer"
        self._logger.debug("cannot reach peer %s: %s", self._peer, why)
        if self._failures >= _FAILURES_BEFORE_COMPLAINT:
            text = f"cannot reach peer {self._who()}, still trying: {why}"
            self._complaints.warn(("unreachable", self._peer), text, repeat_if_changed=False)

    @asynccontextmanager
    async def _dialled(self) -> AsyncIterator[Call]:
        channel = aio.insecure_channel(self._address, options=client_arguments(self._options))
        call: Call = channel.stream_stream(STREAM_METHOD, None, None)(None)
        call.add_done_callback(lambda _: self._outbox.wake())
        self._call = call
        try:
            yield call
        finally:
            self._call = self._uid = None
            call.cancel()
            await channel.close(None)
            await call.code()  # gRPC's own task for this call has ended, too

    async def _greet(self, call: Call) -> None:
        """Handshake: returns when both sides agree. Raises _Refused, _Ended, TimeoutError."""
        async with asyncio.timeout(self._options.handshake_timeout_ms / 1000):
            await _write(call, encode_hello(self._handshake.hello(self._peer, self._address)))
            reply = decode_reply(await _read(call))
        refusal = self._handshake.conclude(self._peer, reply)
        if refusal is None:
            self._uid = reply.uid
            self._directory.learn(self._peer, reply.node_id)
        elif refusal.kind in _PASSING:
            raise _Ended(refusal.text)
        else:
            raise _Refused(refusal.text)

    async def _serve(self, call: Call) -> _Outcome:
        """Send until the stream ends."""
        began_s = time.monotonic()
        self._failures = 0
        self._complaints.settle(("dial", self._peer))
        self._complaints.settle(("unreachable", self._peer))
        self._logger.info("connected to peer %s", self._who())
        self._nudged.clear()
        self._outbox.open()
        self._observer.connected(self._peer, True)
        try:
            await self._pump(call)
        except _Ended as error:
            self._complaints.warn(("lost", self._peer), f"lost peer {self._who()}: {error}")
        finally:
            self._observer.connected(self._peer, False)
            self._dropped(self._outbox.close(), DropReason.DISCONNECTED)
        served_s = time.monotonic() - began_s
        return (
            _Outcome.LOST if served_s * 1000 > self._options.reconnect_max_ms else _Outcome.BROKEN
        )

    async def _pump(self, call: Call) -> None:
        """What waits becomes one frame, one write. Raises _Ended; returns when retired."""
        async with _ending(call, "sending"):
            while not call.done():
                messages = self._outbox.take(self._options.frame_bytes_max)
                if messages:
                    await self._send_frame(call, messages)
                elif self._is_retired:
                    await _finish(call)
                    return
                else:
                    await self._outbox.wait()
        raise _Ended(await _status(call))

    async def _send_frame(self, call: Call, messages: Sequence[Message]) -> None:
        raw = encode_batch(messages) if self._traces is None else self._encode_traced(messages)
        await call.write(raw)
        self._observer.sent(self._peer, len(messages), len(raw))

    def _encode_traced(self, messages: Sequence[Message]) -> bytes:
        notes = self._traces.outgoing(self._peer, messages) if self._traces is not None else ()
        return encode_with_notes(messages, notes, self._options.message_bytes_max)

    def _dropped(self, messages: int, reason: DropReason) -> None:
        if messages:
            self._observer.dropped(self._peer, messages, reason)
        if reason is DropReason.TOO_LARGE:
            self._complaints.warn(
                ("too-large", self._peer),
                f"dropped a message to {self._peer} of more than "
                f"{self._options.message_bytes_max} bytes, the limit of a peer's message",
            )

    def _who(self) -> str:
        node_id = self._directory.id_of(self._peer)
        return str(self._peer) if node_id is None else f"{self._peer} ({node_id})"


async def _status(call: Call) -> str:
    """Why a failed call ended, in a few words."""
    call.cancel()  # without effect if it has ended; otherwise this ends the wait below
    code = await call.code()
    details = shown(await call.details() or "no details", REASON_CHARACTERS_MAX)
    return f"{code.name}: {details}"


def _really_cancelled() -> bool:
    """gRPC raises CancelledError for a cancelled *call*, too; that is no cancelled task."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@asynccontextmanager
async def _ending(call: Call, doing: str) -> AsyncIterator[None]:
    """Turn every way in which gRPC reports the end of ``call`` into _Ended."""
    try:
        yield
    except _CALL_FAILURES as error:
        raise _Ended(f"{await _status(call)} (while {doing})") from error
    except asyncio.CancelledError:
        if _really_cancelled():
            raise
        raise _Ended(f"the call was cancelled (while {doing})") from None


async def _write(call: Call, raw: bytes) -> None:
    """Raises _Ended if the call is over."""
    async with _ending(call, "sending"):
        await call.write(raw)


async def _finish(call: Call) -> None:
    """Say that nothing follows, and wait until the peer has read everything and ends the call."""
    async with _ending(call, "finishing"):
        await call.done_writing()
        await call.code()


async def _read(call: Call) -> bytes:
    """Raises _Ended if the call is over."""
    async with _ending(call, "waiting for an answer"):
        raw = await call.read()
    if not isinstance(raw, bytes):
        raise _Ended(await _status(call))
    return raw
