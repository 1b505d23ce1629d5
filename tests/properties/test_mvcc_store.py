"""The store with its past against dicts: one copy of all keys for each revision."""

from collections.abc import Iterator
from unittest.mock import patch
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvorum.errors import Compacted, FutureRevision
from kvorum.mvcc import history, history_segment, ordered
from kvorum.mvcc.charge import charge_of
from kvorum.mvcc.digest import PRIME, combine, event_factor, record_digest
from kvorum.mvcc.history import EVENT_BYTES
from kvorum.mvcc.query import KeyRange
from kvorum.mvcc.record import Event, Record
from kvorum.mvcc.store import ALL, Store
from tests.support.store_steps import Compact, Evict, Rebase, Step, Tick, Write, run, steps

KEYS = [b"", b"a", b"a\0", b"b", b"ba", b"\xfe", b"\xff", b"\xff\xff"]
STEPS = steps(KEYS)
RANGES = st.builds(KeyRange, st.sampled_from(KEYS), st.none() | st.sampled_from(KEYS))
BYTES_MAX = 1 << 40


@pytest.fixture(autouse=True, scope="module")
def _small_parts() -> Iterator[None]:
    with (
        patch.multiple(ordered, CHUNK_KEYS=4, _LOADED_KEYS=3, _SHORT_KEYS=1),
        patch.multiple(history, SEGMENT_BYTES=4 * EVENT_BYTES, SWEEP_EVENTS=2, _STRIDE=2),
        patch.object(history_segment, "FEW_EVENTS", 1),
    ):
        yield


class Model:
    """Nothing is optimised, everything is kept and recomputed."""

    def __init__(self) -> None:
        self.states: dict[int, dict[bytes, Record]] = {0: {}}
        self.events: list[tuple[Event, int]] = []  # with their times
        self.revision = self.compacted_revision = self.time_ms = 0
        self.batch_revision = ALL  # of the state in which the batch began

    @property
    def present(self) -> dict[bytes, Record]:
        return self.states[self.revision]

    def run(self, step: Step) -> None:
        match step:
            case Write(puts, deletes, deletes_first):
                self.write(puts, deletes, deletes_first)
            case Tick(ms):
                self.time_ms += ms
                self.batch_revision = self.revision
            case Compact(part):
                self.forget(min(int(self.revision * part), self.batch_revision))
            case Evict(revisions_max, age_ms, bytes_max):
                self.forget(min(self.revision - revisions_max, self.batch_revision))
                while (
                    self.events
                    and self.events[0][0].revision <= self.batch_revision
                    and (self.events[0][1] < self.time_ms - age_ms or self.size_bytes() > bytes_max)
                ):
                    self.forget(self.events[0][0].revision)
            case Rebase(bump):
                self.states[self.revision + bump] = self.present
                self.revision += bump
                self.forget(self.revision)

    def write(self, puts: dict[bytes, Record], deletes: list[bytes], deletes_first: bool) -> None:
        changes: list[tuple[bytes, Record | None]] = [*puts.items()]
        gone: list[tuple[bytes, Record | None]] = [(key, None) for key in deletes]
        now = dict(self.present)
        revision, events = self.revision + 1, []
        for key, put in [*gone, *changes] if deletes_first else [*changes, *gone]:
            old = now.pop(key, None)
            if put is not None:
                created, version = (old.create_revision, old.version + 1) if old else (revision, 1)
                new = Record(put.value, created, revision, version, put.lease, put.content_type)
                now[key] = new
                events.append(Event(revision, key, new, old))
            elif old is not None:
                events.append(Event(revision, key, None, old))
        if events:
            self.revision = revision
            self.states[revision] = now
            self.events += [(event, self.time_ms) for event in events]

    def forget(self, revision: int) -> None:
        if revision > self.compacted_revision:
            self.compacted_revision = revision
            self.events = [(event, ms) for event, ms in self.events if event.revision > revision]

    def size_bytes(self) -> int:
        return sum(
            EVENT_BYTES + len(event.key) + (len(event.previous.value) if event.previous else 0)
            for event, _ in self.events
        )

    def digest(self) -> int:
        """By its definition."""
        records = sum(record_digest(crc32(key), record) for key, record in self.present.items())
        past = 0
        for number, (event, time_ms) in enumerate(self.events):
            digests = [
                0 if record is None else record_digest(crc32(event.key), record)
                for record in (event.record, event.previous)
            ]
            place = sum(one.revision == event.revision for one, _ in self.events[:number])
            past += (digests[0] - digests[1]) * event_factor(event.revision, place, time_ms)
        return combine(records % PRIME, past % PRIME, self.compacted_revision)


def after(log: list[Step]) -> tuple[Store, Model]:
    store, model = Store(), Model()
    for step in log:
        run(store, step)
        model.run(step)
        assert store.digest == model.digest()
    return store, model


@given(STEPS)
def test_the_present_agrees_with_the_model(log: list[Step]) -> None:
    store, model = after(log)
    assert list(store) == sorted(model.present.items())
    assert {key: store.get(key) for key in KEYS} == {key: model.present.get(key) for key in KEYS}
    assert (len(store), store.revision) == (len(model.present), model.revision)
    assert store.size_bytes == sum(charge_of(k, r) for k, r in model.present.items())
    assert store.compacted_revision == model.compacted_revision
    assert store.history_revisions == model.revision - model.compacted_revision
    assert store.history_bytes == model.size_bytes()
    assert store.oldest_event_ms == (model.events[0][1] if model.events else None)


