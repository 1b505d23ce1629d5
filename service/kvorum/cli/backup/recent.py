"""A download of a backup that holds everything the cluster had acknowledged when it was asked for.

Any node may make it. One that lags would hand out the past, so the present revision is read
first, linearizably (thesis §6.4), and a backup below it is not taken.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from kvorum.cli.exits import Exit
from kvorum.cli.failed import CommandFailed
from kvorum.client import Client
from kvorum.client.calls.ranges import Range
from kvorum.client.sync.backup import Backup

BEGINNING_S = 600.0
"""A node makes and reads a new snapshot before its first byte."""

_TRIES = 4
_REST_S = 1.0
"""For a node that lagged, before it is asked again."""


@contextmanager
def recent_backup(client: Client, timeout_s: float | None) -> Iterator[Backup]:
    """Opened. Raises ClientError, and CommandFailed if every node that was asked lags."""
    present = _present_revision(client)
    revision, endpoint = 0, ""
    for _ in range(_TRIES):
        with client.cluster.snapshot(timeout_s=timeout_s or BEGINNING_S) as backup:
            revision, endpoint = backup.head.revision, backup.head.endpoint
            if revision >= present:
                yield backup
                return
        client.router.failed(endpoint, client.clock(), _REST_S)
    raise CommandFailed(
        Exit.UNAVAILABLE,
        f"{endpoint} offers a backup of revision {revision}, but the cluster was at {present} "
        "when it was asked: the node lags (kvorum status). What it has is what `kvorum snapshot "
        "save` takes",
    )


def _present_revision(client: Client) -> int:
    call = Range(prefix="_backups/", keys_only=True).page("", 1)
    return client.run(call).revision
