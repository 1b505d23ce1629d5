"""Where a backup is read from: a file, or an object in a store, which is not put on a disk."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from kvorum.cli.exits import Exit
from kvorum.cli.failed import CommandFailed
from kvorum.cli.object_store.location import S3Location
from kvorum.cli.object_store.opening import open_bucket
from kvorum.cli.passing import Passing
from kvorum.storage.fs import Opener, OsFileSystem


class Source(Struct, frozen=True):
    """A backup, to be read once from its beginning; errors name ``path``."""

    shown: str
    path: Path
    opener: Opener


def source_of(file: Path | S3Location, environ: Mapping[str, str]) -> Source:
    """Raises CommandFailed for an object that cannot be had."""
    if isinstance(file, Path):
        return Source(str(file), file, OsFileSystem())
    bucket = open_bucket(S3Location(file.bucket), environ)
    size_bytes = bucket.size_bytes(file.path)
    if size_bytes is None:
        raise CommandFailed(Exit.FAILED, f"there is no object {file}")
    parts = Passing(bucket.read(file.path), size_bytes)
    return Source(str(file), Path(file.path.rpartition("/")[2]), parts)
