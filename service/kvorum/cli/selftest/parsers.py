"""The arguments of `kvorum selftest`."""

from kvorum.cli.asking import asking_options
from kvorum.cli.commands import Commands, add_command

SELFTEST = """\
Whether a cluster does what it is for, through the endpoint that programs use: put, get,
compare-and-set (one that must succeed, one that must not), list, watch, delete. The keys are
its own, `_selftest/…`, and hang on a lease: nothing stays behind, not even if it is killed.
The first step that fails ends it; --timeout (default: 10s) is for each step.

exit codes: 0 all steps are done; otherwise as of all commands: 5 no node could serve.

examples:
  kvorum selftest
  kvorum selftest --endpoint http://kv.db.svc:8081
  kvorum selftest -o json
"""


def add_parsers(commands: Commands) -> None:
    add_command(
        commands,
        "selftest",
        "put, get, watch and delete, to see that it works",
        SELFTEST,
        run="kvorum.cli.selftest.command:run_selftest",
        parents=[asking_options()],
    )
