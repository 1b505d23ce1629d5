"""The hunt for one mutant: seed after seed, until something finds it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType

from msgspec import Struct

from tests.mutants.kits import KITS, SMALL_BOUNDS
from tests.mutants.mutant import Mutant, planted
from tests.mutants.rules_kit import RULES

SEEDS_MAX = 200
SEED_LIMIT_S = 40
LONG_LIMIT_S = 1200
LONG_KITS = frozenset({"explorer", "figure"})
SEEDS_OF = {"explorer": len(SMALL_BOUNDS), "figure": 1, "rules": len(RULES)}
"""Of kits that know only a few."""


class Endless(AssertionError):
    """A run did not come to its end in time."""


class Verdict(Struct, frozen=True):
    """``check`` is what the kit said, ``seeds`` how many it took; no kit: nobody found it."""

    mutant: str
    kit: str = ""
    check: str = ""
    seeds: int = 0
    seconds: float = 0.0


def hunt(mutant: Mutant) -> Verdict:
    """Ask the mutant's kits in their order."""
    began = monotonic()
    for kit in mutant.kits:
        for seed in range(1, SEEDS_OF.get(kit, SEEDS_MAX) + 1):
            check = fails(mutant, kit, seed)
            if check:
                return Verdict(mutant.name, kit, check, seed, monotonic() - began)
    return Verdict(mutant.name, seconds=monotonic() - began)


def fails(mutant: Mutant, kit: str, seed: int) -> str:
    """What the kit says of this seed with the mutant, if it says nothing without."""
    with planted(mutant):
        check = _complaint(kit, seed)
    if check and (innocent := _complaint(kit, seed)):
        raise AssertionError(f"{kit} fails without a mutant too, at seed {seed}: {innocent}")
    return check


def _complaint(kit: str, seed: int) -> str:
    try:
        with limited(LONG_LIMIT_S if kit in LONG_KITS else SEED_LIMIT_S):
            KITS[kit](seed)
    except Exception as error:  # noqa: BLE001 - whatever a run ends with, it was noticed
        return f"{type(error).__name__}: {error}"
    return ""


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raises :class:`Endless` if it takes longer, in time of the processor."""

    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise Endless(f"the run does not end within {seconds} s")

    before = signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
