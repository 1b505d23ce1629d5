"""`kvorum recover`: a new cluster out of one survivor's data, when a majority is lost for good.

Unsafe by nature: nobody can know what the lost nodes had acknowledged. So it explains itself
first, and does nothing before somebody has typed the node's name or said ``--yes``.
"""

import secrets
from pathlib import Path

from kvorum.cli.console import Console
from kvorum.errors import KvorumError, StartError
from kvorum.storage.fs import FileSystem
from kvorum.storage.identity import IDENTITY, FormerIdentity, Identity, read_identity
from kvorum.storage.lock import lock_directory
from kvorum.storage.rescue import RescueReport, rescue

DONE, FAILED, UNCONFIRMED = 0, 1, 2

_WARNING = """\
kvorum: UNSAFE. This makes a new cluster of one node out of the data of {node} alone:
  {directory}
It is meant for one case only: a majority of the voters of cluster {cluster}
is lost for good, so that it can never decide anything again.

  May be lost        writes that were acknowledged, if {node} had not received them
  May come true      writes that were answered 504, or not at all
  Must stay stopped  every other node of the old cluster, for good: its data cannot be merged

Of several survivors take the one whose log reaches furthest, and copy its directory first;
docs/membership.md tells how.
"""

_AFTERWARDS = """\
Start this node as before: it leads a cluster of one. Keep the others stopped meanwhile: with
empty data directories they could form a cluster of their own. Then, for one after the other:
  kvorum member add HOST:PORT       (its SELF_ADDRESS)
  empty its data directory, and only now start it
  kvorum member promote HOST:PORT"""


def recover(fs: FileSystem, data_dir: Path, *, confirmed: bool, console: Console) -> int:
    """Exit code: 0 done, 1 not possible, 2 not confirmed."""
    try:
        identity = _identity(fs, data_dir)
        lock_directory(fs, data_dir).close()  # nobody is asked about a node that still runs
        console.warn(
            _WARNING.format(node=identity.node_id, directory=data_dir, cluster=identity.cluster_id)
        )
        if not confirmed and not _confirms(identity.node_id, console):
            return UNCONFIRMED
        report = rescue(fs, data_dir, cluster_id=secrets.token_hex(8), uid=secrets.token_hex(8))
    except KvorumError as error:
        console.warn(f"kvorum: {error}")
        return FAILED
    for warning in report.warnings:
        console.warn(f"kvorum: {warning}")
    console.say(f"{_described(identity.node_id, report)}\n{_AFTERWARDS}")
    return DONE


def _identity(fs: FileSystem, data_dir: Path) -> Identity | FormerIdentity:
    try:
        return read_identity(fs, data_dir)
    except OSError as error:
        raise StartError(
            f"{data_dir} is no data directory of a node: {IDENTITY}: {error.strerror}"
        ) from error


def _confirms(name: str, console: Console) -> bool:
    if not console.stdin.isatty():
        console.warn("kvorum: nothing was changed; without a terminal it takes --yes")
        return False
    if console.ask(f"Type the node's name, {name}, to go on:") != name:
        console.warn("kvorum: nothing was changed: that is not its name")
        return False
    return True


def _described(name: str, report: RescueReport) -> str:
    base = "no snapshot" if report.snapshot is None else f"a snapshot of {report.snapshot.index}"
    return (
        f"{name} is the only voter of the new cluster {report.cluster_id}, as "
        f"{report.member_id}.\n"
        f"Kept: {base}, and the log up to entry {report.last.index} of term {report.last.term}. "
        f"Entries that were not known to be committed, and are now: {report.unconfirmed}."
    )
