"""``GET /watch``: changes of keys as server-sent events, from any revision that is kept."""

from collections.abc import AsyncGenerator, Iterable
from typing import TYPE_CHECKING

import msgspec
from litestar.types import HTTPScope
from msgspec import Struct

from kvorum.errors import InvalidRequest, WatchEnded
from kvorum.mvcc.query import KeyRange
from kvorum.node.service import KvService
from kvorum.rest import sse
from kvorum.rest.options import RestOptions
from kvorum.rest.query import Query
from kvorum.rest.streaming import Streamed
from kvorum.rest.watch_events import Frames, change_frame, change_frame_with_previous
from kvorum.rest.watch_schemas import WatchBookmark, WatchCancelled, WatchOpened

if TYPE_CHECKING:
    from kvorum.node.watching import Watch

REVISION_MAX = (1 << 63) - 1
HEARTBEAT_S = 15
HEARTBEAT_S_MAX = 300

_PARAMETERS = (
    "there are key, prefix, start, end, fromRevision, previous, types, heartbeatSeconds, bookmarks"
)
_encode = msgspec.json.Encoder().encode


class WatchRequest(Struct, frozen=True):
    """What somebody wants to see; ``from_revision`` None: what is still to come."""

    keys: KeyRange
    from_revision: int | None
    previous: bool
    puts: bool
    deletes: bool
    heartbeat_s: int
    bookmarks: bool


def parse_watch(
    query_string: bytes, headers: Iterable[tuple[bytes, bytes]], key_bytes_max: int
) -> WatchRequest:
    """Raises ``InvalidRequest`` and ``TooLarge``; both name what is wrong."""
    query = Query(query_string)
    types = query.choices("types", ("put", "delete"))
    from_revision = query.whole("fromRevision", 1, REVISION_MAX)
    last_id = _last_event_id(headers)
    request = WatchRequest(
        keys=query.key_range(key_bytes_max),
        from_revision=from_revision if last_id is None else last_id + 1,
        previous=query.flag("previous"),
        puts="put" in types,
        deletes="delete" in types,
        heartbeat_s=query.whole("heartbeatSeconds", 1, HEARTBEAT_S_MAX) or HEARTBEAT_S,
        bookmarks=query.flag("bookmarks"),
    )
    query.refuse_others(_PARAMETERS)
    return request


def _last_event_id(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """It goes before ``fromRevision``: a reader that reconnects repeats its first request."""
    value = next((value.strip() for name, value in headers if name == b"last-event-id"), b"")
    if not value:
        return None
    if not value.isdigit() or len(value) > 19 or int(value) >= REVISION_MAX:
        raise InvalidRequest(
            "Last-Event-ID must be the id of an event of this stream, a revision; "
            f"{value[:40].decode('latin-1')!r} is none"
        )
    return int(value)


class WatchApi:
    """Opens watches; one for all requests, which share the frames that were made."""

    def __init__(self, service: KvService, options: RestOptions) -> None:
        self._service = service
        self._key_bytes_max = options.key_bytes_max
        self._frames = Frames(change_frame)
        self._frames_with_previous = Frames(change_frame_with_previous)

    async def open(self, scope: HTTPScope) -> Streamed:
        """Raises ``InvalidRequest``, ``Compacted`` and ``Rejected``."""
        request = parse_watch(scope["query_string"], scope["headers"], self._key_bytes_max)
        watch = self._service.watch(
            request.keys,
            from_revision=request.from_revision,
            puts=request.puts,
            deletes=request.deletes,
        )
        frames = self._frames_with_previous if request.previous else self._frames
        parts = _parts(watch, request, frames)
        return Streamed(sse.EVENT_STREAM_TYPE, parts, watch.close, sse.HEADERS)


async def _parts(
    watch: "Watch", request: WatchRequest, frames: Frames
) -> AsyncGenerator[bytes, None]:
    from_revision = request.from_revision
    last_id = watch.revision if from_revision is None else from_revision - 1
    # With an id: whoever loses the connection before the first change misses nothing either.
    yield sse.opening(b"opened", _encode(WatchOpened(revision=watch.revision)), last_id=last_id)
    try:
        while True:
            changes = await watch.next(request.heartbeat_s)
            if changes:
                last_id = changes[-1].revision
                for part in frames.parts(changes):
                    yield part
            else:
                progress = max(last_id, watch.progress)
                yield _sign_of_life(progress, last_id, bookmarks=request.bookmarks)
                last_id = progress
    except WatchEnded as end:
        yield cancelled(end)


def _sign_of_life(progress: int, last_id: int, *, bookmarks: bool) -> bytes:
    if bookmarks:
        return sse.frame(b"bookmark", _encode(WatchBookmark(revision=progress)), last_id=progress)
    return sse.heartbeat(last_id=progress if progress > last_id else None)


def cancelled(end: WatchEnded) -> bytes:
    """The last frame of a stream that the node ends."""
    data = WatchCancelled(
        reason=end.reason,  # type: ignore[arg-type]  # one of those three
        resume_revision=end.resume_revision,
        detail=str(end),
    )
    return sse.frame(b"cancelled", _encode(data))
