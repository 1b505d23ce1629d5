"""The batch codec's fixed points: the bytes on disk, and what it refuses."""

import pytest

from kvorum.mvcc.command import (
    UNSTAMPED,
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

STAMP = Stamp(1_700_000_000_000, 100_000, 3600, 200_000, 7200, 64 << 20, 5 << 30)
PUT = encode_command(Put("r1", b"k", b"1"))


def test_bytes_of_a_batch_are_those_of_version_2() -> None:
    """Logs of earlier releases hold these bytes: a change needs a new version."""
    compare = Compare(b"k", Field.MOD_REVISION, Relation.LESS, 9, end=b"l")
    batch = encode_batch(
        [
            encode_command(Put("r1", b"k", b"1", 7, "l", 0, "image/png")),
            encode_command(CompareAndSet("r2", b"k", b"1", b"2", 300)),
            encode_command(Delete("r3", b"k")),
            encode_command(Introduce("r4", "h:1#a", "u", "n", 7)),
            encode_command(
                Txn("r5", (compare,), (PutOp(b"k", b"1", ttl_ms=5),), (DeleteOp(b"a", b""),), 7)
            ),
            encode_command(LeaseGrant("r6", "l", 1000, 7)),
            encode_command(LeaseKeepAlive("r7", "l", 7)),
            encode_command(LeaseRevoke("r8", "l", 7)),
            encode_command(Compact("r9", 5, 7)),
        ],
        STAMP,
    )
    assert batch.hex(" ") == (
        "02 00 00 01 8b cf e5 68 00 00 01 86 a0 00 00 0e 10"
        " 00 03 0d 40 00 00 1c 20 00 00 00 00 04 00 00 00 00 00 00 01 40 00 00 00"
        " dd 00 00 00 09"
        " 98 01 a2 72 31 c4 01 6b c4 01 31 07 a1 6c 00 a9 69 6d 61 67 65 2f 70 6e 67"
        " 96 02 a2 72 32 c4 01 6b c4 01 31 c4 01 32 cd 01 2c"
        " 94 03 a2 72 33 c4 01 6b cf 7f ff ff ff ff ff ff ff"
        " 96 04 a2 72 34 a5 68 3a 31 23 61 a1 75 a1 6e 07"
        " 96 05 a2 72 35 91 95 c4 01 6b 03 02 09 c4 01 6c"
        " 91 96 01 c4 01 6b c4 01 31 a0 05 a0 91 94 02 c4 01 61 c4 00 00 07"
        " 95 06 a2 72 36 a1 6c cd 03 e8 07"
        " 94 07 a2 72 37 a1 6c 07"
        " 94 08 a2 72 38 a1 6c 07"
        " 94 09 a2 72 39 05 07"
    )


def test_batch_is_unstamped_until_a_leader_stamps_it() -> None:
    batch = encode_batch([PUT])
    assert decode_batch(batch) == (UNSTAMPED, [Put("r1", b"k", b"1")])
    assert decode_batch(stamped(batch, STAMP)) == (STAMP, [Put("r1", b"k", b"1")])


def test_another_version_is_refused_by_number() -> None:
    version_1 = b"\x01" + encode_batch([])[1:22]  # a whole batch then
    for batch in (version_1, b"\x01" + encode_batch([PUT])[1:]):
        with pytest.raises(ValueError, match="batch version 1: this release reads version 2"):
            decode_batch(batch)


@pytest.mark.parametrize(
    "commands",
    [
        pytest.param(b"\x91\x93\x0a\xa2r1\xc4\x01k", id="unknown command"),
        pytest.param(b"\x91\x92\x03\xa2r1", id="missing field"),
        pytest.param(b"\x91\x94\x03\xa2r1\xc4\x01k\xc0", id="unknown field"),
        pytest.param(b"\x91\x93\x03\xa2\xff\xff\xc4\x01k", id="request id not UTF-8"),
        pytest.param(b"\x80", id="not an array"),
        pytest.param(b"\x90\x90", id="something follows"),
    ],
)
def test_other_contents_are_refused(commands: bytes) -> None:
    header = encode_batch([])[:-5]
    with pytest.raises(ValueError, match="not a list of commands"):
        decode_batch(header + commands)


def test_every_truncation_is_refused() -> None:
    batch = encode_batch([PUT, PUT], STAMP)
    for length in range(len(batch)):
        with pytest.raises(ValueError, match="batch"):
            decode_batch(batch[:length])
