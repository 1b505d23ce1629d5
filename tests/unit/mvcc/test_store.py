"""Revisions, versions and sizes of the store, now and before."""

import gc
import tracemalloc

import pytest

from kvorum.errors import Compacted, FutureRevision
from kvorum.mvcc import store_reads
from kvorum.mvcc.charge import KEY_BYTES, OWN_LEASE_BYTES
from kvorum.mvcc.history import EVENT_BYTES, SEGMENT_BYTES, SWEEP_EVENTS
from kvorum.mvcc.lease import own_lease_id
from kvorum.mvcc.query import KeyRange, prefix_range, single_key
from kvorum.mvcc.record import Event
from kvorum.mvcc.store import Record, Store

EVERYTHING = KeyRange(b"", None)


def test_empty_store_is_at_revision_zero() -> None:
    store = Store()
    assert (len(store), store.revision, store.size_bytes) == (0, 0, 0)
    assert store.get(b"k") is None


def test_each_write_makes_the_next_revision_of_the_whole_store() -> None:
    store = Store()
    assert store.put(b"a", b"1") == 1
    assert store.put(b"b", b"1") == 2
    assert store.put(b"a", b"1") == 3  # the same value again is still a write
    assert store.get(b"a") == Record(b"1", create_revision=1, mod_revision=3, version=2)
    assert store.get(b"b") == Record(b"1", create_revision=2, mod_revision=2, version=1)


def test_key_created_again_begins_anew() -> None:
    store = Store()
    store.put(b"k", b"1")
    store.put(b"k", b"2")
    assert store.delete(b"k") == 3
    assert store.get(b"k") is None
    store.put(b"k", b"3")
    assert store.get(b"k") == Record(b"3", create_revision=4, mod_revision=4, version=1)


def test_deleting_what_is_not_there_changes_nothing() -> None:
    store = Store()
    store.put(b"k", b"1")
    assert store.delete(b"other") is None
    assert (len(store), store.revision, store.size_bytes) == (1, 1, KEY_BYTES + 2)


def test_size_follows_overwrites_and_deletes() -> None:
    store = Store()
    store.put(b"key", b"12345")
    assert store.size_bytes == KEY_BYTES + 8
    store.put(b"key", b"1")
    assert store.size_bytes == KEY_BYTES + 4
    store.put(b"key", b"1", "ttl-4", "a/b")
    assert store.size_bytes == KEY_BYTES + OWN_LEASE_BYTES + 7
    store.put(b"key", b"1", "granted")
    assert store.size_bytes == KEY_BYTES + 4
    store.put(b"", b"")
    assert (len(store), store.size_bytes) == (2, 2 * KEY_BYTES + 4)
    store.delete(b"key")
    assert (len(store), store.size_bytes) == (1, KEY_BYTES)


def test_garbage_collector_does_not_see_records() -> None:
    """A collection must not take longer because more keys or events are stored."""
    store = Store()
    for number in range(3000):
        store.put(b"%d" % (number % 800), b"1")
    store.delete(b"2")
    gc.collect()
    assert not gc.is_tracked(store.get(b"1"))
    assert not any(gc.is_tracked(shard) for shard in store._shards)
    assert not any(gc.is_tracked(deleted) for deleted in store._history._deletions._shards)
    assert not any(gc.is_tracked(event) for event in store.events(0, 1000))
    [whole, *_] = store._history._segments
    assert not gc.is_tracked(whole.entries)
    assert not gc.is_tracked(whole.digests)
    assert not any(gc.is_tracked(chunk) for chunk in store._keys._chunks)


def test_loading_gives_what_writing_gave() -> None:
    written, loaded = Store(), Store(compacted_revision=3)
    for key in (b"a", b"b", b"a"):
        written.put(key, b"1")
    forgetting(written).compact(3)
    records = dict(written)
    loaded.load([b"a"], [records[b"a"]])
    loaded.load([b"b"], [records[b"b"]])
    assert dict(loaded) == records
    assert (len(loaded), loaded.size_bytes, loaded._sum) == (2, 2 * KEY_BYTES + 4, written._sum)


def test_what_is_loaded_counts_as_what_was_put() -> None:
    written, loaded = Store(), Store()
    written.put(b"a", b"1")
    written.put(b"b", b"22", own_lease_id(2), "text/plain")
    written.put(b"c", b"3", "somebody's")
    loaded.load([b"a", b"b", b"c"], [record for _, record in written])
    assert (loaded.size_bytes, loaded._sum) == (written.size_bytes, written._sum)


