"""``make mutants``: plant each bug, let the kits hunt for it, tell who found it.

Names as arguments choose some of them. Ends with 1 if one survives.
"""

import logging
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.mutants.catalogue import MUTANTS
from tests.mutants.hunt import Verdict, hunt

PROCESSES = 2
CHECK_WIDTH = 90


def verdicts(names: Sequence[str]) -> Iterator[Verdict]:
    """In the order in which they come in."""
    with ProcessPoolExecutor(PROCESSES, initializer=_quiet) as pool:
        for future in as_completed([pool.submit(hunt_named, name) for name in names]):
            yield future.result()


def _quiet() -> None:
    """Nodes that are being mistreated have much to say."""
    logging.disable(logging.CRITICAL)


def hunt_named(name: str) -> Verdict:
    return hunt(MUTANTS[name])


def row(verdict: Verdict) -> str:
    found = f"{verdict.kit}, {verdict.seeds} seeds" if verdict.kit else "SURVIVES"
    check = " ".join(verdict.check.split())[:CHECK_WIDTH]
    return f"{verdict.mutant:<34} {found:<22} {verdict.seconds:>6.1f} s  {check}"


def main(names: Sequence[str]) -> int:
    unknown = [name for name in names if name not in MUTANTS]
    if unknown:
        raise SystemExit(f"no such mutant: {', '.join(unknown)}")
    survivors = 0
    for verdict in verdicts(names or list(MUTANTS)):
        print(row(verdict), flush=True)
        survivors += not verdict.kit
    print(f"{len(names or MUTANTS)} mutants, {survivors} survive")
    return 1 if survivors else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
