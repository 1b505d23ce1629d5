"""`kvorum snapshot save`: a backup that is kept only if it can be read."""

from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from kvorum.cli.console import Console
from kvorum.cli.data.progress import Progress, progress
from kvorum.cli.data.session import asks
from kvorum.cli.exits import Exit
from kvorum.cli.failures import CommandFailed
from kvorum.cli.output import json_block
from kvorum.cli.signals import ending_in_order
from kvorum.cli.sizes import size_text
from kvorum.client import Client
from kvorum.errors import SnapshotDamaged
from kvorum.mvcc.snapshot import Head, decode_head
from kvorum.storage.fs import FileSystem, OsFileSystem
from kvorum.storage.snapshot_file import SnapshotScan, SteadyFile

UNFINISHED = ".unfinished"


class Saved(Struct, frozen=True, rename="camel"):
    """What a backup file holds, as its first block tells and all others bear out."""

    file: str
    size_bytes: int
    cluster_id: str
    index: int
    revision: int
    keys: int
    leases: int


@asks
def run_save(client: Client, arguments: Namespace, console: Console) -> int:
    _refuse_early(arguments.file, force=arguments.force)
    with client.cluster.snapshot() as backup, ending_in_order():
        path = _target(arguments.file, backup.head.name, force=arguments.force)
        with progress(console, "downloading", backup.head.size_bytes) as tell:
            try:
                saved = save(OsFileSystem(), path, backup, tell)
            except OSError as error:
                where = error.filename or path
                raise CommandFailed(
                    Exit.FAILED, f"{where} cannot be written: {error.strerror}"
                ) from error
            except SnapshotDamaged as damage:
                raise CommandFailed(
                    Exit.FAILED, f"what came from {backup.head.endpoint} is not sound: {damage}"
                ) from damage
    console.say(
        json_block(saved)
        if arguments.output == "json"
        else f"{path}: {size_text(saved.size_bytes)}, {saved.keys} keys at revision "
        f"{saved.revision} of cluster {saved.cluster_id}; read back and sound"
    )
    return Exit.DONE


def _refuse_early(path: Path, *, force: bool) -> None:
    """Before anything is downloaded."""
    if path.is_file() and not force:
        raise CommandFailed(Exit.CONFLICT, f"{path} exists: --force replaces it")
    if not path.is_dir() and not path.parent.is_dir():
        raise CommandFailed(Exit.FAILED, f"{path.parent} is no directory")


def _target(path: Path, proposed: str, *, force: bool) -> Path:
    if not path.is_dir():
        return path
    within = path / (Path(proposed).name or "kvorum.snapshot")
    _refuse_early(within, force=force)
    return within


def save(fs: FileSystem, path: Path, parts: Iterable[bytes], tell: Progress) -> Saved:
    """Write, sync, read back, and only then name it. Raises OSError, SnapshotDamaged."""
    unfinished = path.with_name(path.name + UNFINISHED)
    try:
        _write(fs, unfinished, parts, tell)
        saved = _verified(fs, unfinished, path)
        fs.rename(unfinished, path)
    except BaseException:
        if fs.exists(unfinished):
            fs.remove(unfinished)
        raise
    fs.sync_directory(path.parent)
    return saved


def _write(fs: FileSystem, path: Path, parts: Iterable[bytes], tell: Progress) -> None:
    file = SteadyFile(fs.create(path))
    try:
        for part in parts:
            file.append(part)
            tell(file.size_bytes)
        file.sync()
    finally:
        file.close()


def _verified(fs: FileSystem, unfinished: Path, path: Path) -> Saved:
    """Block by block, as a node reads it."""
    scan = SnapshotScan(fs, unfinished, None)
    try:
        head = _state_head(scan)
        while scan.next_block() is not None:
            pass
    finally:
        scan.close()
    return Saved(
        str(path),
        scan.size_bytes,
        scan.head.cluster_id,
        scan.head.last.index,
        head.revision,
        head.key_count,
        head.lease_count,
    )


def _state_head(scan: SnapshotScan) -> Head:
    first = scan.next_block()
    if first is None:
        raise SnapshotDamaged(f"{scan.path}: it holds no state")
    try:
        return decode_head(first)
    except ValueError as error:
        raise SnapshotDamaged(f"{scan.path}: {error}") from error
