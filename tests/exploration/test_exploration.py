"""Every interleaving within small bounds is safe; and a core with a bug is not.

`make explore` goes further.
"""

import pytest

from kvorum.raft import state as raft_state
from kvorum.raft.membership import Membership
from kvorum.raft.messages import Message
from kvorum.raft.quorum import Electorate, electorates_of
from kvorum.raft.state import State
from kvorum.raft.types import NodeId
from tests.exploration.__main__ import bounds_from, report
from tests.exploration.bounds import Bounds
from tests.exploration.search import Result, Search
from tests.exploration.story import tell
from tests.exploration.world import World


def explore(bounds: Bounds) -> tuple[World, Result]:
    world = World(bounds)
    return world, Search(world, say=_unheard).run()


def _unheard(_line: str) -> None:
    """Short searches have no progress worth telling."""


@pytest.mark.parametrize(
    "bounds",
    [
        Bounds(terms=2, ticks=2, entries=0, messages=2, crashes=0),
        Bounds(terms=1, ticks=1, entries=1, messages=2, crashes=1, duplicates=1),
        Bounds(led=1, terms=2, ticks=0, entries=0, messages=2, crashes=0, changes=1, transfers=1),
        Bounds(led=1, terms=2, ticks=0, entries=1, messages=2, crashes=1, transfers=1),
    ],
)
def test_all_states_within_the_bounds_are_safe(bounds: Bounds) -> None:
    world, result = explore(bounds)
    assert not result.violation, tell(world, result)
    assert result.complete
    decided = {world.histories[n].decided for n in range(len(world.histories))}
    assert len(decided) > 1, "a search in which nothing is decided proves nothing"


def test_a_vote_that_is_told_before_it_is_durable_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def send_at_once(state: State, message: Message) -> None:
        state.send(message)

    monkeypatch.setattr(State, "send_after_sync", send_at_once)
    world, result = explore(Bounds(terms=1, entries=0, messages=2))
    assert "durable before said" in result.violation
    lines = tell(world, result).splitlines()
    assert lines[1] == "  1. 1 time passes: pre-campaign term=0"
    assert "durable before said" in lines[-1]
    assert result.depth == 3, "no shorter way leads there"


def test_a_change_that_one_majority_decides_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """§4.3; the missing majority of the incoming voters shows before anything is lost."""

    def outgoing(membership: Membership, node: NodeId) -> tuple[Electorate, ...]:
        return electorates_of(membership, node)[-1:]

    monkeypatch.setattr(raft_state, "electorates_of", outgoing)
    world, result = explore(Bounds(led=1, terms=1, ticks=0, entries=0, messages=2, changes=1))
    assert "decided by each majority" in result.violation, tell(world, result)


def test_renaming_the_nodes_makes_no_difference() -> None:
    """The same search without symmetry finds the same, only more often."""
    bounds = Bounds(terms=1, ticks=1, entries=1, messages=2, crashes=0)
    _, reduced = explore(bounds)
    world = World(bounds, renames=False)
    full = Search(world, say=_unheard).run()
    assert full.complete
    assert full.depth == reduced.depth
    assert reduced.states < full.states <= 6 * reduced.states


def test_a_search_stops_when_its_time_is_up() -> None:
    told: list[str] = []
    result = Search(World(Bounds()), limit_s=0.01, say=told.append).run()
    assert not result.complete
    assert "the first states" in report(Bounds(), result)


def test_bounds_are_given_by_name() -> None:
    bounds, seconds = bounds_from(["TERMS=3", "SECONDS=20"])
    assert bounds == Bounds(terms=3)
    assert seconds == 20
    with pytest.raises(SystemExit, match="TERMS"):
        bounds_from(["TERMS=many"])
