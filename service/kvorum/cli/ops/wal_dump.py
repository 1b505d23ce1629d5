"""`kvorum wal-dump`: what a data directory holds, read without changing or locking anything."""

from argparse import Namespace
from collections.abc import Generator, Iterator
from pathlib import Path

from kvorum.cli.console import Console
from kvorum.cli.exits import Exit
from kvorum.cli.ops.dump_words import (
    Line,
    damage_line,
    directory_line,
    record_line,
    segment_line,
    snapshot_line,
    verdict_line,
)
from kvorum.cli.ops.log_words import entry_fields, entry_lines
from kvorum.cli.output import json_line
from kvorum.errors import DataDirectoryError
from kvorum.raft.types import ORIGIN, Entry
from kvorum.storage.fs import FileSystem, OsFileSystem
from kvorum.storage.identity import IDENTITY, FormerIdentity, Identity, read_identity
from kvorum.storage.inspection import (
    Damage,
    Found,
    FoundRecord,
    FoundSegment,
    FoundSnapshot,
    Verdict,
    judge,
    read_log,
    read_snapshots,
)
from kvorum.storage.rescue import SNAPSHOTS, WAL


def run_wal_dump(arguments: Namespace, console: Console) -> int:
    return dump(
        OsFileSystem(),
        arguments.data_dir,
        first=getattr(arguments, "from"),
        last=arguments.to,
        as_json=arguments.output == "json",
        console=console,
    )


def dump(
    fs: FileSystem, path: Path, *, first: int, last: int | None, as_json: bool, console: Console
) -> int:
    """DONE if a node could start from it, FAILED if not, or if it is no data directory."""
    if not fs.exists(path / WAL):
        console.warn(f"kvorum: {path} is no data directory of a node: it has no {WAL}/")
        return Exit.FAILED
    listing = _Listing(fs, path, first, last)
    try:
        for fields, lines in listing.lines():
            if as_json:
                console.say(json_line(fields))
            else:
                for line in lines:
                    console.say(line)
    except BrokenPipeError:  # whoever reads it has seen enough
        raise
    except OSError as error:
        console.warn(f"kvorum: {error.filename or path} cannot be read: {error.strerror}")
        return Exit.FAILED
    return Exit.DONE if listing.would_start else Exit.FAILED


class _Listing:
    """Everything in its order; the verdict comes last."""

    def __init__(self, fs: FileSystem, path: Path, first: int, last: int | None) -> None:
        self._fs = fs
        self._path = path
        self._first = first
        self._last = last
        self._end = 0  # the last entry of the log as far as it was read
        self.would_start = False

    def lines(self) -> Iterator[Line]:
        identity = yield from self._directory()
        snapshots = list(read_snapshots(self._fs, self._path / SNAPSHOTS))
        yield from map(snapshot_line, snapshots)
        for found in read_log(self._fs, self._path / WAL):
            yield from self._found(found)
        verdict = self._judged(identity, snapshots)
        self.would_start = verdict.recovered is not None
        yield verdict_line(verdict)

    def _judged(
        self, identity: Identity | FormerIdentity | None, snapshots: list[FoundSnapshot]
    ) -> Verdict:
        if identity is None:
            return Verdict(None, ORIGIN, "nobody knows whose it is")
        if isinstance(identity, Identity) and identity.restoring:
            return Verdict(None, ORIGIN, "a backup was not restored completely")
        return judge(self._fs, self._path, snapshots, identity.cluster_id)

    def _directory(self) -> Generator[Line, None, Identity | FormerIdentity | None]:
        identity, trouble = None, ""
        try:
            identity = read_identity(self._fs, self._path)
        except FileNotFoundError:
            trouble = f"{IDENTITY} is missing: nobody knows whose it is"
        except DataDirectoryError as error:
            trouble = str(error)
        yield directory_line(self._path, identity, trouble)
        return identity

    def _found(self, found: Found) -> Iterator[Line]:
        match found:
            case FoundSegment():
                yield segment_line(found)
            case Damage():
                yield damage_line(found)
            case FoundRecord():
                yield from self._record(found)

    def _record(self, record: FoundRecord) -> Iterator[Line]:
        batch = record.batch
        wanted = [entry for entry in batch.entries if self._is_wanted(entry)]
        is_filtered = self._first > 1 or self._last is not None
        if wanted or not is_filtered:
            yield record_line(record, self._end)
        if batch.base is not None:
            self._end = batch.base.index
        if batch.entries:
            self._end = batch.entries[-1].index
        for entry in wanted:
            yield {"found": "entry", **entry_fields(entry)}, entry_lines(entry)

    def _is_wanted(self, entry: Entry) -> bool:
        return self._first <= entry.index and (self._last is None or entry.index <= self._last)
