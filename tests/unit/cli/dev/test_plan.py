"""Which nodes `kvorum dev` starts, and how."""

import sys
from pathlib import Path

import pytest

from kvorum.cli.dev.plan import find_env_files, plan_nodes
from kvorum.cli.urls import rest_url
from tests.unit.cli.dev.conftest import Directory


def test_files_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("10.env", "2.env", "1.env", "prod.env", "3.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in find_env_files(tmp_path)] == ["1.env", "2.env", "10.env"]


def test_script_beside_the_file_starts_the_node(directory: Directory) -> None:
    directory.write_script(1, "true")
    node, _, _ = plan_nodes(find_env_files(directory.path), {})
    assert node.command == (str(directory.path / "run1.sh"),)
    assert node.restart_command == "./run1.sh"
    assert node.log_file == directory.path / "data" / "Node-1.log"


def test_without_a_script_this_interpreter_does(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(directory.path.parent)
    node, _, _ = plan_nodes(find_env_files(directory.path), {})
    assert node.command[:2] == (sys.executable, "-m")
    assert node.command[-2:] == ("--env-file", str(directory.path / "1.env"))
    assert node.restart_command == f"kvorum serve --env-file {directory.path.name}/1.env"


def test_data_directory_elsewhere_takes_the_log_along(directory: Directory) -> None:
    directory.write_env(1, DATA_DIR="/var/lib/kvorum/one")
    node, _, _ = plan_nodes(find_env_files(directory.path), {})
    assert node.log_file == Path("/var/lib/kvorum/one.log")


def test_wildcard_rest_address_is_reached_over_loopback() -> None:
    assert rest_url("0.0.0.0:8081") == "http://localhost:8081"
    assert rest_url("[::]:8081") == "http://localhost:8081"
    assert rest_url("[fe80::1]:8081") == "http://[fe80::1]:8081"
