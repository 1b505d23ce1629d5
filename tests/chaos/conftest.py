"""One cluster for all scenarios, in namespaces if possible; the table at the end of the run."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.arena import Row
from tests.chaos.commands import remove_leftovers
from tests.chaos.places import Loopback, Namespaces, Places, why_no_namespaces
from tests.chaos.processes import Processes
from tests.chaos.report import not_done, table
from tests.chaos.slow_disk import why_no_slow_disk

ROWS = pytest.StashKey[list[Row]]()
SKIPPED = pytest.StashKey[dict[str, str]]()


@pytest.fixture(scope="session")
def rows(pytestconfig: pytest.Config) -> list[Row]:
    """Where tests put what the summary tells."""
    return pytestconfig.stash.setdefault(ROWS, [])


@pytest.fixture(scope="session")
def not_run(pytestconfig: pytest.Config) -> dict[str, str]:
    """Scenarios that this machine cannot play, and why."""
    return pytestconfig.stash.setdefault(SKIPPED, {})


class Clusters:
    """The cluster that tests share, and a new one after a test has left it in a bad state."""

    def __init__(self) -> None:
        self._open: tuple[Places, Processes] | None = None

    def current(self) -> Processes:
        if self._open is None:
            places = Loopback() if why_no_namespaces() else Namespaces()
            self._open = places, Processes(places, slow_disks=not why_no_slow_disk())
            self._open[1].start()
            asyncio.run(_ready(self._open[1]))
        return self._open[1]

    def close(self, *, keep: bool) -> None:
        if self._open is None:
            return
        places, processes = self._open
        self._open = None
        processes.close()
        places.close()
        if keep:
            print(f"logs and data: {processes.keep()}")
        else:
            shutil.rmtree(processes.directory)


@pytest.fixture(scope="session")
def clusters() -> Iterator[Clusters]:
    remove_leftovers(Path(tempfile.gettempdir()))
    shared = Clusters()
    try:
        yield shared
    finally:
        shared.close(keep=False)


@pytest.fixture
def processes(clusters: Clusters, rows: list[Row]) -> Iterator[Processes]:
    before = len(rows)
    finished = False
    try:
        yield clusters.current()
        finished = len(rows) > before and not rows[-1].problems
    finally:
        if not finished:
            clusters.close(keep=True)


async def _ready(processes: Processes) -> None:
    """A cluster that does not even start fails here, once."""
    await processes.ready()
    processes.rest.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    stash = terminalreporter.config.stash
    played, reasons = stash.get(ROWS, []), stash.get(SKIPPED, {})
    if played:
        terminalreporter.section("five real processes")
        terminalreporter.write_line(table(played))
    if missed := not_done(reasons, played):
        terminalreporter.write_line(missed, red=True, bold=True)
