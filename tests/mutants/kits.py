"""What hunts for mutants: every kit takes a number, plays what it decides, and raises.

They are the kits that also test the code as it is; only small parts of them are
arranged here so that each can be run from a seed.
"""

from collections.abc import Callable, Mapping
from unittest.mock import patch

from kvorum.node import snapshot_exchange, watch_history
from kvorum.testing.simulate import run_seed
from tests.exploration.bounds import Bounds
from tests.exploration.search import Search
from tests.exploration.world import World
from tests.mutants.disk_kit import cut_power
from tests.mutants.disruption_kit import disturb
from tests.mutants.divergence_kit import diverge
from tests.mutants.reads_kit import mislead
from tests.mutants.rules_kit import keep_to
from tests.mutants.snapshot_kit import restore
from tests.mutants.state_kit import freeze
from tests.mutants.twin_kit import compare
from tests.support.raft_chaos import Chaos, long_schedule

Kit = Callable[[int], None]

STEPS = 1200
SIMULATED_S = 30.0
SMALL_CHUNK_BYTES = 500
SMALL_SLICE_EVENTS = 3
SMALL_BOUNDS = (
    Bounds(terms=1, ticks=0, entries=0, messages=3, crashes=0, changes=1, learners=1, led=1),
    Bounds(terms=1, ticks=1, entries=1, messages=2, crashes=1),
    Bounds(terms=2, ticks=2, entries=0, messages=2, crashes=0),
    Bounds(terms=2, ticks=0, entries=1, messages=2, crashes=1, transfers=1, led=1),
    Bounds(terms=2, ticks=0, entries=0, messages=2, crashes=0, transfers=1, changes=1, led=1),
)
FIGURE_BOUNDS = Bounds(terms=3, ticks=3, entries=0, messages=2, crashes=0)
"""Enough for the overwritten entry of Figure 3.7; takes minutes."""


class Found(AssertionError):
    """The explorer came to a state that must not be."""


def model(seed: int) -> None:
    """The model cluster: cores alone, with everything that may befall them."""
    chaos = Chaos((3, 5, 4, 3)[seed % 4], seed, changing=seed % 2 == 1)
    for part in range(4):
        chaos.play(long_schedule(4 * seed + part, STEPS))
        chaos.recover()


def simulator(seed: int) -> None:
    """Whole nodes with their disks in virtual time."""
    run_seed(seed, seconds=SIMULATED_S)


def chunks(seed: int) -> None:
    """The same, with snapshots that go over the network in many small pieces."""
    with patch.object(snapshot_exchange, "CHUNK_BYTES", SMALL_CHUNK_BYTES):
        run_seed(seed, seconds=SIMULATED_S)


def slices(seed: int) -> None:
    """The same, with watches that read the history in very small pieces."""
    with patch.object(watch_history, "SLICE_EVENTS", SMALL_SLICE_EVENTS):
        run_seed(seed, seconds=SIMULATED_S)


def explorer(seed: int) -> None:
    """All states within small bounds; there are only a few of those."""
    search(SMALL_BOUNDS[(seed - 1) % len(SMALL_BOUNDS)])


def search(bounds: Bounds) -> None:
    result = Search(World(bounds), say=_unheard).run()
    if result.violation:
        raise Found(result.violation)


def _unheard(_line: str) -> None:
    """Progress is not worth telling here."""


KITS: Mapping[str, Kit] = {
    "model": model,
    "simulator": simulator,
    "chunks": chunks,
    "slices": slices,
    "explorer": explorer,
    "figure": lambda _seed: search(FIGURE_BOUNDS),
    "disk": cut_power,
    "disruption": disturb,
    "divergence": diverge,
    "reads": mislead,
    "snapshots": restore,
    "state": freeze,
    "twin": compare,
    "rules": keep_to,
}
