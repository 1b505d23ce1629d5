"""`kvorum snapshot status`: a backup, loaded as a node would load it."""

import os
from argparse import Namespace
from collections.abc import Mapping

from kvorum.app.restoring import Backup, load_backup
from kvorum.cli.console import Console
from kvorum.cli.data.progress import progress
from kvorum.cli.exits import Exit
from kvorum.cli.failed import CommandFailed, tell_failure
from kvorum.cli.output import columns, json_block
from kvorum.cli.sizes import size_text
from kvorum.cli.snapshot.source import Source, source_of
from kvorum.errors import SnapshotDamaged


def run_status(arguments: Namespace, console: Console) -> int:
    as_json = arguments.output == "json"
    try:
        source = source_of(arguments.file, os.environ)
        return show(source, as_json=as_json, console=console)
    except CommandFailed as failure:
        return tell_failure(failure, console, as_json=as_json)


def show(source: Source, *, as_json: bool, console: Console) -> int:
    """DONE if it is sound, FAILED if it is damaged or cannot be read."""
    try:
        with progress(console, "loading", 100) as tell:
            backup = load_backup(
                source.opener, source.path, lambda done, total: tell(done * 100 // total)
            )
    except SnapshotDamaged as damage:
        console.warn(f"kvorum: {damage}")
        return Exit.FAILED
    except OSError as error:
        console.warn(f"kvorum: {source.shown} cannot be read: {error.strerror}")
        return Exit.FAILED
    fields = contents(source.shown, backup)
    console.say(json_block(fields) if as_json else "\n".join(_lines(fields)))
    return Exit.DONE


def contents(file: str, backup: Backup) -> Mapping[str, object]:
    """All that is worth knowing, for programs."""
    head, machine = backup.head, backup.machine
    return {
        "file": file,
        "sizeBytes": backup.size_bytes,
        "fingerprint": backup.digest,
        "clusterId": head.cluster_id,
        "index": head.last.index,
        "term": head.last.term,
        "voters": list(head.membership.voters),
        "learners": list(head.membership.learners),
        "revision": machine.revision,
        "compactedRevision": machine.compacted_revision,
        "keys": machine.key_count,
        "storeBytes": machine.size_bytes,
        "historyRevisions": machine.history_revisions,
        "historyBytes": machine.history_bytes,
        "leases": machine.lease_count,
        "isFull": machine.is_full,
    }


def _lines(fields: Mapping[str, object]) -> list[str]:
    rows = []
    for name, value in fields.items():
        words = "".join(f" {c.lower()}" if c.isupper() else c for c in name)
        rows.append((words, _text(name, value)))
    return [*columns(rows), "sound: every block was read and loaded"]


def _text(name: str, value: object) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "none"
    if name.endswith("Bytes") and isinstance(value, int):
        return size_text(value)
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
