"""`kvorum snapshot restore`: one node of a new cluster, from a backup and the node's settings."""

import os
import secrets
import shlex
import time
from argparse import Namespace
from collections.abc import Mapping

from kvorum.app.restore_id import RestoreId, new_restore_id
from kvorum.app.restoring import Restored, restore_backup
from kvorum.cli.console import Console
from kvorum.cli.data.progress import progress
from kvorum.cli.exits import Exit
from kvorum.cli.failed import CommandFailed, tell_failure
from kvorum.cli.output import json_block
from kvorum.cli.serve import node_settings
from kvorum.cli.snapshot.parsers import BUMP
from kvorum.cli.snapshot.source import Source, source_of
from kvorum.errors import ConfigurationError, DataDirectoryError, SnapshotDamaged
from kvorum.settings import Settings
from kvorum.storage.fs import FileSystem, OsFileSystem

_UID_BYTES = 8
_CHANCE_BITS = 32
_SAME_RESTORE_US = 3600 * 1_000_000
"""A restore of all nodes is hardly under way for longer than that."""
_OPTIONS = {
    "SELF_ID": "self_id",
    "SELF_ADDRESS": "self_address",
    "OTHER_NODES": "other_nodes",
}


def run_restore(arguments: Namespace, console: Console) -> int:
    try:
        settings = node_settings(arguments.env_file, _environ(arguments, os.environ))
        now_us = time.time_ns() // 1000
        restore_id = arguments.restore_id or _new_restore_id(now_us)
    except ConfigurationError as error:
        console.warn(f"kvorum: {error}")
        return Exit.USAGE
    age_us = now_us - restore_id.time_us
    if age_us > _SAME_RESTORE_US:
        console.warn(
            f"kvorum: restore id {restore_id.text} is {age_us // 60_000_000} minutes old: it is "
            "for the other nodes of that one restore. To restore the backup once more, leave "
            "--restore-id out on the first node, or revisions repeat"
        )
    as_json = arguments.output == "json"
    try:
        return restore(
            OsFileSystem(),
            source_of(arguments.file, os.environ),
            settings,
            bump_revision=arguments.bump_revision,
            restore_id=restore_id,
            as_json=as_json,
            console=console,
        )
    except CommandFailed as failure:
        return tell_failure(failure, console, as_json=as_json)


def _new_restore_id(now_us: int) -> RestoreId:
    try:
        return new_restore_id(now_us, secrets.randbits(_CHANCE_BITS))
    except ValueError as error:
        raise ConfigurationError(str(error)) from error


def _environ(arguments: Namespace, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment, with what the options say in its place."""
    told = {name: getattr(arguments, option) for name, option in _OPTIONS.items()}
    given = {name: value for name, value in told.items() if value is not None}
    if arguments.data_dir is not None:
        given["DATA_DIR"] = str(arguments.data_dir.absolute())
    return {**environ, **given}


def restore(
    fs: FileSystem,
    backup: Source,
    settings: Settings,
    *,
    bump_revision: int,
    restore_id: RestoreId,
    as_json: bool,
    console: Console,
) -> int:
    """DONE, or FAILED with nothing there that could be started."""
    try:
        with progress(console, "loading", 100) as tell:
            restored = restore_backup(
                fs,
                backup.path,
                settings.data_dir,
                opener=backup.opener,
                node_id=settings.self_id,
                address=settings.self_address,
                members=settings.members,
                uid=secrets.token_hex(_UID_BYTES),
                bump_revision=bump_revision,
                restore_id=restore_id,
                segment_bytes=settings.wal_segment_bytes,
                progress=lambda done, total: tell(done * 100 // total),
            )
    except (DataDirectoryError, SnapshotDamaged) as error:
        console.warn(f"kvorum: {error}")
        return Exit.FAILED
    except OSError as error:
        console.warn(f"kvorum: {backup.shown} cannot be read: {error.strerror}")
        return Exit.FAILED
    if restored.revision > restore_id.time_us:
        console.warn(
            f"kvorum: revision {restored.former_revision} of the backup, raised by "
            f"{bump_revision}, is above the time of the restore: if this backup is restored a "
            "second time, give --bump-revision another number, or revisions repeat"
        )
    console.say(
        json_block(_fields(restored, settings))
        if as_json
        else _words(restored, settings, _command(backup.shown, bump_revision, restore_id))
    )
    return Exit.DONE


def _command(backup: str, bump_revision: int, restore_id: RestoreId) -> str:
    """For each further node, but for its own settings."""
    bump = [] if bump_revision == BUMP else ["--bump-revision", str(bump_revision)]
    words = ["kvorum", "snapshot", "restore", backup, *bump, "--restore-id", restore_id.text]
    return shlex.join(words)


def _fields(restored: Restored, settings: Settings) -> Mapping[str, object]:
    return {
        "node": settings.self_id,
        "dataDir": str(settings.data_dir),
        "clusterId": restored.cluster_id,
        "restoreId": restored.restore_id,
        "formerClusterId": restored.former_cluster_id,
        "members": list(restored.members),
        "keys": restored.key_count,
        "revision": restored.revision,
        "formerRevision": restored.former_revision,
    }


def _words(restored: Restored, settings: Settings, command: str) -> str:
    whose = f"{settings.data_dir} is that of {settings.self_id} now"
    was, now = restored.former_revision, restored.revision
    lines = [
        f"{whose}, a member of the new cluster {restored.cluster_id}.",
        f"{restored.key_count} keys; revision {was} went on as {now}.",
    ]
    others = [member for member in restored.members if member != restored.member_id]
    if others:
        lines += [
            f"Restore {', '.join(others)} too, with their own settings, before you start any:",
            f"  {command} --env-file …",
            f"Each has to say cluster {restored.cluster_id}.",
        ]
    lines.append(
        "Leave the nodes of the former cluster stopped: clients could not tell them apart."
    )
    return "\n".join(lines)
