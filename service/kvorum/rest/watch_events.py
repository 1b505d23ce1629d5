"""Changes as the frames of a watch, each made once for everybody who watches alike."""

from collections.abc import Callable, Iterable, Iterator

import msgspec
from msgspec import UNSET, UnsetType

from kvorum.mvcc.record import Event
from kvorum.node.views import Change
from kvorum.node.watch_feed import Changes
from kvorum.rest import sse
from kvorum.rest.schemas import KeyValue
from kvorum.rest.values import key_text, key_value, value_fields
from kvorum.rest.watch_schemas import WatchChange, WatchEvent

_FRAMES_BYTES_MAX = 8 << 20
_FRAMES_MAX = 1024
_PART_BYTES = 64 << 10
"""Frames that wait are sent together up to about this size."""

_encode = msgspec.json.Encoder().encode


class Frames:
    """Frames of recent changes, bounded in number and bytes; the oldest go first.

    Those who watch the same keys are given the same events: these tell which frame it is. They
    are kept with it, since as long as they live nothing else can have their identities.
    """

    def __init__(
        self,
        make: Callable[[Change], bytes],
        *,
        frames_max: int = _FRAMES_MAX,
        bytes_max: int = _FRAMES_BYTES_MAX,
    ) -> None:
        self._make = make
        self._frames_max = frames_max
        self._bytes_max = bytes_max
        self._kept: dict[tuple[int, ...], tuple[tuple[Event, ...], bytes]] = {}
        self._bytes = 0
        self._told: tuple[Changes, bytes] = (), b""  # the last ones, and their only part

    def parts(self, changes: Changes) -> Iterator[bytes]:
        """What is to be sent of them, part by part, since the client may read slowly.

        If that is one part, as nearly always, it is made once for all readers who are given
        these changes one after the other.
        """
        if changes is self._told[0]:
            yield self._told[1]
            return
        parts = _joined(map(self.of, changes))
        first = next(parts, b"")
        if len(first) < _PART_BYTES:  # nothing follows
            self._told = changes, first
        yield first
        yield from parts

    def of(self, change: Change) -> bytes:
        names = tuple(map(id, change.events))
        kept = self._kept.get(names)
        if kept is not None:
            return kept[1]
        frame = self._make(change)
        if len(frame) <= self._bytes_max:
            self._keep(names, change, frame)
        return frame

    def _keep(self, names: tuple[int, ...], change: Change, frame: bytes) -> None:
        self._kept[names] = change.events, frame
        self._bytes += len(frame)
        while self._bytes > self._bytes_max or len(self._kept) > self._frames_max:
            _, dropped = self._kept.pop(next(iter(self._kept)))
            self._bytes -= len(dropped)


def _joined(frames: Iterable[bytes]) -> Iterator[bytes]:
    part, size_bytes = list[bytes](), 0
    for frame in frames:
        part.append(frame)
        size_bytes += len(frame)
        if size_bytes >= _PART_BYTES:
            yield b"".join(part)
            part, size_bytes = [], 0
    if part:
        yield b"".join(part)


def change_frame(change: Change) -> bytes:
    """Without the previous values."""
    return _frame(change, [_event(event, UNSET) for event in change.events])


def change_frame_with_previous(change: Change) -> bytes:
    """Every event tells what its key held before."""
    return _frame(change, [_event(event, _previous(event)) for event in change.events])


def _frame(change: Change, events: list[WatchEvent]) -> bytes:
    data = _encode(WatchChange(revision=change.revision, events=events))
    return sse.frame(b"change", data, last_id=change.revision)


def _event(event: Event, previous: KeyValue | UnsetType | None) -> WatchEvent:
    record = event.record
    if record is None:
        return WatchEvent(type="delete", key=key_text(event.key), previous=previous)
    value, value_base64, content_type = value_fields(record)
    return WatchEvent(
        type="put",
        key=key_text(event.key),
        value=value,
        value_base64=value_base64,
        content_type=content_type,
        create_revision=record.create_revision,
        mod_revision=record.mod_revision,
        version=record.version,
        lease=record.lease or UNSET,
        previous=previous,
    )


def _previous(event: Event) -> KeyValue | None:
    return None if event.previous is None else key_value(event.key, event.previous)
