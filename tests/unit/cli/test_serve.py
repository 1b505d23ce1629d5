"""`kvorum serve`: settings to exit code, and what the user reads when it cannot start."""

import io
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvorum.cli.node_name import name_of_host
from kvorum.cli.serve import serve
from kvorum.errors import ConfigurationError, StartError
from kvorum.settings import Settings
from kvorum.storage.fs import OsFileSystem
from kvorum.storage.identity import IDENTITY, Identity, write_identity

ENV_FILE = Path(__file__).parents[3] / "1.env"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def unreachable(settings: Settings) -> int:
    raise AssertionError(f"started with {settings}")


def test_node_gets_its_settings_and_gives_the_exit_code() -> None:
    given: list[Settings] = []

    def run(settings: Settings) -> int:
        given.append(settings)
        return 7

    code = serve(ENV_FILE, {"SELF_ID": "Node-X"}, run=run, stderr=io.StringIO())
    assert code == 7
    assert [settings.self_id for settings in given] == ["Node-X"]


def test_wrong_configuration_is_explained_without_a_traceback() -> None:
    stderr = io.StringIO()
    code = serve(ENV_FILE, {"BROADCAST_TIME_MS": "soon"}, run=unreachable, stderr=stderr)
    assert code == 2
    assert "BROADCAST_TIME_MS 'soon' is not a whole number" in stderr.getvalue()
    assert "Traceback" not in stderr.getvalue()


def test_missing_file_is_explained() -> None:
    stderr = io.StringIO()
    assert serve(Path("6.env"), {}, run=unreachable, stderr=stderr) == 2
    assert "6.env" in stderr.getvalue()
    assert "does not exist" in stderr.getvalue()


def started(environ: dict[str, str], stderr: io.StringIO) -> Settings:
    given: list[Settings] = []

    def run(settings: Settings) -> int:
        given.append(settings)
        return 0

    assert serve(None, environ, run=run, stderr=stderr) == 0
    return given[0]


def test_without_any_settings_a_single_node_starts_under_its_hosts_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket, "gethostname", lambda: "laptop.example.org")
    stderr = Terminal()
    settings = started({}, stderr)
    assert (settings.self_id, settings.members) == ("laptop", ("localhost:8001",))
    assert settings.data_dir == Path("kvorum-data")
    assert "clients      http://localhost:8081" in stderr.getvalue()
    assert "kvorum put greeting hello\n" in stderr.getvalue()


def test_a_host_that_is_called_otherwise_keeps_its_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket, "gethostname", lambda: "4f9c2b7a11de")
    assert started({}, io.StringIO()).self_id == "4f9c2b7a11de"
    directory = tmp_path / "kvorum-data"
    directory.mkdir()
    identity = Identity(2, "laptop", "localhost:8001", "u", "c", ("localhost:8001",))
    write_identity(OsFileSystem(), directory, identity)
    assert started({}, io.StringIO()).self_id == "laptop"
    assert started({"DATA_DIR": "elsewhere"}, io.StringIO()).self_id == "4f9c2b7a11de"
    (directory / IDENTITY).write_text("{")
    assert started({}, io.StringIO()).self_id == "4f9c2b7a11de", "the start says what is wrong"


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("laptop", "laptop"),
        ("db-1.example.org", "db-1"),
        ("Ann's Mac", "Ann-s-Mac"),
        ("ноут", "node"),
        ("", "node"),
        (".", "node"),
        ("h" * 99, "h" * 64),
    ],
)
def test_every_host_name_makes_a_name(host: str, name: str) -> None:
    assert name_of_host(host) == name
    assert started({"SELF_ID": name, "OTHER_NODES": ""}, io.StringIO()).self_id == name


def test_other_places_are_told_as_they_are() -> None:
    stderr = Terminal()
    started({"REST_ADDRESS": "0.0.0.0:9000", "DATA_DIR": "/srv/kv"}, stderr)
    assert "kvorum get greeting --endpoint http://localhost:9000" in stderr.getvalue()
    assert "data         /srv/kv" in stderr.getvalue()


def test_programs_and_members_of_clusters_are_not_welcomed() -> None:
    stderr = io.StringIO()
    started({}, stderr)
    assert stderr.getvalue() == ""
    stderr = Terminal()
    assert serve(ENV_FILE, {}, run=lambda _: 0, stderr=stderr) == 0
    assert "greeting" not in stderr.getvalue()


def test_half_a_cluster_is_refused() -> None:
    stderr = io.StringIO()
    assert serve(None, {"OTHER_NODES": "a:1,b:1"}, run=unreachable, stderr=stderr) == 2
    assert "SELF_ADDRESS is missing, but OTHER_NODES names others" in stderr.getvalue()


@pytest.mark.parametrize(
    ("error", "code"), [(StartError("port is taken"), 1), (ConfigurationError("port is taken"), 2)]
)
def test_failed_start_is_explained(error: StartError, code: int) -> None:
    stderr = io.StringIO()

    def run(settings: Settings) -> int:
        raise error

    assert serve(ENV_FILE, {}, run=run, stderr=stderr) == code
    assert "port is taken" in stderr.getvalue()
    assert "Traceback" not in stderr.getvalue()


def test_unexpected_error_is_not_hidden() -> None:
    def run(settings: Settings) -> int:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        serve(ENV_FILE, {}, run=run, stderr=io.StringIO())


def test_logs_are_set_up_before_the_node_runs() -> None:
    stderr = io.StringIO()

    def run(settings: Settings) -> int:
        logging.getLogger("kvorum.test").info("running")
        return 0

    serve(ENV_FILE, {}, run=run, stderr=stderr)
    assert '"message":"running","node":"Node-1"' in stderr.getvalue()


def test_even_cluster_is_warned_of() -> None:
    stderr = io.StringIO()
    environ = {"OTHER_NODES": "localhost:8002", "LOG_FORMAT": "human"}
    assert serve(ENV_FILE, environ, run=lambda _: 0, stderr=stderr) == 0
    assert "even" in stderr.getvalue()
