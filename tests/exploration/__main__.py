"""``make explore``: all states of three nodes within bounds given as NAME=number.

Ends with 1 if a property was violated, after the shortest story of how.

The largest bounds that were visited completely within ten minutes, on one of two busy cores:
CRASHES=2 with the others as they are (7,497,838 states, 29,504,733 transitions, depth 52); for
changes of the membership, LED=1 ENTRIES=0 TICKS=1 CHANGES=2 (3,423,696 states, depth 51).
"""

import sys

import msgspec

from tests.exploration.bounds import Bounds
from tests.exploration.search import Result, Search
from tests.exploration.story import tell
from tests.exploration.world import World

LIMIT_S = 600.0


def bounds_from(words: list[str]) -> tuple[Bounds, float]:
    """``TERMS=2 MESSAGES=3 SECONDS=60``: bounds, and how long to search for at most."""
    given = {name.lower(): number for name, _, number in (word.partition("=") for word in words)}
    try:
        seconds = float(given.pop("seconds", LIMIT_S))
        return msgspec.convert(given, Bounds, strict=False), seconds
    except ValueError as error:
        known = ", ".join(name.upper() for name in Bounds.__struct_fields__)
        raise SystemExit(f"{error}; the bounds are {known} and SECONDS") from error


def report(bounds: Bounds, result: Result) -> str:
    limits = ", ".join(
        f"{name} ≤ {number}" for name, number in msgspec.structs.asdict(bounds).items()
    )
    extent = "all states" if result.complete else "the first states"
    return (
        f"{extent} with {limits}:\n{result.states:,} states, {result.transitions:,} transitions, "
        f"depth {result.depth}, in {result.seconds:.0f} s ({result.rate:,.0f} states/s)"
    )


def main(words: list[str]) -> int:
    bounds, seconds = bounds_from(words)
    world = World(bounds)
    result = Search(world, limit_s=seconds, say=lambda line: print(line, flush=True)).run()
    print(report(bounds, result))
    if result.violation:
        print(tell(world, result))
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
