"""The arguments of `kvorum lease …`, `lock` and `elect`."""

from argparse import ArgumentParser

from kvorum.cli.asking import asking_options, duration_s
from kvorum.cli.commands import CommandParser, Commands, add_command
from kvorum.cli.data.key_parsers import add_text_options
from kvorum.cli.exits import EXIT_CODES

LEASE = """\
A lease has a time to live. Keys that were put with it vanish when it ends, unless it is kept
alive.

examples:
  id=$(kvorum lease grant 30s -o raw)
  kvorum put services/web/1 '"10.0.0.7:80"' --lease "$id"
  kvorum lease keepalive "$id" --forever
"""

GRANT = """\
Grant a lease, and print its id.

examples:
  kvorum lease grant 30s
  kvorum lease grant 5m --id worker-7
  kvorum lease grant 30s -o raw             # the id alone
"""

KEEPALIVE = """\
Give a lease its whole time again: once, or with --forever again and again until Ctrl-C; the
lease ends after its time to live then, or at once with --revoke. -o json prints a line each time.

examples:
  kvorum lease keepalive worker-7
  kvorum lease keepalive worker-7 --forever --revoke
"""

REVOKE = """\
End a lease, and delete its keys.

examples:
  kvorum lease revoke worker-7
"""

LEASES = """\
List the leases, with what is left of their time.

examples:
  kvorum lease list
  kvorum lease list -o json | jq -r .id
"""

SHOW = """\
Show one lease, and its keys.

examples:
  kvorum lease show worker-7
"""

LOCK = """\
Hold a lock while COMMAND runs; who waits gets it in the order of arrival. COMMAND finds the
fencing token in KVORUM_LOCK_TOKEN (and KVORUM_LOCK_NAME, KVORUM_LOCK_LEASE): hand it to
what the lock protects, which refuses a smaller one than it has seen, since no lock alone can
keep out a holder that was asleep. Exits as COMMAND does. Signals are passed on.

Without COMMAND the lock is held until Ctrl-C, and the token printed.

When the lock is lost (nobody could be reached for the time to live), COMMAND gets SIGTERM, and
SIGKILL 10 s later, and the exit code is 1; with --lost=warn it goes on, and a warning is printed.
A `kvorum` that is itself killed by SIGKILL leaves COMMAND running beside the next holder's; on
Linux, `setpriv --pdeathsig KILL` before COMMAND prevents that.

examples:
  kvorum lock backup -- pg_dump -f dump.sql mydb
  kvorum lock backup --no-wait -- ./backup.sh     # exit code 4 if it is taken
  kvorum lock backup --wait 5m --ttl 30s -- ./backup.sh
  kvorum lock backup                              # hold it until Ctrl-C
  kvorum lock backup --show                       # exit code 3 if nobody holds it
"""

ELECT = """\
Stand for election NAME, and when elected, print the token and lead until Ctrl-C. VALUE is what
others see of the leader (default: host name and process id). Or see who leads.

examples:
  kvorum elect scheduler '"10.0.0.7:8080"'
  kvorum elect scheduler --leader                 # exit code 3 if nobody leads
  kvorum elect scheduler --observe                # each leader, until Ctrl-C
  kvorum elect scheduler --observe -o json
"""


def add_parsers(commands: Commands) -> None:
    """The commands on leases and what hangs on them."""
    lease = add_command(commands, "lease", "keys that end by themselves", LEASE)
    of_lease = lease.add_subparsers(dest="lease_command", metavar="COMMAND", required=True)
    _add_lease_commands(of_lease)
    _add_lock(commands)
    _add_elect(commands)


def _asking(
    commands: Commands, name: str, summary: str, description: str, run: str
) -> CommandParser:
    return add_command(
        commands,
        name,
        summary,
        description,
        run=f"kvorum.cli.data.{run}",
        parents=[asking_options()],
        epilog=EXIT_CODES,
    )


def _add_lease_commands(of: Commands) -> None:
    grant = _asking(of, "grant", "grant a lease", GRANT, "leases:run_grant")
    grant.add_argument("ttl", type=duration_s, metavar="TTL", help="time to live: 30s, 5m")
    grant.add_argument("--id", metavar="ID", default="", help="default: the node makes one")
    keepalive = _asking(of, "keepalive", "renew a lease", KEEPALIVE, "leases:run_keepalive")
    keepalive.add_argument("id", metavar="ID")
    keepalive.add_argument("--forever", action="store_true", help="until Ctrl-C")
    keepalive.add_argument("--revoke", action="store_true", help="revoke it at Ctrl-C")
    revoke = _asking(of, "revoke", "end a lease", REVOKE, "leases:run_revoke")
    revoke.add_argument("id", metavar="ID")
    _asking(of, "list", "list the leases", LEASES, "leases:run_list")
    show = _asking(of, "show", "show a lease and its keys", SHOW, "leases:run_show")
    show.add_argument("id", metavar="ID")


def _add_lock(commands: Commands) -> None:
    lock = _asking(commands, "lock", "run a command while holding a lock", LOCK, "locking:run_lock")
    lock.takes_command_line = True
    lock.usage = "kvorum lock [options] NAME [-- COMMAND …]"
    lock.add_argument("name", metavar="NAME")
    _add_ttl(lock)
    wait = lock.add_mutually_exclusive_group()
    wait.add_argument(
        "--wait", type=duration_s, metavar="TIME", help="default: as long as it takes"
    )
    wait.add_argument("--no-wait", action="store_true", help="do not wait if it is taken")
    wait.add_argument("--show", action="store_true", help="print who holds it now")
    lock.add_argument(
        "--lost",
        choices=("kill", "warn"),
        default="kill",
        help="what to do with COMMAND when the lock is lost (default: kill)",
    )


def _add_elect(commands: Commands) -> None:
    elect = _asking(commands, "elect", "lead, or see who leads", ELECT, "electing:run_elect")
    elect.add_argument("name", metavar="NAME")
    elect.add_argument("value", nargs="?", metavar="VALUE")
    add_text_options(elect)
    _add_ttl(elect)
    watch = elect.add_mutually_exclusive_group()
    watch.add_argument("--observe", action="store_true", help="print each leader, until Ctrl-C")
    watch.add_argument("--leader", action="store_true", help="print who leads now")


def _add_ttl(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--ttl",
        type=duration_s,
        default=10.0,
        metavar="TIME",
        help="how long it stays taken after this process dies (default: 10s)",
    )
