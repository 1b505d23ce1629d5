"""Whose data these are: ``identity.json``, read, checked and replaced as a whole."""

from pathlib import Path

import msgspec
from msgspec import Struct

from kvorum.errors import DataDirectoryError
from kvorum.storage.fs import TEMPORARY_SUFFIX, FileSystem, write_file

FORMAT_VERSION = 2
IDENTITY = "identity.json"


class Rescue(Struct, frozen=True, gc=False):
    """A new cluster is being made of this survivor; it ends with entry ``index`` of ``term``."""

    former_cluster_id: str
    term: int
    index: int


class PutAside(Struct, frozen=True, gc=False):
    """The directory held the data of the member ``member_id``, which are put aside.

    ``is_done``: what is in the log's place is not theirs any more.
    """

    member_id: str
    is_done: bool = False


class Identity(
    Struct, frozen=True, gc=False, omit_defaults=True, rename={"format_version": "format"}
):
    """Who lives here.

    ``member_id`` is its name in the log, ``uid`` that of this very directory, so that one
    made anew in its place is told from it. ``members`` are those of the cluster's first
    start, none if this node joined a cluster that existed. ``rescue`` is being carried out;
    ``restoring``: of a backup, and nothing in the directory counts yet. ``putting_aside`` what
    the directory held for a former member is being carried out as well.
    """

    format_version: int
    node_id: str
    member_id: str
    uid: str
    cluster_id: str
    members: tuple[str, ...]
    rescue: Rescue | None = None
    restoring: bool = False
    putting_aside: PutAside | None = None


class FormerIdentity(Struct, frozen=True, gc=False):
    """Format 1: the member was one of ``members``, by the address given at the start."""

    node_id: str
    cluster_id: str
    members: tuple[str, ...]


class _AnyIdentity(Struct):
    format: int


def read_identity(fs: FileSystem, path: Path) -> Identity | FormerIdentity:
    """Of the data directory ``path``. Raises DataDirectoryError."""
    file = path / IDENTITY
    content = fs.read(file)
    try:
        version = msgspec.json.decode(content, type=_AnyIdentity).format
        if version == FORMAT_VERSION:
            return msgspec.json.decode(content, type=Identity)
        if version == 1:
            return msgspec.json.decode(content, type=FormerIdentity)
    except (msgspec.DecodeError, UnicodeDecodeError) as cause:
        raise DataDirectoryError(
            f"{file} is damaged ({cause}). Restore the file, or choose another DATA_DIR."
        ) from cause
    raise DataDirectoryError(
        f"{file} has format version {version}, this release knows only up to {FORMAT_VERSION}. "
        "Use the release that wrote it, or choose another DATA_DIR."
    )


def refuse_unfinished(path: Path, identity: Identity) -> None:
    """Raises DataDirectoryError for a directory in which a restore was interrupted."""
    if identity.restoring:
        raise DataDirectoryError(
            f"a backup was being restored into {path}, and that was interrupted. Run `kvorum "
            "snapshot restore` again, with the same arguments."
        )


def write_identity(fs: FileSystem, path: Path, identity: Identity) -> None:
    """Atomically and durably."""
    content = msgspec.json.format(msgspec.json.encode(identity)) + b"\n"
    write_file(fs, path / IDENTITY, content)


def remove_leftover(fs: FileSystem, path: Path) -> None:
    """What a crash left of a new identity."""
    leftover = path / (IDENTITY + TEMPORARY_SUFFIX)
    if fs.exists(leftover):
        fs.remove(leftover)
