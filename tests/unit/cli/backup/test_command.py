"""`kvorum backup` against nodes that do not give what they should."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine
from tests.unit.cli.backup.fake_node import FakeNode, serving
from tests.unit.storage.logs import flipped


@pytest.fixture
def node(backup: bytes) -> Iterator[FakeNode]:
    with serving(FakeNode(backup, records=[])) as node:
        yield node


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes that lag are asked again at once."""
    monkeypatch.setattr("kvorum.cli.backup.recent._REST_S", 0.01)


def test_it_is_kept_and_recorded(node: FakeNode, tmp_path: Path) -> None:
    told = CommandLine(node.url)("backup", str(tmp_path), "-o", "json").json
    assert [path.name for path in tmp_path.iterdir()] == [told["name"]]
    assert [{**record, "time": 0} for record in node.records] == [
        {"time": 0, "revision": 5, "bytes": len(node.backup), "name": told["name"]}
    ]


@pytest.mark.usefixtures("quick")
def test_a_node_that_lags_is_not_taken(node: FakeNode, tmp_path: Path) -> None:
    node.offered = (3,)
    ran = CommandLine(node.url)("backup", str(tmp_path), code=5)
    assert ran.err == (
        f"kvorum: {node.url} offers a backup of revision 3, but the cluster was at 5 when it was "
        "asked: the node lags (kvorum status). What it has is what `kvorum snapshot save` takes\n"
    )
    assert list(tmp_path.iterdir()) == []
    assert node.records == []


@pytest.mark.usefixtures("quick")
def test_a_node_that_catches_up_is(node: FakeNode, tmp_path: Path) -> None:
    node.offered = (3, 4, 5)
    CommandLine(node.url)("backup", str(tmp_path))
    assert node.downloads == 3


@pytest.mark.usefixtures("quick")
def test_or_another_node(node: FakeNode, backup: bytes, tmp_path: Path) -> None:
    with serving(FakeNode(backup, offered=(1,), records=[])) as behind:
        CommandLine(f"{behind.url},{node.url}")("backup", str(tmp_path))
        assert (behind.downloads, node.downloads) == (1, 1)


def test_without_a_leader_nobody_vouches_for_it(node: FakeNode, tmp_path: Path) -> None:
    node.has_leader = False
    ran = CommandLine(node.url)("backup", str(tmp_path), "--timeout", "300ms", code=5)
    assert ran.err.startswith("kvorum: gave up after")
    assert node.downloads == 0


@pytest.mark.parametrize("sends", [0, 3, 100, 300])
def test_a_connection_that_breaks(node: FakeNode, tmp_path: Path, sends: int) -> None:
    node.sends = sends
    ran = CommandLine(node.url)("backup", str(tmp_path), code=5)
    assert f"the backup from {node.url} broke off after {sends} bytes" in ran.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("offset", [2, 60, -60, -5])
def test_what_is_damaged_on_its_way(node: FakeNode, tmp_path: Path, offset: int) -> None:
    node.backup = flipped(node.backup, offset)
    ran = CommandLine(node.url)("backup", str(tmp_path), "--keep", "1", code=1)
    assert f"what came from {node.url} is not sound: " in ran.err
    assert list(tmp_path.iterdir()) == []


class Busy(FakeNode):
    """Another backup is complete before this one has begun to come."""

    other: Path = Path()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        if request.path.startswith("/snapshot"):
            self.other.write_bytes(self.backup)
        FakeNode.answer(self, request)


@pytest.mark.parametrize("year", [2001, 2999])
def test_of_two_at_a_time_neither_removes_the_other(
    backup: bytes, tmp_path: Path, year: int
) -> None:
    """Else both would, if each is to keep one."""
    older = tmp_path / "kvorum-20000101T000000Z-r1.snapshot"
    other = tmp_path / f"kvorum-{year}0101T000000Z-r5.snapshot"
    older.write_bytes(backup)
    with serving(Busy(backup, records=[], other=other)) as node:
        ran = CommandLine(node.url)("backup", str(tmp_path), "--keep", "1")
    assert f"removed {older.name}" in ran.out
    assert other.exists()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_proxy_that_leaves_the_length_out(node: FakeNode, tmp_path: Path) -> None:
    node.tells_length = False
    ran = CommandLine(node.url)("backup", str(tmp_path), code=1)
    assert "does not tell how long the backup is" in ran.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["s3://"], "names no bucket"),
        (["s3:/bucket"], "neither a directory nor s3://bucket/path"),
        (["s3://b//x"], "names no bucket"),
        (["s3://bucket/a//b"], "parts of it are empty"),
        (["s3://bucket/../b"], "no directories . and .."),
        (["s3://bucket/" + "x" * 1000], "longer than 900 bytes"),
        (["s3://user:secret@bucket"], "credentials do not belong into s3://bucket/path"),
        (["gs://user:secret@bucket"], "this is neither a directory nor s3://"),
        ([""], "it is empty"),
        (["x", "--keep", "0"], "'0' is no number of backups from 1"),
        (["x", "--keep", "many"], "'many' is no number of backups"),
        (["x", "--prefix", "a/b"], "'a/b' cannot begin a name"),
        (["x", "--prefix", ""], "cannot begin a name"),
    ],
)
def test_wrong_usage(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        CommandLine("http://localhost:1")("backup", *words)
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert told in err
    assert "secret" not in err
