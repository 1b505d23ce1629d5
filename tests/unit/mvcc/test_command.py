"""The batch codec's fixed points: the bytes on disk, and what it refuses."""

import pytest

from kvorum.mvcc.command import (
    UNSTAMPED,
    CompareAndSet,
    Delete,
    Introduce,
    Put,
    Stamp,
    decode_batch,
    encode_batch,
    encode_command,
    stamped,
)

STAMP = Stamp(1_700_000_000_000, 100_000, 3600)
PUT = encode_command(Put("r1", b"k", b"1"))


def test_bytes_of_a_batch_are_those_of_version_1() -> None:
    """Logs of earlier releases hold these bytes: a change needs a new version."""
    batch = encode_batch(
        [
            encode_command(Put("r1", b"k", b"1", 7)),
            encode_command(CompareAndSet("r2", b"k", b"1", b"2", 300)),
            encode_command(Delete("r3", b"k")),
            encode_command(Introduce("r4", "h:1#a", "u", "n", 7)),
        ],
        STAMP,
    )
    assert batch.hex(" ") == (
        "01 00 00 01 8b cf e5 68 00 00 01 86 a0 00 00 0e 10 dd 00 00 00 04"
        " 95 01 a2 72 31 c4 01 6b c4 01 31 07"
        " 96 02 a2 72 32 c4 01 6b c4 01 31 c4 01 32 cd 01 2c"
        " 94 03 a2 72 33 c4 01 6b cf 7f ff ff ff ff ff ff ff"
        " 96 04 a2 72 34 a5 68 3a 31 23 61 a1 75 a1 6e 07"
    )


def test_batch_is_unstamped_until_a_leader_stamps_it() -> None:
    batch = encode_batch([PUT])
    assert decode_batch(batch) == (UNSTAMPED, [Put("r1", b"k", b"1")])
    assert decode_batch(stamped(batch, STAMP)) == (STAMP, [Put("r1", b"k", b"1")])


def test_another_version_is_refused_by_number() -> None:
    batch = b"\x02" + encode_batch([PUT])[1:]
    with pytest.raises(ValueError, match="batch version 2: this release reads version 1"):
        decode_batch(batch)


@pytest.mark.parametrize(
    "commands",
    [
        pytest.param(b"\x91\x93\x09\xa2r1\xc4\x01k", id="unknown command"),
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
