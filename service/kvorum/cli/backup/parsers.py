"""The arguments of `kvorum backup`."""

import re
from argparse import ArgumentTypeError, BooleanOptionalAction
from pathlib import Path

from kvorum.cli.asking import asking_options
from kvorum.cli.backup.names import PREFIX
from kvorum.cli.commands import Commands, add_command
from kvorum.cli.object_store.location import S3Location, is_s3, parse_location

BACKUP = """\
Back up a cluster as a schedule does it: under a name with the time in it, into a directory or an
S3-compatible object store, loaded as a node would load it, read back, and the oldest ones removed
after that. Nothing stays under its final name that was not verified. It takes the memory that a
node takes, and the network twice for s3://; no scratch space. --timeout is for the first byte,
before which the node makes a snapshot (default: 10m).

A node that lags is not taken: the backup holds all that was acknowledged when it began. Then
_backups/last says so, a key that the nodes' metrics read. If that cannot be written, or an older
backup cannot be removed, a warning says so and the exit code is 0 all the same: it is about the
backup.

examples:
  kvorum backup /var/backups/kvorum --keep 14
  kvorum backup s3://backups/kvorum/production --keep 30
  kvorum backup s3://backups --prefix staging -o json

environment for s3://
  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN   or the role of the pod:
  AWS_WEB_IDENTITY_TOKEN_FILE, AWS_CONTAINER_CREDENTIALS_…      as a platform sets them
  AWS_REGION     of the bucket (default: the store is asked)
  S3_ENDPOINT    http://… or https://… of the store (default: AWS)
  SSL_CERT_FILE  the certificate authorities to trust

docs/backup.md has the permissions, the sizing and how to restore.
"""

KEEP_MAX = 100_000
_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def add_parsers(commands: Commands) -> None:
    backup = add_command(
        commands,
        "backup",
        "back up into a directory or s3://, on a schedule",
        BACKUP,
        run="kvorum.cli.backup.taking:run_backup",
        parents=[asking_options("10m")],
    )
    backup.add_argument(
        "destination", type=_destination, metavar="DEST", help="a directory, or s3://bucket/path"
    )
    backup.add_argument(
        "--keep",
        type=_keep,
        metavar="N",
        help="remove all but the N newest of this prefix (default: keep all)",
    )
    backup.add_argument(
        "--prefix",
        type=_prefix,
        default=PREFIX,
        metavar="NAME",
        help=f"how the names begin; one for each cluster that is kept there (default: {PREFIX})",
    )
    backup.add_argument(
        "--read-back",
        action=BooleanOptionalAction,
        default=True,
        help="download it again from s3:// and compare all of it (default); without, the checksum "
        "that the store tells, or the size",
    )


def _destination(text: str) -> Path | S3Location:
    if is_s3(text):
        try:
            return parse_location(text)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from error
    if "://" in text or text.lower().startswith("s3:"):
        shown = "this" if "@" in text else repr(text)  # what stands before an @ may be a password
        raise ArgumentTypeError(f"{shown} is neither a directory nor s3://bucket/path")
    if not text:
        raise ArgumentTypeError("it is empty: name a directory, or s3://bucket/path")
    return Path(text)


def _keep(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= KEEP_MAX):
        raise ArgumentTypeError(f"{text!r} is no number of backups from 1 to {KEEP_MAX:,}")
    return int(text)


def _prefix(text: str) -> str:
    if not _PREFIX.fullmatch(text):
        raise ArgumentTypeError(
            f"{text!r} cannot begin a name: 1 to 64 of A–Z, a–z, 0–9, '.', '_' and '-', the first "
            "a letter or digit"
        )
    return text
