"""``python -m kvorum.testing.simulate``: fresh seeds until stopped, or one seed and its story.

Ends with 1, the seed and what was violated as soon as a property does not hold.
"""

import argparse
import multiprocessing
import os
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count, islice
from typing import TextIO

from kvorum.testing.simulation import Failed, Report, run_seed

__all__ = ["Failed", "Report", "main", "run_seed", "run_seeds"]

_SEEDS_AT_ONCE = 50
_LINE_EVERY_S = 2.0
_HOUR_S = 3600.0


def run_seeds(
    seeds: Iterator[int], *, seconds: float, jobs: int | None = None
) -> Iterator[Report | str]:
    """Reports in the order in which they are done; a string tells of a broken property."""
    context = multiprocessing.get_context("spawn")
    # Ctrl-C is for this process alone: it ends the others.
    with context.Pool(jobs, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        while some := list(islice(seeds, _SEEDS_AT_ONCE)):
            yield from pool.imap_unordered(partial(_try, seconds=seconds), some)


def _try(seed: int, *, seconds: float) -> Report | str:
    try:
        return run_seed(seed, seconds=seconds)
    except Failed as failure:
        return str(failure)


class Progress:
    """What was done so far, as one line."""

    def __init__(self) -> None:
        self.seeds = 0
        self.operations = 0
        self.seconds = 0.0
        self.faults: Counter[str] = Counter()

    def add(self, report: Report) -> None:
        self.seeds += 1
        self.operations += report.operations
        self.seconds += report.seconds
        self.faults.update(report.faults)

    def __str__(self) -> str:
        faults = ", ".join(f"{kind} {number}" for kind, number in sorted(self.faults.items()))
        return (
            f"{self.seeds} seeds, {self.seconds / _HOUR_S:.1f} virtual hours, "
            f"{self.operations} operations checked; faults: {faults or 'none'}"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    out = sys.stdout
    options = _parse(arguments)
    if options.seed is not None:
        return _tell(options.seed, options.seconds, lambda line: _write(out, line))
    first = secrets.randbits(32) if options.first is None else options.first
    seeds = count(first) if options.seeds is None else islice(count(first), options.seeds)
    _write(out, f"seeds from {first} on")
    progress, told_s = Progress(), time.monotonic()
    try:
        for report in run_seeds(seeds, seconds=options.seconds, jobs=options.jobs):
            if isinstance(report, str):
                _write(out, f"{progress}\n{report}\nmake sim SEED=… replays it")
                return 1
            progress.add(report)
            if time.monotonic() - told_s >= _LINE_EVERY_S:
                told_s = time.monotonic()
                _write(out, str(progress))
    except KeyboardInterrupt:
        _write(out, "stopped")
    _write(out, str(progress))
    return 0


def _tell(seed: int, seconds: float, write: Callable[[str], None]) -> int:
    try:
        write(str(run_seed(seed, seconds=seconds, write=write)))
    except Failed as failure:
        write(str(failure))
        return 1
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m kvorum.testing.simulate", description=__doc__)
    parser.add_argument("--seed", type=int, help="replay this one and tell its story")
    parser.add_argument("--first", type=int, help="the first seed (default: a random one)")
    parser.add_argument("--seeds", type=int, help="stop after so many (default: never)")
    parser.add_argument("--seconds", type=float, default=60.0, help="virtual time of each seed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    return parser.parse_args(arguments)


def _write(out: TextIO, line: str) -> None:
    out.write(line + "\n")
    out.flush()


if __name__ == "__main__":
    sys.exit(main())
