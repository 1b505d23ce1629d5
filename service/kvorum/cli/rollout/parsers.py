"""The arguments of `kvorum rollout before` and `kvorum rollout after`."""

from argparse import ArgumentParser

from kvorum.cli.asking import asking_options
from kvorum.cli.commands import Commands, add_command

ROLLOUT = """\
Members before and after a StatefulSet of nodes is scaled or upgraded. The Helm chart runs both
as hooks; by hand they serve `kubectl scale`. Node n of the set is the one whose SELF_ADDRESS is
the pattern --members with n for {}. Members at other addresses stay as they are.

Run again after a failure, whatever it was: what is done already is left alone.

examples:
  kvorum rollout before --replicas 5 --members 'kv-{}.kv-headless.db.svc.cluster.local:8001'
  kubectl scale statefulset kv --replicas 5
  kvorum rollout after --replicas 5 --members 'kv-{}.kv-headless.db.svc.cluster.local:8001'
"""

BEFORE = """\
What has to be true before pods are restarted, or there are more or fewer of them:

  1. every voter that stays is active and has caught up; otherwise nothing is changed (--force)
  2. node 0 leads, since a StatefulSet restarts its highest pod first and 0 last (--no-lead)
  3. members with a number of --replicas or more are removed, the highest first
  4. nodes 0 to N-1 that are no members yet are added as learners, before their pods start

A dead member may be removed as long as the others are a majority.

exit codes: 0 the pods may be changed, 1 refused, 5 nobody could be asked, or nobody leads.

examples:
  kvorum rollout before --replicas 3 --members 'kv-{}.kv-headless.db.svc.cluster.local:8001'
  kvorum rollout before --replicas 3 --members 'localhost:910{}' --no-lead
"""

AFTER = """\
Wait until nodes 0 to N-1 run and have caught up, and make those voters that are not: one after
the other, as they come. A node that is no member is added first. Ends when all of them are
voters, have caught up, and a leader is known.

exit codes: 0 done, 1 not within --timeout (it says who is missing), 5 nobody could be asked.

examples:
  kvorum rollout after --replicas 5 --members 'kv-{}.kv-headless.db.svc.cluster.local:8001'
  kvorum rollout after --replicas 5 --members 'localhost:910{}' --timeout 10m -o json
"""

_REST_PORT = 8081


def add_parsers(commands: Commands) -> None:
    """`rollout` with `before` and `after`."""
    rollout = add_command(
        commands, "rollout", "members before and after a StatefulSet changes", ROLLOUT
    )
    of = rollout.add_subparsers(dest="rollout_command", metavar="COMMAND", required=True)
    run = "kvorum.cli.rollout.commands:run_{}"
    before = add_command(
        of,
        "before",
        "make sure that pods may be changed",
        BEFORE,
        run=run.format("before"),
        parents=[asking_options("60s")],
    )
    _add_options(before)
    before.add_argument(
        "--no-lead", action="store_true", help="leadership stays, unless the leader has to go"
    )
    before.add_argument(
        "--force", action="store_true", help="go on although a voter that stays is not well"
    )
    after = add_command(
        of,
        "after",
        "wait for the nodes, and let them vote",
        AFTER,
        run=run.format("after"),
        parents=[asking_options("240s")],
    )
    _add_options(after)


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--replicas", type=int, required=True, metavar="N", help="how many there will be"
    )
    parser.add_argument(
        "--members",
        required=True,
        metavar="PATTERN",
        help="peer address (SELF_ADDRESS) of each node, with {} for its number",
    )
    parser.add_argument(
        "--rest-port",
        type=int,
        default=_REST_PORT,
        metavar="PORT",
        help="where the leader itself is asked, if no --endpoint leads: this port at the host "
        f"of its peer address (default: {_REST_PORT})",
    )
