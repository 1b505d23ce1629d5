"""`kvorum backup`: download, load, keep, read back, record, and remove what is too old."""

import os
from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

from kvorum.cli.backup.aftermath import Aftermath
from kvorum.cli.backup.directory import Directory
from kvorum.cli.backup.loaded_stream import Content, LoadedStream
from kvorum.cli.backup.names import Names
from kvorum.cli.backup.places import Place
from kvorum.cli.backup.recent import recent_backup
from kvorum.cli.console import Console
from kvorum.cli.data.progress import progress
from kvorum.cli.data.session import asks
from kvorum.cli.exits import Exit
from kvorum.cli.failed import CommandFailed
from kvorum.cli.object_store.location import S3Location
from kvorum.cli.object_store.opening import open_bucket
from kvorum.cli.output import json_block
from kvorum.cli.signals import ending_in_order
from kvorum.cli.sizes import size_text
from kvorum.client import Client
from kvorum.client.sync.backup import Backup
from kvorum.errors import SnapshotDamaged
from kvorum.storage.fs import OsFileSystem


class Report(Struct, frozen=True, rename="camel"):
    """What was done, for programs. ``warnings`` say what of it failed; the backup did not."""

    name: str
    location: str
    time: str
    size_bytes: int
    sha256: str
    cluster_id: str
    index: int
    revision: int
    keys: int
    leases: int
    read_back: bool
    recorded: bool
    removed: Sequence[str]
    kept: int | None
    warnings: Sequence[str]


@asks
def run_backup(client: Client, arguments: Namespace, console: Console) -> int:
    began = datetime.now(UTC).replace(microsecond=0)
    names = Names(arguments.prefix)
    place = _place(arguments, names, began)
    with ending_in_order():
        place.refuse_early(names, needs_names=arguments.keep is not None)
        earlier = frozenset(() if arguments.keep is None else place.names(names))
        with recent_backup(client, arguments.timeout) as backup:
            name, content = _keep(backup, place, names, began, console)
        aftermath = Aftermath(place, names, name)
        recorded = aftermath.record(client, content, began)
        kept = None if arguments.keep is None else aftermath.remove_surplus(arguments.keep, earlier)
    report = Report(
        name=name,
        location=place.shown(name),
        time=began.isoformat(),
        **asdict(content),
        read_back=arguments.read_back,
        recorded=recorded,
        removed=tuple(aftermath.removed),
        kept=kept,
        warnings=tuple(aftermath.warnings),
    )
    for warning in report.warnings:
        console.warn(f"kvorum: {warning}")
    console.say(_shown(report, arguments.output))
    return Exit.DONE


def _place(arguments: Namespace, names: Names, began: datetime) -> Place:
    where: Path | S3Location = arguments.destination
    if isinstance(where, S3Location):
        bucket = open_bucket(where, os.environ)
        from kvorum.cli.backup.object_place import ObjectPlace  # noqa: PLC0415  # needs the extra

        return ObjectPlace(bucket, reads_back=arguments.read_back)
    if not arguments.read_back:
        raise CommandFailed(
            Exit.USAGE, "--no-read-back is for s3://: what is in a directory is always read back"
        )
    return Directory(OsFileSystem(), where, names.unfinished(began))


def _keep(
    backup: Backup, place: Place, names: Names, began: datetime, console: Console
) -> tuple[str, Content]:
    head = backup.head
    if head.size_bytes is None:
        raise CommandFailed(
            Exit.FAILED,
            f"{head.endpoint} does not tell how long the backup is: ask a node itself, not a "
            "proxy that leaves Content-Length out",
        )
    size_bytes = head.size_bytes
    try:
        with (
            progress(console, "backing up and reading back", 2 * size_bytes) as tell,
            LoadedStream(head.name or "the backup", backup, size_bytes, tell) as stream,
        ):
            name = names.finished(began, stream.revision)
            return name, place.keep(stream, name, lambda done: tell(size_bytes + done))
    except SnapshotDamaged as damage:
        raise CommandFailed(
            Exit.FAILED, f"what came from {head.endpoint} is not sound: {damage}"
        ) from damage


def _shown(report: Report, output: str | None) -> str:
    if output == "json":
        return json_block(report)
    if output == "raw":
        return report.location
    proof = "read back" if report.read_back else "not read back"
    kept = (
        f"{report.location}: {size_text(report.size_bytes)}, {report.keys} keys at revision "
        f"{report.revision} of cluster {report.cluster_id}; loaded, kept, {proof}"
    )
    return "\n".join([kept, *(f"removed {name}" for name in report.removed)])
