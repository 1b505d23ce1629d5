"""`kvorum snapshot save|status|restore`, without a cluster."""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct

from kvorum.cli.arguments import parse
from kvorum.cli.commands import load
from kvorum.cli.console import Console
from kvorum.cli.snapshot.saving import UNFINISHED, save
from kvorum.errors import SnapshotDamaged
from kvorum.mvcc.state_machine import StateMachine
from kvorum.raft.membership import Membership
from kvorum.raft.types import NodeId
from kvorum.storage.fs import OsFileSystem
from kvorum.storage.snapshot_file import SnapshotWriter
from kvorum.storage.snapshot_format import Head
from tests.unit.app.test_restoring import a_machine
from tests.unit.storage.logs import flipped
from tests.unit.storage.snaps import at


class Run(Struct):
    code: int
    out: str
    err: str


def kvorum(line: str) -> Run:
    arguments = parse(line.split(), {})
    console = Console(io.StringIO(), io.StringIO(), io.StringIO())
    code = load(arguments.run)(arguments, console)
    assert isinstance(console.stdout, io.StringIO)
    assert isinstance(console.stderr, io.StringIO)
    return Run(code, console.stdout.getvalue(), console.stderr.getvalue())


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    return write_backup(tmp_path / "kvorum.snapshot", a_machine())


def write_backup(path: Path, machine: StateMachine) -> Path:
    frozen = machine.freeze()
    head = Head("old", at(machine.applied_index), Membership((NodeId("x:1"),)))
    writer = SnapshotWriter(OsFileSystem(), path, head)
    for block in frozen.blocks():
        writer.write(block)
    writer.finish()
    frozen.close()
    return path


def tell(done: int) -> None:
    """Nobody watches."""


