"""Looking into a data directory, sound or damaged, without touching it."""

import asyncio
from pathlib import Path

import pytest

from kvorum.storage.inspection import (
    Damage,
    FoundRecord,
    FoundSegment,
    Verdict,
    judge,
    read_log,
    read_snapshots,
)
from kvorum.testing.memory_fs import MemoryFileSystem
from tests.unit.storage.logs import flipped, overwritten
from tests.unit.storage.snaps import DATA, SNAPSHOTS, at, snaps
from tests.unit.storage.test_opening import WAL_PATH, opened, segments, with_entries


def a_log(until: int = 9, snapshots: tuple[int, ...] = ()) -> MemoryFileSystem:
    fs = asyncio.run(with_entries(until=until, snapshots=snapshots))

    def fault(operation: str, path: Path) -> None:
        assert operation in ("open", "read"), f"{operation} of {path}"

    fs.fault = fault
    return fs


def indexes(fs: MemoryFileSystem) -> list[int]:
    found = (one for one in read_log(fs, WAL_PATH) if isinstance(one, FoundRecord))
    return [entry.index for record in found for entry in record.batch.entries]


def damage(fs: MemoryFileSystem) -> list[Damage]:
    return [one for one in read_log(fs, WAL_PATH) if isinstance(one, Damage)]


def verdict(fs: MemoryFileSystem, cluster: str = "c1") -> Verdict:
    return judge(fs, DATA, list(read_snapshots(fs, SNAPSHOTS)), cluster)


def damaged(fs: MemoryFileSystem, segment: int, offset: int) -> Path:
    path = WAL_PATH / segments(fs)[segment]
    fs.replace(path, flipped(fs.read(path), offset))
    return path


def test_a_sound_log_is_told_as_recovery_reads_it() -> None:
    fs = a_log(until=20, snapshots=())
    assert indexes(fs) == list(range(1, 21))
    assert damage(fs) == []
    found = [one for one in read_log(fs, WAL_PATH) if isinstance(one, FoundSegment)]
    assert len(found) > 1, "some are full"
    assert [one.following for one in found] == [*(one.first for one in found[1:]), None]
    recovered = verdict(fs).recovered
    assert recovered is not None
    assert [entry.index for entry in recovered.entries] == indexes(fs)


def test_records_lie_where_they_are_said_to_be() -> None:
    fs = a_log()
    for one in read_log(fs, WAL_PATH):
        if isinstance(one, FoundRecord):
            header = fs.read(one.path)[one.offset :]
            assert int.from_bytes(header[8:16], "little") == one.sequence
            assert int.from_bytes(header[:4], "little") + 32 == one.size_bytes


def test_an_empty_log_is_sound() -> None:
    fs = a_log(until=0)
    assert (indexes(fs), damage(fs)) == ([], [])
    assert verdict(fs).recovered is not None


def test_behind_damage_it_goes_on() -> None:
    fs = a_log(until=20)
    path = damaged(fs, 0, 1100)  # inside the first record
    assert indexes(fs) == list(range(2, 21))
    (found,) = damage(fs)
    assert (found.path, found.offset) == (path, 1024)
    assert found.reason.startswith("record 1 is damaged")
    refused = verdict(fs)
    assert refused.recovered is None
    assert f"{path}: damaged at byte 1024" in refused.refusal


def test_a_damaged_header_hides_one_record_only() -> None:
    fs = a_log()
    damaged(fs, 0, 1024 + 5)
    assert indexes(fs) == list(range(2, 10))
    assert damage(fs)[0].reason == "the checksum of a record header is wrong"


def test_every_damaged_place_is_found() -> None:
    fs = a_log(until=20)
    damaged(fs, 0, 1100)
    damaged(fs, -1, 1100)
    assert len(damage(fs)) == 2


def test_the_head_of_a_segment() -> None:
    fs = a_log(until=20)
    path = damaged(fs, 1, 25)
    assert [(one.path, one.reason) for one in damage(fs)] == [
        (path, "the checksum of the segment header is wrong")
    ]
    assert indexes(fs) == list(range(1, 21))


