"""`kvorum serve`: settings to exit code, and what the user reads when it cannot start."""

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvorum.cli.serve import serve
from kvorum.errors import ConfigurationError, StartError
from kvorum.settings import Settings

ENV_FILE = Path(__file__).parents[3] / "1.env"


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


def test_environment_alone_is_enough_of_a_source() -> None:
    stderr = io.StringIO()
    assert serve(None, {}, run=unreachable, stderr=stderr) == 2
    assert "SELF_ID is missing" in stderr.getvalue()


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
