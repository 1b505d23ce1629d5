"""`kvorum wal-dump` on data directories in memory: lines, JSON, exit codes."""

import asyncio
import io
import json
from typing import Any

from msgspec import Struct

from kvorum.cli.console import Console
from kvorum.cli.ops.log_words import command_fields, command_line, entry_fields, entry_lines
from kvorum.cli.ops.wal_dump import dump
from kvorum.mvcc.command import (
    Compare,
    CompareAndSet,
    Delete,
    DeleteOp,
    Field,
    Introduce,
    LeaseGrant,
    Put,
    PutOp,
    Relation,
    Txn,
    encode_batch,
    encode_command,
)
from kvorum.raft.membership import Membership, encode_membership
from kvorum.raft.types import Entry, EntryKind, Index, NodeId, Term
from kvorum.testing.memory_fs import MemoryFileSystem
from tests.unit.storage.logs import flipped, state
from tests.unit.storage.snaps import DATA, snaps
from tests.unit.storage.test_opening import opened, segments, with_entries

PUT = Put("r-1", b"colour", b'"green"')


def commands(index: int, *batch: Put | Delete | Introduce) -> Entry:
    data = encode_batch([encode_command(one) for one in batch])
    return Entry(Term(1), Index(index), EntryKind.COMMANDS, data)


class Dump(Struct):
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    def found(self, kind: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["found"] == kind]


def dumped(
    fs: MemoryFileSystem, *, first: int = 1, last: int | None = None, as_json: bool = False
) -> Dump:
    out, err = io.StringIO(), io.StringIO()
    console = Console(io.StringIO(), out, err)
    code = dump(fs, DATA, first=first, last=last, as_json=as_json, console=console)
    return Dump(code, out.getvalue(), err.getvalue())


def a_directory() -> MemoryFileSystem:
    """Three entries: the term's first, two commands, a membership."""

    async def make() -> MemoryFileSystem:
        fs = MemoryFileSystem()
        storage = await opened(fs)
        members = Membership((NodeId("localhost:8001"),), learners=(NodeId("localhost:8002#3"),))
        await storage.log.append(
            state(1, "localhost:8001", 0), [Entry(Term(1), Index(1), EntryKind.NOOP, b"")]
        )
        await storage.log.append(None, [commands(2, PUT, Delete("r-2", b"size"))])
        await storage.log.append(
            state(1, "localhost:8001", 2),
            [Entry(Term(1), Index(3), EntryKind.MEMBERSHIP, encode_membership(members))],
        )
        await storage.close()
        return fs

    return asyncio.run(make())


def test_everything_is_told_in_its_order() -> None:
    run = dumped(a_directory())
    assert (run.code, run.err) == (0, "")
    lines = run.out.splitlines()
    assert lines[:4] == [
        "/data",
        "  node       Node-1",
        "  member     localhost:8001, directory u1",
        "  cluster    c1, formed by localhost:8001",
    ]
    assert lines[4] == "segment 0000000000000001.wal, 2.0 KiB, from record 1, the newest"
    assert "1 entry; term 1, voted for localhost:8001, committed up to 0" in lines[5]
    assert lines[6] == "           1  term 1  opens the term"
    assert "2 commands" in lines[8]
    assert lines[9].strip() == 'put colour value="green"  (r-1)'
    assert lines[10].strip() == "delete size  (r-2)"
    assert "membership: voters localhost:8001; learners localhost:8002#3" in lines[12]
    assert lines[-2] == "a node would start from 3 entries, up to entry 3 of term 1"


def test_for_programs_it_is_one_object_a_line() -> None:
    run = dumped(a_directory(), as_json=True)
    assert [line["found"] for line in run.lines] == [
        *("directory", "segment", "record", "entry", "record", "entry", "record", "entry"),
        "verdict",
    ]
    _, batch, membership = run.found("entry")
    assert batch["commands"] == [
        {"type": "put", "id": "r-1", "key": "colour", "value": "green"},
        {"type": "delete", "id": "r-2", "key": "size"},
    ]
    assert membership["membership"]["learners"] == ["localhost:8002#3"]
    assert run.found("record")[2]["hardState"] == {"term": 1, "vote": "localhost:8001", "commit": 2}
    assert run.found("verdict")[0]["starts"] is True


def test_a_part_of_the_log() -> None:
    fs = asyncio.run(with_entries(until=9))
    run = dumped(fs, first=3, last=4, as_json=True)
    assert [line["index"] for line in run.found("entry")] == [3, 4]
    assert len(run.found("record")) == 2
    assert [line["index"] for line in dumped(fs, first=8, as_json=True).found("entry")] == [8, 9]


