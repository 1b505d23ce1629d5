"""kvorum beside etcd, on this machine, in one run: ``python -m bench`` (``make bench``).

    python -m bench run                   all loads (about half an hour)
    python -m bench run --quick           the essential ones, in two minutes
    python -m bench run --only put get    some loads
    python -m bench report FILE           a run's table once more; --write: into docs/performance.md
    python -m bench plot FILE             a run's picture

Both systems run with three nodes, fsync on and the defaults they are shipped with, and get the same
loads in turn. Answers are checked while measuring, and the data afterwards.
"""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from bench.checking import DisturbedError, WrongDataError
from bench.machine import describe_machine, read_commit, versions
from bench.plan import FULL, QUICK, chosen, full_plan, quick_plan
from bench.plots import draw
from bench.programs import ensure_programs
from bench.progress import Progress, minutes
from bench.results import Results, Row, from_json, to_json
from bench.stage import Effort, Stage, Step, open_stage
from bench.tables import PICTURE, for_terminal, replace_figures
from tools.ensure_programs import ROOT, MissingError

RESULTS = ROOT / "bench" / "results"
DOCUMENT = ROOT / "docs" / "performance.md"
DISTURBED_MAX = 3
FAILURES = (
    *(WrongDataError, RuntimeError, OSError, ValueError, ExceptionGroup),
    subprocess.SubprocessError,
)
"""Of a step: a system that does not answer as it should, a generator that does not run."""


class Found(Struct, frozen=True):
    """Of one step: its rows, or why there are none."""

    rows: Sequence[Row]
    failure: str = ""


def measure(steps: Sequence[Step], effort: Effort, etcd: Path) -> Iterator[Found]:
    """One step after the other. Steps that share a scene share its clusters."""
    scenes = [(scene, list(each)) for scene, each in groupby(steps, lambda step: step.scene)]
    total_s = sum(scene.start_s for scene, _ in scenes)
    total_s += sum(step.takes_s(effort) for step in steps)
    progress = Progress(len(steps), total_s)
    print(f"{len(steps)} steps, about {minutes(total_s)}", file=sys.stderr)
    for scene, those in scenes:
        progress.scene(f"{scene.name}: starting {scene.nodes} nodes of each, warming up")
        with open_stage(scene, etcd, effort, progress) as stage:
            progress.over(scene.start_s)
            for step in those:
                progress.step(step.title)
                yield attempt(step, stage)
                progress.over(step.takes_s(effort))
    progress.end()


def attempt(step: Step, stage: Stage) -> Found:
    """A step that fails does not end a run of half an hour, only makes it a failed one."""
    for _ in range(DISTURBED_MAX):
        try:
            return Found(step.run(stage))
        except DisturbedError as error:
            stage.progress.found(f"once more: {error}")
        except FAILURES as error:
            stage.progress.found(f"FAILED: {error!r}")
            return Found((), f"{step.title}: {error!r}")
    return Found((), f"{step.title}: disturbed {DISTURBED_MAX} times")


def run(arguments: argparse.Namespace) -> None:
    steps = quick_plan() if arguments.quick and not arguments.only else full_plan()
    effort = QUICK if arguments.quick else FULL
    given = {
        name: value
        for name in ("rounds", "seconds", "trials")
        if (value := getattr(arguments, name)) is not None
    }
    effort = replace(effort, **given)
    steps = chosen(steps, arguments.only)
    etcd = ensure_programs()
    began = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    commit = read_commit()
    if arguments.quick:
        print("The quick form: fewer loads and rounds than `make bench`.", file=sys.stderr)
    results = Results(
        began=began,
        commit=commit,
        is_quick=arguments.quick,
        rounds=effort.rounds,
        seconds=effort.seconds,
        versions=versions(etcd),
        machine=describe_machine(),
        rows=[],
    )
    name = results.began[:16].replace(" ", "-").replace(":", "")
    file = arguments.out or RESULTS / f"{name}.json"
    try:
        for found in measure(steps, effort, etcd):
            results.rows.extend(found.rows)
            if found.failure:
                results.failures.append(found.failure)
            keep(results, file)
    finally:  # also what was found before something went wrong
        show(results, file)
    if results.failures:
        raise WrongDataError(f"{len(results.failures)} of {len(steps)} steps failed, see above")


def keep(results: Results, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(to_json(results))


def show(results: Results, file: Path) -> None:
    print(for_terminal(results))
    pictures = draw(results, file.with_suffix(""))
    print(f"\nwrote {', '.join(str(path) for path in (file, *pictures))}")


def report(arguments: argparse.Namespace) -> None:
    results = from_json(arguments.file.read_bytes())
    if arguments.write:
        DOCUMENT.write_text(replace_figures(DOCUMENT.read_text(), results))
        draw(results, DOCUMENT.parent / "images" / PICTURE)
    else:
        print(for_terminal(results))


def plot(arguments: argparse.Namespace) -> None:
    results = from_json(arguments.file.read_bytes())
    for path in draw(results, arguments.to or arguments.file.with_suffix("")):
        print(f"wrote {path}")


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    head, _, usage = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=head,
        epilog=usage,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    running = commands.add_parser("run", help="measure, print, and keep in bench/results/")
    running.set_defaults(call=run)
    running.add_argument("--quick", action="store_true", help="in two minutes")
    groups = ", ".join(dict.fromkeys(step.group for step in full_plan()))
    running.add_argument("--only", nargs="*", default=[], metavar="LOAD", help=f"of {groups}")
    running.add_argument("--rounds", type=int, help=f"default: {FULL.rounds}; quick {QUICK.rounds}")
    running.add_argument("--seconds", type=int, help="of each run of a load")
    running.add_argument("--trials", type=int, help="of each way to stop the leader")
    running.add_argument("--out", type=Path, help="the JSON file; pictures beside it")
    reporting = commands.add_parser("report", help="print a run's tables")
    reporting.set_defaults(call=report)
    reporting.add_argument("file", type=Path)
    reporting.add_argument("--write", action="store_true", help="into docs/performance.md instead")
    plotting = commands.add_parser("plot", help="draw a run")
    plotting.set_defaults(call=plot)
    plotting.add_argument("file", type=Path)
    plotting.add_argument("--to", type=Path, help="without suffix; default: beside the file")
    return parser.parse_args(words)


def allow_files() -> None:
    """As many open files as the machine lets us: a thousand watchers are as many sockets."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main() -> int:
    arguments = parse()
    allow_files()
    try:
        arguments.call(arguments)
    except (MissingError, WrongDataError, ValueError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