def test_a_segment_that_is_missing() -> None:
    fs = a_log(until=20)
    fs.fault = lambda _operation, _path: None
    fs.remove(WAL_PATH / segments(fs)[1])
    (found,) = damage(fs)
    assert "before it are missing" in found.reason
    assert found.path == WAL_PATH / segments(fs)[1]
    assert verdict(fs).recovered is None


def test_a_torn_tail_would_be_cut() -> None:
    fs = a_log(until=8)
    last = [one for one in read_log(fs, WAL_PATH) if isinstance(one, FoundRecord)][-1]
    cut = (last.offset // 512 + 1) * 512
    assert last.offset < cut < last.offset + last.size_bytes, "it lies in two sectors"
    content = fs.read(last.path)
    before = overwritten(content, cut, bytes(last.offset + last.size_bytes - cut))
    fs.replace(last.path, before)
    assert indexes(fs) == list(range(1, 8))
    assert "or was never written completely" in damage(fs)[0].reason
    recovered = verdict(fs).recovered
    assert recovered is not None
    assert "cut record" in recovered.warnings[0]
    assert fs.read(last.path) == before, "nothing is cut here"


def test_a_file_cut_short() -> None:
    fs = a_log()
    path = WAL_PATH / segments(fs)[-1]
    fs.replace(path, fs.read(path)[:-512])
    assert "bytes long instead of" in damage(fs)[0].reason


def test_something_else_altogether() -> None:
    fs = a_log()
    path = WAL_PATH / segments(fs)[0]
    fs.replace(path, bytes(range(256)) * 20)
    assert damage(fs)[0].reason == "this is not a segment of a kvorum log"
    assert verdict(fs).recovered is None


class TestSnapshots:
    def test_all_are_read_to_their_end(self) -> None:
        fs = a_log(until=40, snapshots=(10, 20))
        found = list(read_snapshots(fs, SNAPSHOTS))
        assert [(one.head and one.head.last, one.blocks, one.damage) for one in found] == [
            (at(10), 1, ""),
            (at(20), 1, ""),
        ]
        assert verdict(fs).base == at(20)

    @pytest.mark.parametrize(("offset", "has_head"), [(-30, True), (20, False)])
    def test_a_damaged_one_is_named_and_not_counted_on(self, offset: int, has_head: bool) -> None:
        fs = a_log(until=40, snapshots=(10, 20))
        newest = SNAPSHOTS / snaps(fs)[-1]
        fs.replace(newest, flipped(fs.read(newest), offset))
        found = list(read_snapshots(fs, SNAPSHOTS))[-1]
        assert (found.path, found.head is not None) == (newest, has_head)
        assert "damaged near byte" in found.damage
        judged = verdict(fs)
        assert judged.base == at(10)
        assert judged.recovered is not None

    def test_one_under_the_name_of_another(self) -> None:
        fs = a_log(until=40, snapshots=(10, 20))
        old, new = (SNAPSHOTS / name for name in snaps(fs))
        fs.replace(new, fs.read(old))
        assert "its name belongs to another one" in list(read_snapshots(fs, SNAPSHOTS))[-1].damage

    def test_one_of_another_cluster_stops_a_start(self) -> None:
        fs = a_log(until=40, snapshots=(10, 20))
        assert "belongs to cluster c1, this node to cluster c9" in verdict(fs, "c9").refusal

    def test_one_of_another_release_stops_a_start(self) -> None:
        fs = a_log(until=40, snapshots=(10, 20))
        newest = SNAPSHOTS / snaps(fs)[-1]
        fs.replace(newest, overwritten(fs.read(newest), 7, b"9"))
        assert "format version 9 is not known" in verdict(fs).refusal


async def test_a_start_does_what_the_verdict_says() -> None:
    fs = await with_entries(until=12)
    told = verdict(fs).recovered
    storage = await opened(fs)
    assert told is not None
    assert told.entries == storage.recovered.entries
    assert told.hard_state == storage.recovered.hard_state
    await storage.close()
    assert fs.exists(DATA)