class TestSave:
    def test_it_is_named_once_it_is_sound(self, backup: Path, tmp_path: Path) -> None:
        content, target = backup.read_bytes(), tmp_path / "copy"

        def parts() -> Iterator[bytes]:
            for begin in range(0, len(content), 100):
                assert not target.exists()
                yield content[begin : begin + 100]

        saved = save(OsFileSystem(), target, parts(), tell)
        assert target.read_bytes() == content
        assert (saved.cluster_id, saved.index, saved.revision, saved.keys) == ("old", 5, 5, 5)
        assert (saved.leases, saved.size_bytes) == (1, len(content))
        assert target.stat().st_mode & 0o077 == 0, "it holds every secret that the store holds"

    @pytest.mark.parametrize("offset", [3, 40, -10, -200])
    def test_damage_on_the_way_leaves_the_former_one(
        self, backup: Path, tmp_path: Path, offset: int
    ) -> None:
        target = tmp_path / "copy"
        target.write_text("the former one")
        with pytest.raises(SnapshotDamaged):
            save(OsFileSystem(), target, [flipped(backup.read_bytes(), offset)], tell)
        assert target.read_text() == "the former one"
        assert not list(tmp_path.glob(f"*{UNFINISHED}"))

    def test_an_answer_that_ends_too_soon(self, backup: Path, tmp_path: Path) -> None:
        content = backup.read_bytes()
        for size in (0, 10, len(content) // 2, len(content) - 1):
            with pytest.raises(SnapshotDamaged):
                save(OsFileSystem(), tmp_path / "copy", [content[:size]], tell)
        assert sorted(path.name for path in tmp_path.iterdir()) == [backup.name]

    def test_nothing_is_left_of_one_that_was_interrupted(
        self, backup: Path, tmp_path: Path
    ) -> None:
        def parts() -> Iterator[bytes]:
            yield backup.read_bytes()[:200]
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            save(OsFileSystem(), tmp_path / "copy", parts(), tell)
        assert sorted(path.name for path in tmp_path.iterdir()) == [backup.name]


class TestSaveCommand:
    def test_a_file_is_not_replaced_unasked(self, backup: Path) -> None:
        run = kvorum(f"snapshot save {backup}")
        assert run.code == 4
        assert run.err == f"kvorum: {backup} exists: --force replaces it\n"

    def test_a_directory_that_does_not_exist(self, tmp_path: Path) -> None:
        run = kvorum(f"snapshot save {tmp_path}/none/b.snapshot")
        assert (run.code, run.err) == (1, f"kvorum: {tmp_path}/none is no directory\n")

    def test_nobody_there(self, tmp_path: Path) -> None:
        run = kvorum(
            f"snapshot save {tmp_path}/b.snapshot --endpoint http://localhost:1 --timeout 300ms"
        )
        assert run.code == 5
        assert not list(tmp_path.iterdir())


class TestStatus:
    def test_it_says_what_is_in_it(self, backup: Path) -> None:
        run = kvorum(f"snapshot status {backup}")
        assert (run.code, run.err) == (0, "")
        assert "revision            5" in run.out
        assert "voters              x:1" in run.out
        assert run.out.endswith("sound: every block was read and loaded\n")

    def test_for_programs(self, backup: Path) -> None:
        told = json.loads(kvorum(f"-o json snapshot status {backup}").out)
        assert (told["clusterId"], told["keys"], told["leases"]) == ("old", 5, 1)
        assert told["sizeBytes"] == backup.stat().st_size

    def test_damage_is_named(self, backup: Path) -> None:
        backup.write_bytes(flipped(backup.read_bytes(), -40))
        run = kvorum(f"snapshot status {backup}")
        assert (run.code, run.out) == (1, "")
        assert run.err.startswith(f"kvorum: {backup}: damaged near byte")

    @pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n" * 20])
    def test_another_file_is_called_that(self, backup: Path, content: bytes) -> None:
        backup.write_bytes(content)
        run = kvorum(f"snapshot status {backup}")
        assert run.code == 1
        assert "does not begin like" in run.err or "ends inside its head" in run.err

    def test_a_file_that_is_missing(self, tmp_path: Path) -> None:
        run = kvorum(f"snapshot status {tmp_path}/none")
        assert run.err == f"kvorum: {tmp_path}/none cannot be read: No such file or directory\n"


class TestRestore:
    def test_options_describe_the_node(self, backup: Path, tmp_path: Path) -> None:
        run = kvorum(
            f"snapshot restore {backup} --self-id Node-1 --self-address a:1 --other-nodes b:1,c:1 "
            f"--data-dir {tmp_path}/one"
        )
        assert (run.code, run.err) == (0, "")
        assert re.search(r"5 keys; revision 5 went on as \d{16}\.", run.out)
        assert "Restore b:1, c:1 too" in run.out
        assert (tmp_path / "one" / "identity.json").exists()

    def test_an_env_file_does_so_too_and_options_win(self, backup: Path, tmp_path: Path) -> None:
        env_file = tmp_path / "1.env"
        env_file.write_text(
            "SELF_ID=Node-1\nSELF_ADDRESS=a:1\nOTHER_NODES=b:1,c:1\nDATA_DIR=from-file\n"
        )
        one = json.loads(kvorum(f"snapshot restore {backup} --env-file {env_file} -o json").out)
        assert one["dataDir"] == str(tmp_path / "from-file")
        line = f"snapshot restore {backup} --env-file {env_file} --data-dir {tmp_path}/two -o json"
        two = json.loads(kvorum(f"{line} --self-id Node-2 --restore-id {one['restoreId']}").out)
        assert (two["dataDir"], two["node"]) == (f"{tmp_path}/two", "Node-2")
        assert two["members"] == one["members"] == ["a:1", "b:1", "c:1"]
        assert two["clusterId"] == one["clusterId"] != one["formerClusterId"]
        assert two["revision"] == one["revision"]
        other = json.loads(kvorum(line.replace("two", "three")).out)
        assert other["clusterId"] != one["clusterId"], "another restore of the same file"
        assert other["revision"] > one["revision"]

    def test_the_command_for_the_other_nodes_is_shown(self, backup: Path, tmp_path: Path) -> None:
        node = "--self-id N --self-address {}:1 --other-nodes a:1,b:1 --data-dir {}/{}"
        first = kvorum(
            f"snapshot restore {backup} --bump-revision 7 {node.format('a', tmp_path, 'one')}"
        )
        shown = re.search(r"^  kvorum (snapshot restore .*) --env-file …$", first.out, re.MULTILINE)
        assert shown is not None
        second = kvorum(f"{shown[1]} {node.format('b', tmp_path, 'two')}")
        clusters = [re.search(r"new cluster (\w{16})\.", run.out) for run in (first, second)]
        assert clusters[0] is not None
        assert clusters[1] is not None
        assert clusters[0][1] == clusters[1][1]
        assert f"Each has to say cluster {clusters[0][1]}." in second.out

    def test_an_id_that_is_none(self, backup: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            kvorum(f"snapshot restore {backup} --restore-id 00f6d36cc4e07076")
        told = capsys.readouterr().err
        assert "'00f6d36cc4e07076' is no id of a restore" in told
        assert "restoring the first node shows it" in told

    def test_an_id_of_a_former_restore_is_told(self, backup: Path, tmp_path: Path) -> None:
        line = f"snapshot restore {backup} --data-dir {tmp_path}/"
        late = kvorum(f"{line}one --restore-id 20260131T235959.123456-1f2e3d4c")
        assert late.code == 0
        assert "minutes old: it is for the other nodes of that one restore" in late.err
        fresh = json.loads(kvorum(f"{line}two -o json").out)["restoreId"]
        assert kvorum(f"{line}three --restore-id {fresh}").err == ""

    def test_a_clock_that_is_behind_is_told(self, backup: Path, tmp_path: Path) -> None:
        early = "19700101T000000.000100-00000001"
        run = kvorum(f"snapshot restore {backup} --restore-id {early} --data-dir {tmp_path}/one")
        assert run.code == 0
        assert "revision 5 went on as 1000000005." in run.out
        assert "give --bump-revision another number" in run.err

    def test_alone_it_is_for_serve_without_settings(
        self, backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        run = kvorum(f"snapshot restore {backup} --bump-revision 10")
        assert (run.code, run.err) == (0, "")
        assert "--restore-id" not in run.out
        assert (tmp_path / "kvorum-data" / "identity.json").exists()

    def test_half_a_cluster_is_refused(self, backup: Path) -> None:
        run = kvorum(f"snapshot restore {backup} --other-nodes b:1")
        assert run.code == 2
        assert "SELF_ADDRESS is missing, but OTHER_NODES names others" in run.err

    def test_data_that_are_there_stay(self, backup: Path, tmp_path: Path) -> None:
        (tmp_path / "one").mkdir()
        (tmp_path / "one" / "thesis.tex").touch()
        run = kvorum(f"snapshot restore {backup} --data-dir {tmp_path}/one")
        assert (run.code, run.out) == (1, "")
        assert "is not empty, it holds thesis.tex" in run.err

    def test_a_damaged_backup(self, backup: Path, tmp_path: Path) -> None:
        backup.write_bytes(flipped(backup.read_bytes(), -40))
        run = kvorum(f"snapshot restore {backup} --data-dir {tmp_path}/one")
        assert run.code == 1
        assert "damaged near byte" in run.err
        assert not (tmp_path / "one").exists()

    @pytest.mark.parametrize("bump", ["-1", "much", "9" * 16])
    def test_a_bump_that_is_none(
        self, bump: str, backup: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit):
            kvorum(f"snapshot restore {backup} --bump-revision={bump}")
        assert "is no number of revisions" in capsys.readouterr().err
