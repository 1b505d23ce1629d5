"""A backup that is loaded while it passes."""

import hashlib
from collections.abc import Iterator

import pytest

from kvorum.cli.backup.loaded_stream import LoadedStream
from kvorum.errors import SnapshotDamaged
from tests.unit.storage.logs import flipped


def parts(content: bytes, size: int) -> Iterator[bytes]:
    for begin in range(0, len(content), size):
        yield content[begin : begin + size]


def tell(done: int) -> None:
    """Nobody watches."""


def passed(
    content: bytes, *, part: int = 64, read: int = 50, announced: int | None = None
) -> bytes:
    size_bytes = len(content) if announced is None else announced
    with LoadedStream("b.snapshot", parts(content, part), size_bytes, tell) as stream:
        found = b""
        while piece := stream.read(read):
            found += piece
        assert stream.content.sha256 == hashlib.sha256(found).hexdigest()
    return found


@pytest.mark.parametrize("part", [1, 7, 100, 1 << 20])
@pytest.mark.parametrize("read", [1, 33, 1 << 20])
def test_all_bytes_pass_in_order(backup: bytes, part: int, read: int) -> None:
    assert passed(backup, part=part, read=read) == backup


def test_what_it_holds(backup: bytes) -> None:
    with LoadedStream("b.snapshot", parts(backup, 99), len(backup), tell) as stream:
        assert stream.revision == 5
        while stream.read(99):
            pass
        content = stream.content
    assert (content.cluster_id, content.index, content.revision) == ("old", 5, 5)
    assert (content.keys, content.leases, content.size_bytes) == (5, 1, len(backup))


def test_every_read_but_the_last_is_full(backup: bytes) -> None:
    """A part of an upload must have the size of all others."""
    with LoadedStream("b.snapshot", parts(backup, 10), len(backup), tell) as stream:
        sizes = []
        while piece := stream.read(100):
            sizes.append(len(piece))
    assert {*sizes[:-1]} == {100}


def test_the_end_is_not_reached_if_any_byte_is_wrong(backup: bytes) -> None:
    for offset in range(len(backup)):
        with pytest.raises(SnapshotDamaged):
            passed(flipped(backup, offset))


def test_the_end_is_not_reached_if_any_byte_is_missing(backup: bytes) -> None:
    for size in range(0, len(backup), 3):
        with pytest.raises(SnapshotDamaged):
            passed(backup[:size], announced=len(backup))
        with pytest.raises(SnapshotDamaged):
            passed(backup[:size])


def test_nothing_may_follow(backup: bytes) -> None:
    with pytest.raises(SnapshotDamaged, match="1 bytes follow its trailer"):
        passed(backup + b"!")


def test_what_was_not_announced_is_not_kept(backup: bytes) -> None:
    """The sender has told a length; more than that is not proven by anything."""
    with pytest.raises(SnapshotDamaged, match="follow"):
        passed(backup + b"!", announced=len(backup))


def test_a_download_that_breaks_off_says_so(backup: bytes) -> None:
    def broken() -> Iterator[bytes]:
        yield backup
        raise ConnectionError("it broke off after the last byte")

    stream = LoadedStream("b.snapshot", broken(), len(backup), tell)
    with pytest.raises(ConnectionError):
        stream.read(1 << 20)
