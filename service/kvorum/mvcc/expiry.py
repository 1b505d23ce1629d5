"""The end of leases whose time is over, a bounded number of keys with each batch."""

from typing import Final

from kvorum.mvcc.leases import Leases
from kvorum.mvcc.writes import Writes

REAP_KEYS_MAX: Final = 512
"""With one batch; a lease without keys counts as one."""


def reap(leases: Leases, writes: Writes, now_ms: int) -> None:
    """End leases that are dead at ``now_ms``: the oldest deadline first, then by id.

    Each makes one revision, or several if it has more keys than may go with a batch. What is
    left over goes with the batches that follow.
    """
    left = REAP_KEYS_MAX
    while left > 0:
        deadline_ms = leases.first_deadline_ms
        if deadline_ms is None or deadline_ms > now_ms:
            return
        left -= max(1, writes.end(leases.first(), left))
