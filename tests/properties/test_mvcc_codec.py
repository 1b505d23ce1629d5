"""Whatever is put into a batch comes out of it."""

from hypothesis import given
from hypothesis import strategies as st

from kvorum.mvcc.command import (
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
    decode_batch,
    encode_batch,
    encode_command,
    stamped,
)

U32, U64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
STAMPS = st.builds(Stamp, U64, U32, U32, U32, U32, U64, U64)
IDS, BYTES = st.text(max_size=40), st.binary(max_size=300)
ENDS = st.one_of(st.none(), BYTES)
COMPARES = st.builds(
    Compare, BYTES, st.sampled_from(Field), st.sampled_from(Relation), st.one_of(BYTES, U64), ENDS
)
OPS = st.one_of(
    st.builds(PutOp, BYTES, BYTES, IDS, U32, IDS), st.builds(DeleteOp, BYTES, ENDS, U32)
)
BRANCHES = st.lists(OPS, max_size=4).map(tuple)
COMMANDS = st.one_of(
    st.builds(Put, IDS, BYTES, BYTES, U32, IDS, U32, IDS),
    st.builds(CompareAndSet, IDS, BYTES, BYTES, BYTES),
    st.builds(Delete, IDS, BYTES),
    st.builds(Introduce, IDS, IDS, IDS, IDS),
    st.builds(Txn, IDS, st.lists(COMPARES, max_size=4).map(tuple), BRANCHES, BRANCHES),
    st.builds(LeaseGrant, IDS, IDS, U64),
    st.builds(LeaseKeepAlive, IDS, IDS),
    st.builds(LeaseRevoke, IDS, IDS),
    st.builds(Compact, IDS, U64),
)


@given(st.lists(COMMANDS, max_size=20), STAMPS, STAMPS)
def test_round_trip(commands: list[Command], stamp: Stamp, later: Stamp) -> None:
    encoded = [encode_command(command) for command in commands]
    batch = encode_batch(encoded, stamp)
    assert decode_batch(batch) == (stamp, commands)
    assert decode_batch(encode_batch(encoded)) == (UNSTAMPED, commands)
    assert stamped(batch, later) == encode_batch(encoded, later)


@given(st.binary(max_size=200))
def test_foreign_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        stamp, commands = decode_batch(data)
    except ValueError:
        return
    again = encode_batch([encode_command(command) for command in commands], stamp)
    assert decode_batch(again) == (stamp, commands)