@pytest.mark.parametrize("keys", [[b"b", b"a"], [b"a", b"a"]])
def test_keys_are_loaded_in_order_and_once(keys: list[bytes]) -> None:
    record = Record(b"1", 1, 1, 1)
    with pytest.raises(ValueError, match="keys are not in order"):
        Store().load(keys, [record, record])
    store = Store()
    store.load(keys[:1], [record])
    with pytest.raises(ValueError, match="keys are not in order"):
        store.load(keys[1:], [record])


def test_digest_is_that_of_what_is_left() -> None:
    store = Store()
    digests = {store.digest}
    for key in (b"a", b"b", b"a", b"c"):
        store.put(key, b"1")
        digests.add(store.digest)
    for key in (b"c", b"a", b"b"):
        store.delete(key)
        digests.add(store.digest)
    assert len(digests) == 8
    assert store._sum == 0
    forgetting(store).compact(store.revision)
    assert store._history.digest == 0


def forgetting(store: Store) -> Store:
    """As in the next batch: none forgets what it made itself."""
    store.begin(store.time_ms)
    return store


# --- the past ------------------------------------------------------------------------------


def small_store() -> Store:
    """Revision 1: a=1. 2: b=2. 3: a=3. 4: b deleted. 5: b=5 and c=5. 6: a deleted."""
    store = Store()
    store.put(b"a", b"1")
    store.put(b"b", b"2")
    store.put(b"a", b"3")
    store.delete(b"b")
    assert store.next_revision() == 5
    store.put_at(5, b"b", b"5", "lease", "text/plain")
    store.put_at(5, b"c", b"5")
    store.delete(b"a")
    return store


def values(store: Store, revision: int) -> dict[bytes, bytes]:
    page = store.range(EVERYTHING, revision=revision, limit=100, bytes_max=1000)
    return {key: record.value for key, record in page.items}


def test_former_states_stay_readable() -> None:
    store = small_store()
    assert [values(store, revision) for revision in range(1, 7)] == [
        {b"a": b"1"},
        {b"a": b"1", b"b": b"2"},
        {b"a": b"3", b"b": b"2"},
        {b"a": b"3"},
        {b"a": b"3", b"b": b"5", b"c": b"5"},
        {b"b": b"5", b"c": b"5"},
    ]
    assert store.get_at(b"a", 2) == Record(b"1", 1, 1, 1)
    assert store.get_at(b"b", 6) == Record(b"5", 5, 5, 1, "lease", "text/plain")
    assert store.get_at(b"b", 0) is None
    counts = [store.count(prefix_range(b"b"), revision) for revision in range(7)]
    assert counts == [1, 0, 1, 1, 0, 1, 1], "0 is now"


def test_pages_tell_whether_there_is_more() -> None:
    store = small_store()
    page = store.range(EVERYTHING, revision=5, limit=2, bytes_max=1000, reverse=True)
    assert [key for key, _ in page.items] == [b"c", b"b"]
    assert (page.more, page.revision) == (True, 5)
    assert store.range(EVERYTHING, limit=2, bytes_max=1000).more is False
    page = store.range(EVERYTHING, limit=2, bytes_max=2)
    assert (len(page.items), page.more, page.revision) == (1, True, 6)
    assert store.range(single_key(b"c"), limit=9, bytes_max=9).items[0][0] == b"c"
    assert store.range(KeyRange(b"c", b"b"), limit=9, bytes_max=9).items == ()


def test_events_come_by_whole_revisions() -> None:
    store = small_store()
    assert [event.revision for event in store.events(3, 2)] == [4, 5, 5]
    assert store.events(4, 1) == [
        Event(5, b"b", Record(b"5", 5, 5, 1, "lease", "text/plain"), None),
        Event(5, b"c", Record(b"5", 5, 5, 1), None),
    ]
    assert store.events(5, 1) == [Event(6, b"a", None, Record(b"3", 1, 3, 2))]
    assert list(store.events(6, 1)) == list(store.events(99, 1)) == []
    assert len(store.events(0, 100)) == 7


@pytest.mark.parametrize("reverse", [False, True])
def test_a_page_of_the_past_passes_over_so_many_younger_keys(
    monkeypatch: pytest.MonkeyPatch, *, reverse: bool
) -> None:
    """It must not look at all that came since; whoever asked goes on behind what it looked at."""
    monkeypatch.setattr(store_reads, "PASSED_OVER_MAX", 10)
    store, old = Store(), [b"k003", b"k050", b"k051", b"k099"]
    for key in old:
        store.put(key, b"1")
    revision = store.revision
    for number in range(100):
        store.put(b"k%03d" % number, b"2")
    keys, found, pages = EVERYTHING, list[bytes](), 0
    while True:
        page = store.range(keys, revision=revision, limit=2, bytes_max=1000, reverse=reverse)
        pages += 1
        found += [key for key, _ in page.items]
        if not page.more:
            break
        assert page.last is not None
        keys = KeyRange(b"", page.last) if reverse else KeyRange(page.last + b"\0", None)
    assert found == sorted(old, reverse=reverse)
    assert pages >= 100 // (10 + 2)


