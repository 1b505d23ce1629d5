"""Revisions, versions and sizes of the store."""

import gc
from zlib import crc32

import pytest

from kvorum.mvcc.store import Record, Store, shard_of


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


def test_loading_gives_what_writing_gave() -> None:
    written, loaded = Store(), Store()
    for key in (b"a", b"b", b"a"):
        written.put(key, b"1")
    for key, record in written:
        loaded.load(shard_of(crc32(key)), {key: record})
    assert dict(loaded) == dict(written)
    assert (len(loaded), loaded.size_bytes, loaded.digest) == (2, 4, written.digest)


def test_a_key_is_loaded_once_and_into_its_own_shard() -> None:
    store, records = Store(), {b"a": Record(b"1", 1, 1, 1)}
    number = shard_of(crc32(b"a"))
    store.load(number, records)
    with pytest.raises(ValueError, match=f"a key is twice in shard {number}"):
        store.load(number, records)
    with pytest.raises(ValueError, match=f"a key of shard {number} is in shard {number ^ 1}"):
        Store().load(number ^ 1, records)


def test_digest_is_that_of_what_is_left() -> None:
    whole, rest = Store(), Store()
    for key in (b"a", b"b", b"a", b"c"):
        whole.put(key, b"1")
    whole.delete(b"c")
    for key, record in whole:
        rest.load(shard_of(crc32(key)), {key: record})
    assert whole.digest == rest.digest != 0
    whole.delete(b"a")
    whole.delete(b"b")
    assert whole.digest == 0
