"""The arguments of `kvorum member …` and `kvorum transfer`."""

from kvorum.cli.asking import asking_options
from kvorum.cli.commands import Commands, add_command

MEMBER = """\
See and change who belongs to a running cluster. Any node may be asked; it hands changes to
its leader. One change at a time. docs/membership.md tells the whole procedure.

examples:
  kvorum member list
  kvorum member add localhost:8006
  kvorum member promote localhost:8006
  kvorum member remove Node-3 --endpoint http://localhost:8082
"""

LIST = """\
List the members. Among several endpoints the leader's is preferred: only the leader knows
who is active, and how many log entries each one lacks (LAG).

examples:
  kvorum member list
  kvorum member list --endpoint localhost:8081,localhost:8082,localhost:8083
  kvorum member list -o json
"""

ADD = """\
Add a node as a learner: it gets the log and counts in no majority. Start the node then,
with ADDRESS as its SELF_ADDRESS and an empty data directory.

examples:
  kvorum member add localhost:8006
"""

PROMOTE = """\
Make a learner that has caught up a voter.

examples:
  kvorum member promote localhost:8006
  kvorum member promote localhost:8006#1f
"""

REMOVE = """\
Remove a member for good. Its node says so and stops serving; its id never comes back. Asks
first on a terminal.

examples:
  kvorum member remove Node-3
  kvorum member remove localhost:8003 --yes
"""

TRANSFER = """\
Let another node lead, for example before this one's machine is shut down. Without ID the
leader chooses who is furthest. A node that is stopped by SIGTERM does this by itself.

examples:
  kvorum transfer
  kvorum transfer Node-2
"""

_ANY_NAME = "id, address or name (SELF_ID) of a member"
_MEMBER = "kvorum.cli.cluster.commands:run_member"
_TRANSFER = "kvorum.cli.cluster.commands:run_transfer"


def add_parsers(commands: Commands) -> None:
    """`member` with its subcommands, and `transfer`."""
    asking = [asking_options()]
    member = add_command(commands, "member", "see and change who belongs to the cluster", MEMBER)
    of = member.add_subparsers(dest="member_command", metavar="COMMAND", required=True)
    add_command(of, "list", "list the members", LIST, run=_MEMBER, parents=asking)
    add = add_command(of, "add", "add a node as a learner", ADD, run=_MEMBER, parents=asking)
    add.add_argument("address", metavar="ADDRESS", help="SELF_ADDRESS of the new node: host:port")
    promote = add_command(
        of, "promote", "make a learner a voter", PROMOTE, run=_MEMBER, parents=asking
    )
    promote.add_argument("id", metavar="ID", help=_ANY_NAME)
    remove = add_command(of, "remove", "remove a member", REMOVE, run=_MEMBER, parents=asking)
    remove.add_argument("id", metavar="ID", help=_ANY_NAME)
    remove.add_argument("--yes", action="store_true", help="do not ask first")
    transfer = add_command(
        commands, "transfer", "let another node lead", TRANSFER, run=_TRANSFER, parents=asking
    )
    transfer.add_argument("id", nargs="?", metavar="ID", help=_ANY_NAME)