def test_a_damaged_log_says_where_and_fails() -> None:
    fs = asyncio.run(with_entries(until=9))
    path = DATA / "wal" / segments(fs)[0]
    fs.replace(path, flipped(fs.read(path), 1100))
    run = dumped(fs)
    assert run.code == 1
    assert "  DAMAGED 0000000000000001.wal at byte 1024: record 1 is damaged" in run.out
    assert f"a node would not start from it: {path}: damaged at byte 1024" in run.out
    assert "           9  term 1" in run.out, "what follows is shown all the same"
    assert dumped(fs, as_json=True).found("damage")[0]["offset"] == 1024


def test_snapshots_are_told_too() -> None:
    fs = asyncio.run(with_entries(until=40, snapshots=(10, 20)))
    run = dumped(fs, as_json=True)
    assert [(line["index"], line["sound"]) for line in run.found("snapshot")] == [
        (10, True),
        (20, True),
    ]
    newest = DATA / "snapshots" / snaps(fs)[-1]
    fs.replace(newest, flipped(fs.read(newest), -30))
    run = dumped(fs)
    assert run.code == 0, "the older one will do"
    assert f"  DAMAGED {newest}: damaged near byte" in run.out
    assert "a node would start from the snapshot of entry 10 and 30 entries behind it" in run.out


def test_entries_that_replace_others_say_so() -> None:
    async def make() -> MemoryFileSystem:
        fs = await with_entries(until=5)
        storage = await opened(fs)
        new = [Entry(Term(2), Index(index), EntryKind.NOOP, b"") for index in (4,)]
        await storage.log.append(state(2, "n", 3), new)
        await storage.close()
        return fs

    assert "replaces entries 4 to 5" in dumped(asyncio.run(make())).out


def test_without_an_identity_nothing_would_start() -> None:
    fs = a_directory()
    fs.remove(DATA / "identity.json")
    run = dumped(fs)
    assert run.code == 1
    assert "identity.json is missing" in run.out
    assert 'put colour value="green"' in run.out


def test_an_interrupted_restore_is_named() -> None:
    fs = a_directory()
    identity = fs.read(DATA / "identity.json").decode().replace("{", '{"restoring": true,', 1)
    fs.replace(DATA / "identity.json", identity.encode())
    run = dumped(fs)
    assert run.code == 1
    assert "unfinished a restore was begun here, and not completed" in run.out


def test_another_directory_is_called_that() -> None:
    run = dumped(MemoryFileSystem())
    assert (run.code, run.out) == (1, "")
    assert run.err == "kvorum: /data is no data directory of a node: it has no wal/\n"


class TestCommands:
    def test_values_that_are_no_json(self) -> None:
        put = Put("r", b"k\xff", b"\x00\xff", lease="L", content_type="image/png")
        assert command_fields(put) == {
            "type": "put",
            "id": "r",
            "key": "k\\xff",
            "value": {"base64": b"\x00\xff"},
            "lease": "L",
            "content_type": "image/png",
        }
        assert command_line(put).startswith('put k\\xff value={"base64":"AP8="} lease=L')

    def test_a_long_value_is_cut_for_people(self) -> None:
        line = command_line(Put("r", b"k", b'"' + b"x" * 1000 + b'"'))
        assert len(line) < 100
        assert "…" in line

    def test_a_terminal_is_not_at_the_mercy_of_a_key(self) -> None:
        assert "\x1b" not in command_line(Put("r\x1b", b"k\x1b[2J", b'"\\u001b"'))

    def test_a_transaction_with_everything(self) -> None:
        txn = Txn(
            "r",
            (Compare(b"k", Field.VALUE, Relation.EQUAL, b"1"),),
            (PutOp(b"k", b"2"), DeleteOp(b"a", b"b")),
        )
        fields = command_fields(txn)
        assert fields["then"] == [
            {"type": "put", "key": "k", "value": command_fields(Put("", b"", b"2"))["value"]},
            {"type": "delete", "key": "a", "end": "b"},
        ]
        assert "then=" in command_line(txn)

    def test_others(self) -> None:
        assert command_line(CompareAndSet("r", b"k", b"1", b"2")) == (
            "compare_and_set k expected=1 value=2  (r)"
        )
        assert command_line(LeaseGrant("r", "L", 5000)) == "lease_grant L ttl_ms=5000  (r)"
        assert command_line(Introduce("r", "a:1", "u", "Node-1")) == (
            "introduce a:1 uid=u name=Node-1  (r)"
        )

    def test_what_another_release_wrote(self) -> None:
        entry = Entry(Term(1), Index(1), EntryKind.COMMANDS, b"\xffwhatever")
        assert "unreadable" in entry_fields(entry)
        (line,) = entry_lines(entry)
        assert "cannot be read" in line
        bad = Entry(Term(1), Index(1), EntryKind.MEMBERSHIP, b"\xff")
        assert "unreadable" in entry_fields(bad)
        assert "cannot be read" in entry_lines(bad)[0]
