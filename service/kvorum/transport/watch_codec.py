"""Watches of clients, to and from protobuf (``proto/kvorum.proto``)."""

from collections.abc import Iterator

from msgspec import Struct

from kvorum.mvcc.query import KeyRange, prefix_range, single_key
from kvorum.mvcc.record import Event, Record
from kvorum.node.views import Change
from kvorum.node.watch_feed import event_bytes
from kvorum.transport.pb import kvorum_pb2 as pb
from kvorum.transport.wire import NUMBER_MAX, malformed, parse

HEARTBEAT_S = 15
HEARTBEAT_S_MAX = 300

PART_BYTES = 1 << 20
"""A change of more is sent in several responses, of at least one event each."""

_REASONS = {
    "compacted": pb.WatchCancelled.REASON_COMPACTED,
    "lagging": pb.WatchCancelled.REASON_LAGGING,
    "stopping": pb.WatchCancelled.REASON_STOPPING,
}


class WatchRequest(Struct, frozen=True):
    """What a client wants to be told; ``from_revision`` None: what comes after the present."""

    keys: KeyRange
    from_revision: int | None
    puts: bool
    deletes: bool
    previous: bool
    heartbeat_s: int


def decode_watch_request(raw: bytes) -> WatchRequest:
    """Raises MalformedMessage, which names the field."""
    request = parse(pb.WatchRequest, raw)
    kinds = set(request.kinds)
    if not kinds <= {pb.EVENT_KIND_PUT, pb.EVENT_KIND_DELETE}:
        malformed("kinds: only EVENT_KIND_PUT and EVENT_KIND_DELETE exist")
    heartbeat_s = request.heartbeat_seconds or HEARTBEAT_S
    if heartbeat_s > HEARTBEAT_S_MAX:
        malformed(f"heartbeat_seconds: {heartbeat_s} is more than {HEARTBEAT_S_MAX}")
    return WatchRequest(
        keys=_keys(request),
        from_revision=_from_revision(request),
        puts=not kinds or pb.EVENT_KIND_PUT in kinds,
        deletes=not kinds or pb.EVENT_KIND_DELETE in kinds,
        previous=request.previous,
        heartbeat_s=heartbeat_s,
    )


def _from_revision(request: pb.WatchRequest) -> int | None:
    if not request.HasField("from_revision"):
        return None
    if not 1 <= request.from_revision <= NUMBER_MAX:
        malformed("from_revision: revisions begin at 1; leave it out to begin with the present")
    return request.from_revision


def _keys(request: pb.WatchRequest) -> KeyRange:
    selector = request.WhichOneof("selector")
    if selector is None:
        malformed("no keys: give one of key, prefix and range")
    if selector == "prefix":
        return prefix_range(request.prefix)
    if selector == "range":
        return _range(request.range)
    if not request.key:
        malformed("key: it is empty; for all keys watch the empty prefix")
    return single_key(request.key)


def _range(keys: pb.KeyRange) -> KeyRange:
    if not keys.HasField("end"):
        return KeyRange(keys.start, None)
    if keys.start >= keys.end:
        malformed("range: it is empty, because end is not behind start")
    return KeyRange(keys.start, keys.end)


def encode_opened(revision: int) -> bytes:
    opened = pb.WatchOpened(revision=revision)
    return pb.WatchResponse(opened=opened).SerializeToString()


def encode_heartbeat(revision: int) -> bytes:
    heartbeat = pb.WatchHeartbeat(revision=revision)
    return pb.WatchResponse(heartbeat=heartbeat).SerializeToString()


def encode_cancelled(reason: str, resume_revision: int, detail: str) -> bytes:
    cancelled = pb.WatchCancelled(
        reason=_REASONS[reason], resume_revision=resume_revision, detail=detail
    )
    return pb.WatchResponse(cancelled=cancelled).SerializeToString()


def encode_change(change: Change, *, previous: bool) -> tuple[bytes, ...]:
    """One response, or several if it is large."""
    parts = list(_parts(change))
    return tuple(
        _encode_part(change.revision, events, previous=previous, continued=place < len(parts))
        for place, events in enumerate(parts, 1)
    )


def _parts(change: Change) -> Iterator[list[Event]]:
    part, part_bytes = list[Event](), 0
    for event in change.events:
        size = event_bytes(event)
        if part and part_bytes + size > PART_BYTES:
            yield part
            part, part_bytes = [], 0
        part.append(event)
        part_bytes += size
    yield part


def _encode_part(revision: int, events: list[Event], *, previous: bool, continued: bool) -> bytes:
    change = pb.WatchChange(revision=revision, continued=continued)
    for event in events:
        change.events.add(
            key=event.key,
            record=_record(event.record),
            previous=_record(event.previous) if previous else None,
        )
    return pb.WatchResponse(change=change).SerializeToString()


def _record(record: Record | None) -> pb.Record | None:
    if record is None:
        return None
    return pb.Record(
        value=record.value,
        create_revision=record.create_revision,
        mod_revision=record.mod_revision,
        version=record.version,
        lease=record.lease,
        content_type=record.content_type,
    )


class ChangeEncoder:
    """Encodes a change once for all who watch the same keys: they get the very same object."""

    def __init__(self, changes_max: int = 64, bytes_max: int = 64 << 10) -> None:
        """``bytes_max``: larger ones are encoded anew, so that nothing large is kept."""
        self._changes_max = changes_max
        self._bytes_max = bytes_max
        self._known: dict[tuple[int, bool], tuple[Change, tuple[bytes, ...]]] = {}

    def encode(self, change: Change, *, previous: bool) -> tuple[bytes, ...]:
        """As :func:`encode_change`."""
        key = id(change), previous
        known = self._known.get(key)
        if known is not None:
            # While it is here its object lives, so that no other can have the same identity.
            return known[1]
        encoded = encode_change(change, previous=previous)
        if len(encoded) == 1 and len(encoded[0]) <= self._bytes_max:
            if len(self._known) >= self._changes_max:
                del self._known[next(iter(self._known))]
            self._known[key] = change, encoded
        return encoded
