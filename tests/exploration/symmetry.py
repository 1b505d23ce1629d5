"""States that differ only in which node is called what are explored once.

This is sound where nothing but names tells the nodes apart: all begin alike, a core compares
members only for equality, and what the explored cluster may do is bounded for all together.
(Where a core walks through its members in their order, the order decides only in which order
messages are sent, and they may arrive in any.) A model whose nodes begin in different
roles must do without.
"""

from collections.abc import Sequence
from itertools import permutations

from kvorum.raft.types import NodeId
from tests.exploration.canonical import Names


class Symmetry:
    """All ways to rename the nodes; way 0 leaves the names as they are."""

    def __init__(self, ids: Sequence[NodeId], *, renames: bool = True) -> None:
        numbers = tuple(range(len(ids)))
        self.ways = tuple(permutations(numbers)) if renames else (numbers,)
        self.names: tuple[Names, ...] = tuple(
            {node: ids[way[at]] for at, node in enumerate(ids)} for way in self.ways
        )
        # Which node gets the place, for each place: what a renamed state is put together from.
        self.sources = tuple(tuple(way.index(place) for place in numbers) for way in self.ways)
        self._sorting: dict[tuple[int, ...], tuple[int, ...]] = {}

    def sorting(self, kinds: Sequence[int]) -> tuple[int, ...]:
        """The ways after which the nodes' kinds stand in ascending order.

        With three kinds there is one; among equal kinds each order has to be tried.
        """
        ranks = sorted(kinds)
        pattern = tuple(map(ranks.index, kinds))
        ways = self._sorting.get(pattern)
        if ways is None:
            found = [n for n, s in enumerate(self.sources) if _ascends([kinds[at] for at in s])]
            # Without renaming, the one way there is serves for everything.
            ways = self._sorting[pattern] = tuple(found) if len(self.ways) > 1 else (0,)
        return ways


def _ascends(kinds: Sequence[int]) -> bool:
    return list(kinds) == sorted(kinds)
