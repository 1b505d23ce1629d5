"""One cluster for all scenarios, in namespaces if possible; the table at the end of the run."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.arena import Row
from tests.chaos.commands import remove_leftovers
from tests.chaos.places import Loopback, Namespaces, why_no_namespaces
from tests.chaos.processes import Processes
from tests.chaos.report import skipped, table

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


@pytest.fixture(scope="session")
def processes(rows: list[Row]) -> Iterator[Processes]:
    remove_leftovers(Path(tempfile.gettempdir()))
    places = Loopback() if why_no_namespaces() else Namespaces()
    try:
        with Processes(places) as started:
            started.start()
            asyncio.run(_ready(started))
            yield started
    finally:
        places.close()
    if any(row.problems for row in rows):
        print(f"logs and data: {started.keep()}")
    else:
        shutil.rmtree(started.directory)


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
    if reasons:
        terminalreporter.write_line(skipped(reasons), red=True, bold=True)
