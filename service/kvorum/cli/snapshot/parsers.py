"""The arguments of `kvorum snapshot`."""

from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError
from pathlib import Path

from kvorum.app.restore_id import RestoreId, parse_restore_id
from kvorum.cli.asking import asking_options
from kvorum.cli.commands import Commands, add_command
from kvorum.cli.object_store.location import S3Location, is_s3, parse_location

SNAPSHOT = """\
Back up a whole cluster into one file while it runs, and make a new cluster of such a file.
docs/backup.md tells the whole procedure.

examples:
  kvorum snapshot save kvorum.snapshot
  kvorum snapshot status kvorum.snapshot
  kvorum snapshot restore kvorum.snapshot --env-file 1.env
"""

SAVE = """\
Download a backup: all keys, leases and history at one revision. FILE appears only once it is
complete, on the disk, and read back without a fault. A directory gets a file named by the
node.

examples:
  kvorum snapshot save kvorum.snapshot
  kvorum snapshot save backups/
  kvorum snapshot save /var/backups/kvorum.snapshot --force
"""

STATUS = """\
Load a backup as a node would, check everything in it, and say what it holds. Exit code 1 if it
is damaged.

examples:
  kvorum snapshot status kvorum.snapshot
  kvorum snapshot status kvorum.snapshot -o json
  kvorum snapshot status s3://backups/kvorum-20261123T030000Z-r1234.snapshot
"""

RESTORE = """\
Make the data directory of one node of a NEW cluster out of a backup. Run it once for each node,
with the same FILE and the same members, before any of them is started; then start them as
always. The first one makes a restore id and shows it: give it to all others. Settings are
those of `kvorum serve`: an env file, the environment, and the options here, which win. The
directory has to be empty. Revisions go on far above the former ones, so that none that a
client knows comes twice; history and members of the former cluster are forgotten, and its
nodes cannot join the new one.

examples:
  kvorum snapshot restore kvorum.snapshot --env-file 1.env
  kvorum snapshot restore kvorum.snapshot --env-file 2.env --restore-id ID
  kvorum snapshot restore kvorum.snapshot            (a single node, for `kvorum serve`)
  kvorum snapshot restore kvorum.snapshot --self-id Node-1 --self-address a:8001 \\
      --other-nodes b:8001,c:8001 --data-dir /var/lib/kvorum
"""

_FILE = "a backup, or s3://bucket/path/NAME (see `kvorum backup --help` for its environment)"

BUMP = 1_000_000_000
BUMP_MAX = 10**15
"""Far below 2^53, above which JavaScript miscounts."""


def add_parsers(commands: Commands) -> None:
    snapshot = add_command(commands, "snapshot", "back up a cluster, and restore it", SNAPSHOT)
    ones = snapshot.add_subparsers(dest="snapshot_command", metavar="COMMAND", required=True)
    save = add_command(
        ones,
        "save",
        "download a backup",
        SAVE,
        run="kvorum.cli.snapshot.saving:run_save",
        parents=[asking_options()],
    )
    save.add_argument("file", type=Path, metavar="FILE", help="where it is kept")
    save.add_argument("--force", action="store_true", help="replace FILE if it exists")
    status = add_command(
        ones,
        "status",
        "check a backup, and say what is in it",
        STATUS,
        run="kvorum.cli.snapshot.looking:run_status",
    )
    status.add_argument("file", type=_backup, metavar="FILE", help=_FILE)
    _add_output(status)
    _add_restore(ones)


def _add_restore(ones: Commands) -> None:
    restore = add_command(
        ones,
        "restore",
        "make a node of a new cluster",
        RESTORE,
        run="kvorum.cli.snapshot.restoring:run_restore",
    )
    restore.add_argument("file", type=_backup, metavar="FILE", help=_FILE)
    restore.add_argument("--env-file", type=Path, metavar="FILE", help="settings of the node")
    restore.add_argument("--data-dir", type=Path, metavar="DIR", help="DATA_DIR of the node")
    restore.add_argument("--self-id", metavar="NAME", help="SELF_ID of the node")
    restore.add_argument("--self-address", metavar="HOST:PORT", help="SELF_ADDRESS of the node")
    restore.add_argument(
        "--other-nodes", metavar="HOST:PORT,…", help="OTHER_NODES: the others of the new cluster"
    )
    restore.add_argument(
        "--bump-revision",
        type=_bump,
        default=BUMP,
        metavar="BUMP",
        help=f"how far revisions are raised at least, the same on all nodes (default: {BUMP:,})",
    )
    restore.add_argument(
        "--restore-id",
        type=_restore_id,
        metavar="ID",
        help="what restoring the first node showed; without it another cluster begins",
    )
    _add_output(restore)


def _add_output(parser: ArgumentParser) -> None:
    """Of a command that asks no cluster; what stands before the command counts too."""
    parser.add_argument(
        "-o", "--output", choices=("json", "table"), default=SUPPRESS, help="default: table"
    )


def _backup(text: str) -> Path | S3Location:
    if not is_s3(text):
        return Path(text)
    try:
        location = parse_location(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error
    if not location.path:
        raise ArgumentTypeError(f"{text!r} names no object, as s3://bucket/path/NAME does")
    return location


def _bump(text: str) -> int:
    digits = text.replace("_", "").replace(",", "")
    if not digits.isdecimal() or int(digits) > BUMP_MAX:
        raise ArgumentTypeError(f"{text!r} is no number of revisions from 0 to {BUMP_MAX:,}")
    return int(digits)


def _restore_id(text: str) -> RestoreId:
    try:
        return parse_restore_id(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{error}; restoring the first node shows it") from error
