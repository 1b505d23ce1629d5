"""`kvorum dev N`: a cluster without env files, and the same one again."""

import io
from pathlib import Path

import pytest

from kvorum.cli.dev.command import run_cluster
from kvorum.cli.dev.made_up import made_up_files
from kvorum.cli.dev.plan import plan_nodes
from kvorum.errors import ConfigurationError


def test_nodes_know_each_other_and_share_nothing(tmp_path: Path) -> None:
    files, is_new = made_up_files(tmp_path / "dev", 3, lambda _: False)
    assert is_new
    nodes = plan_nodes(files, {})
    assert [node.name for node in nodes] == ["Node-1", "Node-2", "Node-3"]
    assert {node.settings.members for node in nodes} == {
        ("localhost:8001", "localhost:8002", "localhost:8003")
    }
    assert [node.settings.rest_address for node in nodes] == [
        f"localhost:{port}" for port in (8081, 8082, 8083)
    ]
    assert nodes[2].settings.data_dir == tmp_path / "dev" / "data" / "Node-3"


def test_one_node_is_alone(tmp_path: Path) -> None:
    files, _ = made_up_files(tmp_path / "dev", 1, lambda _: False)
    assert plan_nodes(files, {})[0].settings.members == ("localhost:8001",)


@pytest.mark.parametrize("taken", ["localhost:8002", "localhost:8083"])
def test_ports_in_use_are_left_alone(tmp_path: Path, taken: str) -> None:
    files, _ = made_up_files(tmp_path / "dev", 3, lambda address: address == taken)
    settings = plan_nodes(files, {})[0].settings
    assert (settings.self_address, settings.rest_address) == ("localhost:8101", "localhost:8181")


def test_without_free_ports_there_is_no_cluster(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no ports are free for 2 nodes"):
        made_up_files(tmp_path / "dev", 2, lambda _: True)
    assert list(tmp_path.iterdir()) == []


def test_the_next_time_nothing_has_changed_even_if_ports_are_in_use(tmp_path: Path) -> None:
    directory = tmp_path / "dev"
    first, _ = made_up_files(directory, 3, lambda _: False)
    (directory / "1.env").write_text((directory / "1.env").read_text() + "LOG_LEVEL=debug\n")
    again, is_new = made_up_files(directory, 3, lambda _: True)
    assert (again, is_new) == (first, False)
    assert plan_nodes(again, {})[0].settings.log_level == "debug"


def test_a_cluster_keeps_its_size(tmp_path: Path) -> None:
    made_up_files(tmp_path / "dev", 3, lambda _: False)
    with pytest.raises(ConfigurationError, match=r"holds a cluster of 3.*kvorum dev 3.*--dir"):
        made_up_files(tmp_path / "dev", 5, lambda _: False)


def test_what_an_interrupted_run_left_does_no_harm(tmp_path: Path) -> None:
    leftover = tmp_path / "dev.tmp"
    leftover.mkdir()
    (leftover / "4.env").touch()
    files, _ = made_up_files(tmp_path / "dev", 3, lambda _: False)
    assert [file.name for file in files] == ["1.env", "2.env", "3.env"]


def test_a_place_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be made: Not a directory"):
        made_up_files(tmp_path / "file" / "dev", 3, lambda _: False)


@pytest.mark.parametrize(
    ("env_files", "size", "directory", "words"),
    [
        ([Path("1.env")], 3, None, "either a number of nodes or env files"),
        (None, None, Path("dev"), "--dir is for a made-up cluster"),
    ],
)
def test_what_makes_no_sense_together(
    env_files: list[Path] | None, size: int | None, directory: Path | None, words: str
) -> None:
    stderr = io.StringIO()
    code = run_cluster(
        env_files, {}, stdout=io.StringIO(), stderr=stderr, size=size, directory=directory
    )
    assert code == 2
    assert words in stderr.getvalue()
