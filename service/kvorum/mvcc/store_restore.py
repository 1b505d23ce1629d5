"""A store from the records and events of a snapshot."""

from collections.abc import Sequence
from typing import Final

from kvorum.mvcc.leases import Leases
from kvorum.mvcc.record import Event, Record
from kvorum.mvcc.snapshot import EventRow, Kind
from kvorum.mvcc.store import Store

_PRESENT: Final = Kind.PRESENT
_REPLACED: Final = Kind.REPLACED


class StoreRestore:
    """Takes records in order of their keys, then events, oldest first, into an empty store.

    Raises ``ValueError`` for what no store can have held. What is equal becomes the same object:
    a key's record is that of its last event, and each event's previous record is that of the
    event before.
    """

    __slots__ = ("_last", "_leases", "_newest", "_open", "_recent", "_store")

    def __init__(self, store: Store, leases: Leases) -> None:
        self._store = store
        self._leases = leases
        self._newest = (store.compacted_revision, 0)  # revision and time of the events until now
        self._last: dict[bytes, Record | None] = {}  # what events have made of their keys
        self._recent = 0  # present records that history must have an event of
        self._open = 0  # events that make a record which a later event must replace

    def add_records(self, keys: Sequence[bytes], records: Sequence[Record]) -> None:
        store = self._store
        if self._last:
            raise ValueError("records come after events")
        if len(keys) != len(records):
            raise ValueError(f"{len(keys)} keys have {len(records)} records")
        store.load(keys, records)
        revision, compacted_revision = store.revision, store.compacted_revision
        for key, record in zip(keys, records, strict=True):
            if record.mod_revision > compacted_revision:
                self._recent += 1
                if record.mod_revision > revision:
                    raise ValueError("a record is of a revision that is still to come")
            if record.lease:
                self._leases.attach(record.lease, key)

    def add_events(self, rows: Sequence[EventRow]) -> None:
        for row in rows:
            self._add_event(row)

    def finish(self) -> Store:
        """The store, once everything was added."""
        if self._recent or self._open or self._newest[0] != self._store.revision:
            raise ValueError("history does not lead to the records")
        self._store.compact(self._store.compacted_revision)  # no arrears of forgetting
        return self._store

    def _add_event(self, row: EventRow) -> None:
        revision, time_ms, key, kind, record, previous = row
        store, last = self._store, self._last
        newest, newest_ms = self._newest
        if not (newest <= revision <= newest + 1 and newest_ms <= time_ms <= store.time_ms):
            raise ValueError("events are not in order")
        if not store.compacted_revision < revision <= store.revision:
            raise ValueError("an event is not of its time")
        self._newest = (revision, time_ms)
        present = store.get(key)
        if present is not None and present.mod_revision < revision:
            raise ValueError("an event is younger than its key's record")
        if key in last:
            previous = self._replaced(last[key], previous, present)
        elif previous is not None and previous.mod_revision > store.compacted_revision:
            raise ValueError("an event replaces a record that history does not know")
        record = last[key] = self._record_of(kind, record, present)
        if not _can_follow(previous, record, revision):
            raise ValueError("an event does not follow from what was before")
        store.load_event(Event(revision, key, record, previous), time_ms)

    def _replaced(
        self, last: Record | None, told: Record | None, present: Record | None
    ) -> Record | None:
        """What the next event of a key replaces, if its last one made this."""
        if told is not None:
            raise ValueError("an event repeats what history knows")
        if last is not None:
            if last is present:
                raise ValueError("a present record was replaced")
            self._open -= 1
        return last

    def _record_of(self, kind: Kind, told: Record | None, present: Record | None) -> Record | None:
        if (kind is _REPLACED) == (told is None):
            raise ValueError("an event tells a record too many or none")
        if kind is _PRESENT:
            if present is None:
                raise ValueError("an event made a record that is not there")
            self._recent -= 1
            return present
        if kind is _REPLACED:
            self._open += 1
        return told


def _can_follow(previous: Record | None, record: Record | None, revision: int) -> bool:
    if record is None:
        return previous is not None
    if record.mod_revision != revision:
        return False
    if previous is None:
        return record.create_revision == revision and record.version == 1
    is_next = record.version == previous.version + 1
    return is_next and record.create_revision == previous.create_revision
