"""Commands for the state machine, drawn so that they meet each other."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from hypothesis import strategies as st

from kvorum.mvcc import compare, execution, expiry, lease, state_machine, transaction
from kvorum.mvcc.command import (
    FIRST_ATTEMPT,
    UNSTAMPED,
    Command,
    Compact,
    Compare,
    CompareAndSet,
    Delete,
    DeleteOp,
    Field,
    Introduce,
    LeaseGrant,
    LeaseKeepAlive,
    LeaseRevoke,
    Put,
    PutOp,
    Relation,
    Stamp,
    Txn,
    encode_batch,
    encode_command,
)
from tests.support.mvcc_model import Limits

LIMITS = Limits(deleted=3, compared=4, reaped=2)


@contextmanager
def small_limits() -> Iterator[None]:
    """``LIMITS``, large leases of three keys, and two puts are many."""
    with ExitStack() as stack:
        for module, name, value in (
            (execution, "DELETE_KEYS_MAX", LIMITS.deleted),
            (transaction, "DELETE_KEYS_MAX", LIMITS.deleted),
            (compare, "COMPARED_KEYS_MAX", LIMITS.compared),
            (expiry, "REAP_KEYS_MAX", LIMITS.reaped),
            (lease, "_FEW_KEYS", 2),
            (state_machine, "PUTS_MIN", 2),
        ):
            stack.enter_context(patch.object(module, name, value))
        yield


KEY_NAMES = [b"a", b"b", b"b/1", b"b/2", b"c", b"\xff"]
IDS = st.integers(0, 60).map("r{}".format)
KEYS = st.sampled_from(KEY_NAMES)
ENDS = st.sampled_from([b"", b"a", b"b/2", b"b0", b"\xff\xff"])
TEXTS = st.sampled_from([b"1", b"1.0", b"20", b'"x"', b'"y"', b"true", b'{"a":1}', b'{"a": 1e0}'])
LEASES = st.sampled_from(["l", "l", "m", "n", "ttl-1", "ttl-2", "ttl-3-1"])
GRANTED = st.sampled_from(["l", "l", "m", "n", "ttl-1"])
TTLS = st.integers(1, 8).map((500).__mul__)
NO_LEASE, NO_TTL = st.just(""), st.just(0)
ATTEMPTS = st.just(FIRST_ATTEMPT)


def _values(
    build: type[Put] | type[PutOp], *front: st.SearchStrategy[object]
) -> st.SearchStrategy[Put | PutOp]:
    after = (ATTEMPTS,) if build is Put else ()
    json_text = st.just("")
    return st.one_of(
        st.builds(build, *front, TEXTS, *after, NO_LEASE, NO_TTL, json_text),
        st.builds(build, *front, TEXTS, *after, LEASES, NO_TTL, json_text),
        st.builds(build, *front, TEXTS, *after, NO_LEASE, TTLS, json_text),
        st.builds(build, *front, TEXTS, *after, LEASES, st.sampled_from([0, 500]), json_text),
        st.builds(build, *front, st.binary(max_size=3), *after, NO_LEASE, NO_TTL, st.just("a/b")),
    )


PUTS = _values(Put, IDS, KEYS)
OPS = st.one_of(
    _values(PutOp, KEYS),
    st.builds(DeleteOp, KEYS),
    st.builds(DeleteOp, KEYS, ENDS, st.integers(0, 3)),
)
RELATIONS = st.sampled_from(Relation)
RANGES = st.one_of(st.none(), st.none(), ENDS)
COUNTERS = st.sampled_from([Field.VERSION, Field.CREATE_REVISION, Field.MOD_REVISION])
LEASE_BYTES = st.sampled_from([b"", b"l", b"m", b"ttl-1"])
COMPARES = st.one_of(
    st.builds(Compare, KEYS, st.just(Field.VALUE), RELATIONS, TEXTS, RANGES),
    st.builds(Compare, KEYS, COUNTERS, RELATIONS, st.integers(0, 6), RANGES),
    st.builds(Compare, KEYS, st.just(Field.LEASE), RELATIONS, LEASE_BYTES, RANGES),
    st.builds(Compare, KEYS, st.sampled_from(Field), RELATIONS, TEXTS | st.just(1), RANGES),
)


def _few(items: st.SearchStrategy[object], most: int) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(items, max_size=most).map(tuple)


COMMANDS: st.SearchStrategy[Command] = st.one_of(
    PUTS,
    PUTS,
    st.builds(CompareAndSet, IDS, KEYS, TEXTS, TEXTS),
    st.builds(Delete, IDS, KEYS),
    st.builds(Txn, IDS, _few(COMPARES, 2), _few(OPS, 4), _few(OPS, 3)),
    st.builds(Txn, IDS, _few(COMPARES, 0), _few(OPS, 6)),
    st.builds(LeaseGrant, IDS, GRANTED, TTLS),
    st.builds(LeaseGrant, IDS, GRANTED, TTLS),
    st.builds(LeaseKeepAlive, IDS, LEASES),
    st.builds(LeaseRevoke, IDS, LEASES),
    st.builds(Compact, IDS, st.integers(-1, 12)),
    st.builds(Introduce, IDS, st.sampled_from("ab"), st.sampled_from("uv"), st.sampled_from("nm")),
)
TIMES = st.integers(0, 16).map((500).__mul__)
STAMPS = st.one_of(
    st.just(UNSTAMPED),
    st.builds(Stamp, TIMES, *(st.just(100_000),) * 6),
    st.builds(
        Stamp,
        TIMES,
        st.integers(0, 12),  # outcomes
        st.integers(0, 4),
        st.integers(0, 12),  # revisions
        st.integers(0, 4),
        st.integers(0, 3000),
        st.sampled_from([0, 260, 600, 1_100]),
    ),
)
Batch = tuple[Stamp, list[Command]]
PLAIN_PUTS = st.builds(Put, IDS, KEYS, TEXTS, content_type=st.sampled_from(["", "a/b"]))
RUNS = st.lists(PLAIN_PUTS | PLAIN_PUTS | COMMANDS, max_size=8)
BATCHES = st.tuples(STAMPS, st.lists(COMMANDS, max_size=8) | RUNS)
_GRANTS: Batch = (
    Stamp(1, *(100_000,) * 6),
    [LeaseGrant("grant-l", "l", 3_000), LeaseGrant("grant-m", "m", 6_000)],
)
LOGS = st.builds(
    lambda begin, log: [*begin, *log],
    st.sampled_from([[], [_GRANTS]]),
    st.lists(BATCHES, max_size=12),
)


def entry(stamp: Stamp, commands: Sequence[Command]) -> bytes:
    return encode_batch([encode_command(command) for command in commands], stamp)
