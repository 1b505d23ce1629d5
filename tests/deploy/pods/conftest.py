"""Pods as processes need root and network namespaces; the summary tells what clients saw."""

import os
import tempfile
from pathlib import Path

import pytest

from tests.chaos.places import why_no_namespaces
from tests.deploy.pods.image import Image, compile_package, read_image
from tests.deploy.pods.network import remove_leftovers
from tests.deploy.pods.sandbox import missing_programs
from tests.deploy.pods.stage import Row, table

ROWS = pytest.StashKey[list[Row]]()
MISSED = pytest.StashKey[list[str]]()


def why_no_pods() -> str:
    """Empty if pods can be started here, else the reason for people."""
    if os.geteuid() != 0:
        return "not root"
    absent = missing_programs()
    return f"not installed: {', '.join(absent)}" if absent else why_no_namespaces()


@pytest.fixture(scope="session")
def image(pytestconfig: pytest.Config) -> Image:
    """What the Dockerfile says, where containers can be started at all."""
    if reason := why_no_pods():
        pytestconfig.stash.setdefault(MISSED, []).append(reason)
        pytest.skip(reason)  # the summary says so loudly
    remove_leftovers(Path(tempfile.gettempdir()))
    compile_package()
    return read_image()


@pytest.fixture(scope="session")
def rows(pytestconfig: pytest.Config) -> list[Row]:
    """Where chapters put what the summary tells."""
    return pytestconfig.stash.setdefault(ROWS, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    stash = terminalreporter.config.stash
    if played := stash.get(ROWS, []):
        terminalreporter.section("pods as processes")
        terminalreporter.write_line(table(played))
    for reason in stash.get(MISSED, []):
        message = f"NOT DONE: pods as processes ({reason})"
        terminalreporter.write_line(message, red=True, bold=True)
