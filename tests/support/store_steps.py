"""Things that can happen to a store, for tests that try them in any order."""

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec import Struct

from kvorum.mvcc.record import Record
from kvorum.mvcc.store import Store


class Write(Struct, frozen=True):
    """One revision, if it changes anything; of a put only what a client gives counts."""

    puts: dict[bytes, Record]
    deletes: list[bytes]
    deletes_first: bool = False


class Tick(Struct, frozen=True):
    """The next batch, so much later."""

    ms: int


class Compact(Struct, frozen=True):
    """To this part of all revisions."""

    part: float


class Evict(Struct, frozen=True):
    revisions_max: int
    age_ms: int
    bytes_max: int


class Rebase(Struct, frozen=True):
    bump: int


Step = Write | Tick | Compact | Evict | Rebase


def steps(keys: Sequence[bytes]) -> SearchStrategy[list[Step]]:
    key = st.sampled_from(keys)
    lease, content_type = st.sampled_from(["", "l"]), st.sampled_from(["", "text/plain"])
    value = st.sampled_from([b"", b"1", b"22", b"333"])
    put = st.builds(Record, value, st.just(0), st.just(0), st.just(0), lease, content_type)
    write = st.one_of(
        st.builds(Write, st.dictionaries(key, put, min_size=1, max_size=1), st.just([])),
        st.builds(Write, st.just({}), st.lists(key, min_size=1, max_size=1)),
        st.builds(
            Write, st.dictionaries(key, put, max_size=6), st.lists(key, max_size=6), st.booleans()
        ),
    )
    other = st.one_of(
        st.builds(Tick, st.integers(0, 5)),
        st.builds(Tick, st.integers(0, 5)),
        st.builds(Compact, st.floats(0, 1)),
        st.builds(Evict, st.integers(0, 20), st.integers(0, 20), st.integers(0, 5000)),
        st.builds(Evict, st.just(1000), st.just(1000), st.integers(0, 5000)),
        st.builds(Rebase, st.integers(1, 9)),
    )
    return st.lists(st.one_of(write, write, write, write, other), max_size=40)


def run(store: Store, step: Step) -> None:
    match step:
        case Write(puts, deletes, deletes_first):
            _write(store, puts, deletes, deletes_first)
        case Tick(ms):
            store.begin(store.time_ms + ms)
        case Compact(part):
            store.compact(int(store.revision * part))
        case Evict(revisions_max, age_ms, bytes_max):
            store.evict(revisions_max, store.time_ms - age_ms, bytes_max)
        case Rebase(bump):
            store.rebase(bump)


def _write(
    store: Store, puts: dict[bytes, Record], deletes: list[bytes], deletes_first: bool
) -> None:
    """In one step if it is one, as the state machine does."""
    if len(puts) + len(deletes) == 1:
        for key, put in puts.items():
            assert store.put(key, put.value, put.lease, put.content_type) == store.revision
        for key in deletes:
            before = store.revision
            assert store.delete(key) in {None, before + 1}
    elif puts or any(store.get(key) for key in deletes):
        revision = store.next_revision()
        if deletes_first:
            _delete_at(store, revision, deletes)
        for key, put in puts.items():
            old = store.get(key)
            assert store.put_at(revision, key, put.value, put.lease, put.content_type) is old
        if not deletes_first:
            _delete_at(store, revision, deletes)


def _delete_at(store: Store, revision: int, keys: list[bytes]) -> None:
    for key in keys:
        old = store.get(key)
        assert store.delete_at(revision, key) is old
