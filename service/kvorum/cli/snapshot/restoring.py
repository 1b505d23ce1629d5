"""`kvorum snapshot restore`: one node of a new cluster, from a backup and the node's settings."""

import os
import secrets
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from kvorum.app.restoring import Restored, restore_backup
from kvorum.cli.console import Console
from kvorum.cli.data.progress import progress
from kvorum.cli.exits import Exit
from kvorum.cli.output import json_block
from kvorum.cli.serve import node_settings
from kvorum.errors import ConfigurationError, DataDirectoryError, SnapshotDamaged
from kvorum.settings import Settings
from kvorum.storage.fs import FileSystem, OsFileSystem

_UID_BYTES = 8
_OPTIONS = {
    "SELF_ID": "self_id",
    "SELF_ADDRESS": "self_address",
    "OTHER_NODES": "other_nodes",
}


def run_restore(arguments: Namespace, console: Console) -> int:
    try:
        settings = node_settings(arguments.env_file, _environ(arguments, os.environ))
    except ConfigurationError as error:
        console.warn(f"kvorum: {error}")
        return Exit.USAGE
    return restore(
        OsFileSystem(),
        arguments.file,
        settings,
        bump_revision=arguments.bump_revision,
        as_json=arguments.output == "json",
        console=console,
    )


def _environ(arguments: Namespace, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment, with what the options say in its place."""
    told = {name: getattr(arguments, option) for name, option in _OPTIONS.items()}
    given = {name: value for name, value in told.items() if value is not None}
    if arguments.data_dir is not None:
        given["DATA_DIR"] = str(arguments.data_dir.absolute())
    return {**environ, **given}


def restore(
    fs: FileSystem,
    backup: Path,
    settings: Settings,
    *,
    bump_revision: int,
    as_json: bool,
    console: Console,
) -> int:
    """DONE, or FAILED with nothing there that could be started."""
    try:
        with progress(console, "loading", 100) as tell:
            restored = restore_backup(
                fs,
                backup,
                settings.data_dir,
                node_id=settings.self_id,
                address=settings.self_address,
                members=settings.members,
                uid=secrets.token_hex(_UID_BYTES),
                bump_revision=bump_revision,
                segment_bytes=settings.wal_segment_bytes,
                progress=lambda done, total: tell(done * 100 // total),
            )
    except (DataDirectoryError, SnapshotDamaged) as error:
        console.warn(f"kvorum: {error}")
        return Exit.FAILED
    except OSError as error:
        console.warn(f"kvorum: {backup} cannot be read: {error.strerror}")
        return Exit.FAILED
    console.say(json_block(_fields(restored, settings)) if as_json else _words(restored, settings))
    return Exit.DONE


def _fields(restored: Restored, settings: Settings) -> Mapping[str, object]:
    return {
        "node": settings.self_id,
        "dataDir": str(settings.data_dir),
        "clusterId": restored.cluster_id,
        "formerClusterId": restored.former_cluster_id,
        "members": list(restored.members),
        "keys": restored.key_count,
        "revision": restored.revision,
        "formerRevision": restored.former_revision,
    }


def _words(restored: Restored, settings: Settings) -> str:
    whose = f"{settings.data_dir} is that of {settings.self_id} now"
    was, now = restored.former_revision, restored.revision
    lines = [
        f"{whose}, a member of the new cluster {restored.cluster_id}.",
        f"{restored.key_count} keys; revision {was} went on as {now}.",
    ]
    others = [member for member in restored.members if member != restored.member_id]
    if others:
        lines.append(
            f"Restore the same file for {', '.join(others)} too, before you start any: each has to "
            f"say cluster {restored.cluster_id}."
        )
    lines.append(
        "Leave the nodes of the former cluster stopped: clients could not tell them apart."
    )
    return "\n".join(lines)
