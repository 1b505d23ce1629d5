"""The arguments of `kvorum status` and `kvorum check`."""

from pathlib import Path

from kvorum.cli.asking import asking_options, duration_s
from kvorum.cli.commands import Commands, add_command

STATUS = """\
A table of the cluster that is kept up to date; printed once if stdout is no terminal. Every
endpoint is asked for itself; what the leader knows of other members is shown too. LAG counts
log entries that a node lacks. Below stand alarms: exit code 0 if there are none, 4 if there
are, 5 if nobody serves.

examples:
  kvorum status
  kvorum status --endpoint localhost:8081,localhost:8082,localhost:8083
  kvorum status --once
  kvorum status -o json | jq .alarms
"""

CHECK = """\
Measure a cluster and say whether its disks and its network are fit: puts by one, then by
several writers at once, reads, and how soon a watch hears of a change. It writes under a
prefix of its own, `_check/…`, and deletes that at the end. Or measure a directory's disk the
way a node's log would use it, without a cluster (--disk).

exit code 0 if all is fit, 4 if something is not.

examples:
  kvorum check
  kvorum check --seconds 10 --writers 1,16,64 --value-bytes 1000
  kvorum check --disk /var/lib/kvorum
"""


def add_parsers(commands: Commands) -> None:
    status = add_command(
        commands,
        "status",
        "how the cluster is, live",
        STATUS,
        run="kvorum.cli.health.status:run_status",
        parents=[asking_options()],
    )
    status.add_argument("--once", action="store_true", help="print it once")
    status.add_argument(
        "--interval", type=duration_s, default=1.0, metavar="TIME", help="default: 1s"
    )
    check = add_command(
        commands,
        "check",
        "measure a cluster, or a disk",
        CHECK,
        run="kvorum.cli.health.check:run_check",
        parents=[asking_options()],
    )
    check.add_argument("--disk", type=Path, metavar="DIR", help="measure this directory instead")
    check.add_argument(
        "--seconds", type=duration_s, default=3.0, metavar="TIME", help="each step (default: 3s)"
    )
    check.add_argument(
        "--writers", default="1,16,64", metavar="N,…", help="at once (default: 1,16,64)"
    )
    check.add_argument(
        "--value-bytes", type=int, default=100, metavar="N", help="of each put (default: 100)"
    )
