"""Reading a watch until something has come, or the end."""

from collections.abc import Sequence

from kvorum.errors import WatchEnded
from kvorum.mvcc.query import prefix_range
from kvorum.node.views import Change
from kvorum.node.watching import Watch

ALL = prefix_range(b"")
SOON_S = 0.01
LONG_S = 30


def revisions(changes: Sequence[Change]) -> list[int]:
    return [change.revision for change in changes]


async def take(watch: Watch, revision: int) -> list[Change]:
    """Everything up to ``revision``, which must concern the watch."""
    changes = list[Change]()
    while not changes or changes[-1].revision < revision:
        more = await watch.next(LONG_S)
        assert more, f"nothing after {revisions(changes)}"
        changes += more
    return changes


async def ended(watch: Watch) -> WatchEnded:
    try:
        while await watch.next(LONG_S):
            pass
    except WatchEnded as end:
        return end
    raise AssertionError("nothing came for a long time, instead of the end")
