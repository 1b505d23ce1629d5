"""``make chaos``: every scenario in turn for a given time, then a table."""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.arena import Row, Scenario, play
from tests.chaos.catalogue import SCENARIOS, possible
from tests.chaos.commands import remove_leftovers
from tests.chaos.places import Loopback, Namespaces, why_no_namespaces
from tests.chaos.processes import SERVICE, Processes
from tests.chaos.report import not_done, table
from tests.chaos.slow_disk import why_no_slow_disk


def main() -> int:
    arguments = _arguments()
    temporary = Path(tempfile.gettempdir())
    for name in remove_leftovers(temporary):
        print(f"removed what a former run left behind: {name}")
    chosen = [each for each in SCENARIOS if arguments.only in each.name]
    playable, reasons = possible(chosen, temporary)
    rows = _play_all(playable, arguments) if playable else []
    print(f"\n{table(rows)}\n{not_done(reasons, rows)}")
    return 1 if any(row.problems for row in rows) or not rows else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--time", type=float, default=300.0, help="seconds, all scenarios together")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the first round")
    parser.add_argument("--only", default="", help="scenarios with this in their names")
    parser.add_argument("--service", type=Path, default=SERVICE, help="another build to run")
    return parser.parse_args()


def _play_all(scenarios: list[Scenario], arguments: argparse.Namespace) -> list[Row]:
    """A fresh cluster for each; the directory of one with problems is kept."""
    intercept = not why_no_slow_disk()
    share_s = arguments.time / len(scenarios)
    rows = []
    for number, scenario in enumerate(scenarios):
        seed = arguments.seed + number
        places = Loopback() if why_no_namespaces() else Namespaces()
        try:
            with Processes(places, service=arguments.service, slow_disks=intercept) as processes:
                processes.start()
                row = asyncio.run(play(scenario, processes, seconds=share_s, seed=seed))
        finally:
            places.close()
        rows.append(row)
        if row.problems:
            row.problems.append(f"logs and data: {processes.keep()}")
        else:
            shutil.rmtree(processes.directory)
        verdict = f"{len(row.problems)} PROBLEMS" if row.problems else "fine"
        print(f"{scenario.name} (seed {seed}): {row.ok} operations, {verdict}", flush=True)
        for problem in row.problems:
            print(f"  {problem}", flush=True)
    return rows


if __name__ == "__main__":
    sys.exit(main())
