"""Watches of clients over gRPC: ``kvorum.v1.Watch``.

A client that stops reading stops its stream: a response is written only when the one before
has left, and what happens meanwhile waits with the watch, which the hub bounds. A full stream
cannot be broken off from here, so it counts, even if its watch has ended, until the client
reads on, to be told so, or hangs up.
"""

from typing import NoReturn, Protocol

import grpc
from grpc import aio

from kvorum.errors import Compacted, InvalidRequest, Overloaded, Rejected, WatchEnded
from kvorum.mvcc.query import KeyRange
from kvorum.node.watching import Watch
from kvorum.transport.pb import kvorum_pb2 as pb
from kvorum.transport.watch_codec import (
    ChangeEncoder,
    WatchRequest,
    decode_watch_request,
    encode_cancelled,
    encode_heartbeat,
    encode_opened,
)
from kvorum.transport.wire import MalformedMessage

WATCH_SERVICE = pb.DESCRIPTOR.services_by_name["Watch"].full_name
OLDEST_REVISION_METADATA = "kvorum-oldest-revision"

Context = aio.ServicerContext[bytes, bytes]


class OpenWatch(Protocol):
    """How a watch begins; :meth:`kvorum.node.service.KvService.watch` fits."""

    def __call__(
        self, keys: KeyRange, *, from_revision: int | None, puts: bool, deletes: bool
    ) -> Watch: ...


class WatchService:
    """Serves ``Watch``; raw bytes in and out."""

    def __init__(self, open_watch: OpenWatch, *, streams_max: int) -> None:
        self._open_watch = open_watch
        self._streams_max = streams_max
        self._streams = 0
        self._encoder = ChangeEncoder()

    @property
    def streams(self) -> int:
        """How many clients are being served."""
        return self._streams

    async def watch(self, raw: bytes, context: Context) -> None:
        """Handler of the RPC."""
        if self._streams >= self._streams_max:
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"this node serves {self._streams_max} streams already; watch at another one",
            )
        self._streams += 1
        try:
            request = await self._decode(raw, context)
            watch = await self._open(request, context)
            try:
                await self._tell(watch, request, context)
            finally:
                watch.close()
        finally:
            self._streams -= 1

    async def _decode(self, raw: bytes, context: Context) -> WatchRequest:
        try:
            return decode_watch_request(raw)
        except MalformedMessage as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))

    async def _open(self, request: WatchRequest, context: Context) -> Watch:
        try:
            return self._open_watch(
                request.keys,
                from_revision=request.from_revision,
                puts=request.puts,
                deletes=request.deletes,
            )
        except (InvalidRequest, Rejected) as error:
            await _refuse(error, context)

    async def _tell(self, watch: Watch, request: WatchRequest, context: Context) -> None:
        await context.write(encode_opened(watch.revision))
        try:
            while True:
                changes = await watch.next(request.heartbeat_s)
                for change in changes:
                    for part in self._encoder.encode(change, previous=request.previous):
                        await context.write(part)
                if not changes:
                    await context.write(encode_heartbeat(watch.progress))
        except WatchEnded as end:
            await context.write(encode_cancelled(end.reason, end.resume_revision, str(end)))


async def _refuse(error: InvalidRequest | Rejected, context: Context) -> NoReturn:
    metadata: tuple[tuple[str, str], ...] = ()
    match error:
        case Compacted():
            code = grpc.StatusCode.OUT_OF_RANGE
            metadata = ((OLDEST_REVISION_METADATA, str(error.oldest_revision)),)
        case Overloaded():
            code = grpc.StatusCode.RESOURCE_EXHAUSTED
        case Rejected():
            code = grpc.StatusCode.UNAVAILABLE
        case _:
            code = grpc.StatusCode.INVALID_ARGUMENT
    await context.abort(code, str(error), metadata)
