"""A data directory begins anew for another member; what it held is put aside.

For a node that was removed from its cluster for good, and whose address was added anew: its
former id never comes back, so nobody will ever ask for what its disk remembers under it (§3.8).
The directory then is as an empty one is, which may take the id of a learner that never voted.

What it held is kept in ``former-<member>``, a complete data directory of its own, until the next
one takes its place. ``identity.json`` decides: until it names the new member, nothing has happened;
from then on the rest is done by whoever opens the directory next, if a crash came between.
"""

from pathlib import Path

from msgspec.structs import replace

from kvorum.errors import DataDirectoryError
from kvorum.storage.fs import FileSystem
from kvorum.storage.identity import IDENTITY, Identity, PutAside, write_identity
from kvorum.storage.rescue import SNAPSHOTS, WAL
from kvorum.storage.wal import create_log

FORMER = "former-"
"""How the name of a directory begins that holds what was put aside."""

_PARTS = (WAL, SNAPSHOTS)


def begin_anew(
    fs: FileSystem, path: Path, identity: Identity, new: Identity, *, segment_bytes: int
) -> Identity:
    """``path`` becomes the directory of ``new``, with an empty log; the identity recorded then.

    The caller holds the lock. Raises DataDirectoryError, OSError.
    """
    aside = path / f"{FORMER}{identity.member_id}"
    _make_directory(fs, aside)
    if fs.exists(aside / WAL):
        raise DataDirectoryError(
            f"{aside} holds data already, so those of {identity.member_id} cannot be put there. "
            "Move it away, and start this node again."
        )
    write_identity(fs, aside, identity)
    begun = replace(new, putting_aside=PutAside(identity.member_id))
    write_identity(fs, path, begun)
    return finish_beginning(fs, path, begun, segment_bytes=segment_bytes)


def finish_beginning(
    fs: FileSystem, path: Path, identity: Identity, *, segment_bytes: int
) -> Identity:
    """Carry out what ``identity.putting_aside`` says, wherever it was interrupted.

    The caller holds the lock. Raises OSError.
    """
    begun = identity.putting_aside
    assert begun is not None, "nothing was begun"
    aside = path / f"{FORMER}{begun.member_id}"
    if not begun.is_done:
        for part in _PARTS:
            _move(fs, path / part, aside / part)
        identity = replace(identity, putting_aside=replace(begun, is_done=True))
        write_identity(fs, path, identity)  # what lies in the log's place from now on is new
    _make_log(fs, path / WAL, segment_bytes)
    _remove_others(fs, path, aside)
    finished = replace(identity, putting_aside=None)
    write_identity(fs, path, finished)
    return finished


def _make_directory(fs: FileSystem, path: Path) -> None:
    if not fs.exists(path):
        fs.make_directory(path)
        fs.sync_directory(path.parent)


def _move(fs: FileSystem, here: Path, there: Path) -> None:
    """File by file, so that it can be gone on with."""
    if not fs.exists(here):
        return
    _make_directory(fs, there)
    for name in fs.names(here):
        fs.rename(here / name, there / name)
    fs.sync_directory(there)
    fs.sync_directory(here)


def _make_log(fs: FileSystem, wal: Path, segment_bytes: int) -> None:
    """An empty one; whatever an interrupted attempt left of it goes."""
    _make_directory(fs, wal)
    for name in fs.names(wal):
        fs.remove(wal / name)
    create_log(fs, wal, segment_bytes=segment_bytes)


def _remove_others(fs: FileSystem, path: Path, kept: Path) -> None:
    """What was put aside earlier: one former life is kept, not all of them."""
    for name in fs.names(path):
        former = path / name
        if not name.startswith(FORMER) or former == kept:
            continue
        for part in (former / WAL, former / SNAPSHOTS):
            if fs.exists(part):
                _remove_files(fs, part, fs.names(part))
                fs.remove_directory(part)
        _remove_files(fs, former, [each for each in fs.names(former) if each.startswith(IDENTITY)])
        if not fs.names(former):  # else somebody put something there, and may miss it
            fs.remove_directory(former)
    fs.sync_directory(path)


def _remove_files(fs: FileSystem, directory: Path, names: list[str]) -> None:
    for name in names:
        fs.remove(directory / name)
    fs.sync_directory(directory)