def readable(model: Model) -> dict[int, dict[bytes, Record]]:
    """States that can be read; 0 stands for the present one where a range is asked for."""
    oldest = model.compacted_revision
    past = {revision: state for revision, state in model.states.items() if revision >= oldest}
    return {**past, 0: model.present}


@given(STEPS, RANGES, st.integers(1, 5), st.booleans())
def test_former_states_agree_with_the_model(
    log: list[Step], keys: KeyRange, limit: int, reverse: bool
) -> None:
    store, model = after(log)
    for revision, state in readable(model).items():
        expected = sorted(item for item in state.items() if item[0] in keys)
        assert store.count(keys, revision) == len(expected)
        if reverse:
            expected.reverse()
        page = store.range(
            keys, revision=revision, limit=limit, bytes_max=BYTES_MAX, reverse=reverse
        )
        assert page.items == tuple(expected[:limit])
        assert page.more == (len(expected) > limit)
        assert page.revision == (revision or model.revision)
        if revision:
            got = {key: store.get_at(key, revision) for key in KEYS}
            assert got == {key: state.get(key) for key in KEYS}


@given(STEPS, st.integers(0, 12), st.booleans())
def test_a_page_ends_at_its_bytes(log: list[Step], bytes_max: int, reverse: bool) -> None:
    store, model = after(log)
    for revision, state in readable(model).items():
        rest, size_bytes = sorted(state.items(), reverse=reverse), 0
        expected: list[tuple[bytes, Record]] = []
        while rest and (size_bytes < bytes_max or not expected):
            expected.append(rest.pop(0))
            size_bytes += len(expected[-1][0]) + len(expected[-1][1].value)
        keys = KeyRange(b"", None)
        page = store.range(keys, revision=revision, limit=100, bytes_max=bytes_max, reverse=reverse)
        assert (list(page.items), page.more) == (expected, bool(rest))


@given(STEPS, st.integers(1, 6))
def test_events_lead_from_state_to_state(log: list[Step], limit: int) -> None:
    store, model = after(log)
    for revision in range(model.compacted_revision, model.revision + 2):
        events = list(store.events(revision, limit))
        expected = [event for event, _ in model.events if event.revision > revision]
        assert events == expected[: len(events)]
        rest = expected[len(events) :]
        assert bool(events) == bool(expected)
        assert len(events) >= min(limit, len(expected))
        if rest:  # whole revisions, and no more of them than needed
            assert rest[0].revision > events[-1].revision
            assert sum(event.revision < events[-1].revision for event in events) < limit


@given(STEPS, RANGES)
def test_what_is_forgotten_or_to_come_is_told(log: list[Step], keys: KeyRange) -> None:
    store, model = after(log)
    oldest, newest = model.compacted_revision, model.revision
    for revision in {max(1, oldest - 1), newest + 1}:
        if oldest <= revision <= newest:
            continue
        told = FutureRevision if revision > newest else Compacted
        with pytest.raises(told) as raised:
            store.get_at(b"a", revision)
        with pytest.raises(told):
            store.range(keys, revision=revision, limit=1, bytes_max=1)
        with pytest.raises(told):
            store.count(keys, revision)
        if isinstance(raised.value, Compacted):
            assert raised.value.oldest_revision == oldest
            with pytest.raises(Compacted):
                store.events(revision, 1)


@given(STEPS)
def test_forgetting_gives_the_memory_back(log: list[Step]) -> None:
    store, _model = after(log)
    for key, _record in list(store):
        store.delete(key)
    store.begin(store.time_ms)
    store.compact(store.revision)
    for _ in log:
        store.evict(0, 0, 0)
    kept = store._history
    assert [segment.entries for segment in kept._segments] == [[]]
    assert sum(map(len, kept._deletions._shards)) == len(kept.gone) == store.history_bytes == 0
    assert kept.digest == store._sum == store.size_bytes == len(store._keys) == 0


@given(STEPS)
def test_how_far_memory_was_given_back_shows_nowhere(log: list[Step]) -> None:
    slow, _model = after(log)
    with patch.object(history, "SWEEP_EVENTS", 1000):
        quick, _model = after(log)
    assert slow.digest == quick.digest
    for revision in range(slow.compacted_revision, slow.revision + 1):
        for reverse in (False, True):
            pages = [
                store.range(
                    KeyRange(b"", None),
                    revision=revision,
                    limit=100,
                    bytes_max=BYTES_MAX,
                    reverse=reverse,
                )
                for store in (slow, quick)
            ]
            assert pages[0] == pages[1]


@given(STEPS, STEPS, st.data())
def test_a_view_shows_the_moment_it_was_made(
    first: list[Step], second: list[Step], data: st.DataObject
) -> None:
    store, model = after(first)
    records, events = sorted(model.present.items()), model.events
    view = store.freeze()
    got: list[tuple[bytes, Record]] = []
    with patch("kvorum.mvcc.frozen_map.READ_ITEMS", data.draw(st.integers(1, 3), "at a time")):
        for step in second:
            for _ in range(data.draw(st.integers(0, 2), "reads")):
                got += view.records.read()
            run(store, step)
        while some := view.records.read():
            got += some
    store.thaw(view)
    assert got == records
    assert list(view.events) == events
