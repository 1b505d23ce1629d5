"""The leases of one moment, read in order of their ids while they go on changing."""

from collections.abc import Iterator

from kvorum.mvcc.frozen_map import FrozenMap

LeaseRow = tuple[str, int, int]
"""Id, ttl_ms and deadline_ms: all that a snapshot holds of a lease."""


class LeasesView(FrozenMap[str, LeaseRow]):
    """To be read once."""

    __slots__ = ()

    def rows(self) -> Iterator[LeaseRow]:
        """By id."""
        while items := self.read():
            for _, row in items:
                yield row