def test_compacting_forgets_what_was_before() -> None:
    store = small_store()
    forgetting(store).compact(4)
    assert (store.compacted_revision, store.history_revisions) == (4, 2)
    assert values(store, 4) == {b"a": b"3"}
    assert len(store.events(4, 100)) == 3
    for ask in (
        lambda: store.get_at(b"a", 3),
        lambda: store.range(EVERYTHING, revision=3, limit=1, bytes_max=1),
        lambda: store.count(EVERYTHING, 3),
        lambda: store.events(3, 1),
    ):
        with pytest.raises(Compacted, match=r"revision 3 is forgotten.* 4") as raised:
            ask()
        assert raised.value.oldest_revision == 4
    forgetting(store).compact(2)
    assert store.compacted_revision == 4, "what is forgotten stays forgotten"
    with pytest.raises(FutureRevision, match="revision 7 is still to come; the present one is 6"):
        store.get_at(b"a", 7)


def test_evicting_keeps_what_each_limit_allows() -> None:
    no_time, no_bytes = 0, 1 << 40
    for limits, oldest in {
        (6, no_time, no_bytes): 0,
        (2, no_time, no_bytes): 4,
        (0, no_time, no_bytes): 6,
        (6, 300, no_bytes): 2,
        (6, 301, no_bytes): 3,
        (6, 1000, no_bytes): 6,
        (6, no_time, 2 * (EVENT_BYTES + 2)): 5,
        (6, no_time, EVENT_BYTES + 2): 5,
        (6, no_time, EVENT_BYTES + 1): 6,
        (6, no_time, 3 * (EVENT_BYTES + 1)): 5,
        (6, no_time, 3 * (EVENT_BYTES + 1) + 1): 4,
        (4, 301, 0): 6,
    }.items():
        store = Store()
        for step in range(1, 7):
            store.time_ms = 100 * step
            rewind(store, step)
        forgetting(store).evict(*limits)
        assert store.compacted_revision == oldest, limits


def rewind(store: Store, step: int) -> None:
    """The steps of ``small_store``, one by one."""
    match step:
        case 1 | 3:
            store.put(b"a", b"1")
        case 2:
            store.put(b"b", b"2")
        case 4:
            store.delete(b"b")
        case 5:
            revision = store.next_revision()
            store.put_at(revision, b"b", b"5")
            store.put_at(revision, b"c", b"5")
        case _:
            store.delete(b"a")


def test_no_batch_forgets_what_it_made() -> None:
    store = Store()
    store.begin(0)
    for number in range(6):
        store.put(b"%d" % number, b"1")
    store.compact(6)
    store.evict(0, 1000, 0)
    assert store.compacted_revision == 0
    store.begin(5)
    store.put(b"a", b"7")
    store.compact(7)
    assert store.compacted_revision == 6
    store.evict(0, 1000, 0)
    assert (store.compacted_revision, len(store.events(6, 9))) == (6, 1)
    store.begin(5)
    store.evict(1, 1000, 0)
    assert store.compacted_revision == 7, "each limit counts"


def test_rebasing_goes_on_later_without_a_past() -> None:
    store = small_store()
    store.rebase(100)
    assert (store.revision, store.compacted_revision, store.oldest_event_ms) == (106, 106, None)
    assert values(store, 0) == values(store, 106) == {b"b": b"5", b"c": b"5"}
    assert store.put(b"b", b"6") == 107
    assert store.get_at(b"b", 106) == Record(b"5", 5, 5, 1, "lease", "text/plain")
    assert store.oldest_event_ms == 0


def test_a_key_that_changed_often_is_found_from_either_side() -> None:
    store = Store()
    for number in range(1, 1001):
        store.put(b"often", b"%d" % number)
        if number % 10 == 0:
            store.delete(b"often")
            store.put(b"seldom-%d" % number, b"1")
    numbers = {revision: store.get_at(b"often", revision) for revision in range(1, 1201)}
    expected = 0
    for revision, record in numbers.items():
        if revision % 12 in {11, 0}:
            assert record is None
        else:
            expected += 1
            assert record is not None
            assert (record.value, record.mod_revision) == (b"%d" % expected, revision)


