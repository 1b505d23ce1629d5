"""Revisions, versions and sizes of the store."""

import gc

from kvorum.mvcc.store import Record, Store


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
    assert (len(store), store.revision, store.size_bytes) == (1, 1, 2)


def test_size_follows_overwrites_and_deletes() -> None:
    store = Store()
    store.put(b"key", b"12345")
    assert store.size_bytes == 8
    store.put(b"key", b"1")
    assert store.size_bytes == 4
    store.put(b"", b"")
    assert (len(store), store.size_bytes) == (2, 4)
    store.delete(b"key")
    assert (len(store), store.size_bytes) == (1, 0)


def test_garbage_collector_does_not_see_records() -> None:
    """A collection must not take longer because more keys are stored."""
    store = Store()
    for number in range(1000):
        store.put(b"%d" % number, b"1")
    gc.collect()
    assert not gc.is_tracked(store.get(b"1"))
    assert not any(gc.is_tracked(shard) for shard in store._shards)