def test_a_revision_of_many_events_is_searched() -> None:
    store, keys = Store(), [b"%d" % number for number in range(100)]
    for value in (b"1", b"2", b"3"):
        revision = store.next_revision()
        for key in keys:
            store.put_at(revision, key, value)
            assert store.get_at(key, revision) == store.get(key), "while it grows, too"
            before = store.get_at(key, revision - 1)
            assert (before is None) == (revision == 1)
    for key in keys:
        former = [store.get_at(key, revision) for revision in (1, 2, 3)]
        assert [record and record.value for record in former] == [b"1", b"2", b"3"]


def test_a_revision_without_a_change_is_a_mistake() -> None:
    store = Store()
    store.next_revision()
    with pytest.raises(AssertionError, match="a revision without a change"):
        store.put(b"a", b"1")


SEGMENT_EVENTS = SEGMENT_BYTES // (EVENT_BYTES + 1 + 2) + 1


def test_memory_of_the_past_is_given_back_in_bounded_steps() -> None:
    store, segments = Store(), 12
    for number in range(segments * SEGMENT_EVENTS):
        store.put(b"%d" % (number % 5), b"22")
    forgetting(store).evict(store.revision, 0, 1 << 40)  # as after every batch
    kept = store._history._segments
    assert len(kept) == segments
    forgetting(store).compact(store.revision)
    assert store.history_bytes == 0, "at once"
    left = []
    while len(kept) > 1:
        left.append(len(kept))
        forgetting(store).evict(0, 0, 0)
    step = SWEEP_EVENTS // SEGMENT_EVENTS + 1
    assert left == list(range(segments + 1 - step, 1, -step))


def test_memory_is_given_back_as_fast_as_writes_come() -> None:
    store, batch = Store(), 4 * SWEEP_EVENTS
    for _ in range(4):
        for number in range(batch):
            store.put(b"%d" % (number % 5), b"1")
        forgetting(store).evict(10, 0, 1 << 40)
    assert len(store._history._segments) <= 2


def test_few_large_values_are_not_kept_for_long() -> None:
    store, value = Store(), b"x" * (SEGMENT_BYTES // 2)
    for _ in range(20):
        store.put(b"k", value)
        forgetting(store).evict(2, 0, 1 << 40)
    assert len(store._history._segments) <= 3
    forgetting(store).compact(store.revision)
    forgetting(store).evict(0, 0, 0)
    assert [segment.entries for segment in store._history._segments] == [[]]


def test_deleted_keys_are_forgotten_with_their_events() -> None:
    store = Store()
    for number in range(100):
        store.put(b"%d" % number, b"1")
        store.delete(b"%d" % number)
    assert len(store._history.gone) == 100
    store.put(b"7", b"again")
    assert len(store._history.gone) == 99
    assert values(store, 15) == {b"7": b"1"}
    forgetting(store).compact(store.revision)
    forgetting(store).evict(0, 0, 0)
    assert len(store._history.gone) == sum(map(len, store._history._deletions._shards)) == 0


def test_deleting_everything_gives_all_memory_back() -> None:
    gc.collect()
    tracemalloc.start()
    try:
        store = Store()
        before, _peak = tracemalloc.get_traced_memory()
        for number in range(5_000):
            store.put(b"%d" % number, b"%d" % number * 20)
        full, _peak = tracemalloc.get_traced_memory()
        for number in range(5_000):
            store.delete(b"%d" % number)
        for _ in range(20):
            forgetting(store).evict(0, 0, 0)
        after, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert full - before > 1_500_000
    assert after - before < 300_000


def test_a_key_that_comes_and_goes_within_one_revision() -> None:
    store = Store()
    store.put(b"k", b"1")
    revision = store.next_revision()
    store.delete_at(revision, b"k")
    store.put_at(revision, b"k", b"2")
    store.delete_at(revision, b"k")
    store.put_at(revision, b"k", b"3")
    store.delete(b"k")
    revision = store.next_revision()
    for _ in range(2):
        store.put_at(revision, b"k", b"4")
        store.delete_at(revision, b"k")
    store.put_at(revision, b"k", b"5")
    found = [store.get_at(b"k", revision) for revision in range(5)]
    assert [record and record.value for record in found] == [None, b"1", b"3", None, b"5"]


def test_forgetting_one_deletion_leaves_the_next_one() -> None:
    store = Store()
    for value in (b"1", b"2"):
        store.put(b"k", value)
        store.delete(b"k")
    store.put(b"large", b"x" * SEGMENT_BYTES)
    store.delete(b"large")
    for value in (b"3", b"4"):
        store.put(b"k", value)
        store.delete(b"k")
    forgetting(store).compact(7)
    assert len(store._history._segments) == 1
    found = [store.get_at(b"k", revision) for revision in (7, 8, 9, 10)]
    assert [record and record.value for record in found] == [b"3", None, b"4", None]
    assert values(store, 9) == {b"k": b"4"}
