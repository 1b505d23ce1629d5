"""`kvorum rollout before` and `kvorum rollout after`, from arguments to exit code."""

from argparse import Namespace

from kvorum.cli.cluster.endpoints import Failed
from kvorum.cli.console import Console
from kvorum.cli.exits import Exit
from kvorum.cli.failed import tell_failure
from kvorum.cli.rollout.asking import LeaderSight
from kvorum.cli.rollout.carrying import Limits, Plan, Rollout
from kvorum.cli.rollout.ordinals import REPLICAS_MAX, Ordinals
from kvorum.cli.rollout.planning import next_after, next_before
from kvorum.cli.rollout.steps import Step
from kvorum.cli.rollout.telling import Telling
from kvorum.cli.rollout.view import View
from kvorum.cli.rollout.words import AGAIN, NO_HOOKS

BEFORE_S, AFTER_S = 60.0, 240.0
"""Unless --timeout says otherwise; helm gives a hook five minutes, unless told otherwise."""

_PATIENCE_S = 10.0
"""For a voter that is not well: one that restarts is back by then."""
_UNREACHED_S = 15.0
"""For a cluster that cannot be asked: an election takes a second or two."""

_STEADY_S = 2.0


def run_before(arguments: Namespace, console: Console) -> int:
    """DONE: the pods may be changed."""

    def plan(view: View) -> Step:
        return next_before(view, may_move_lead=not arguments.no_lead, force=arguments.force)

    timeout_s = arguments.timeout or BEFORE_S
    limits = Limits(timeout_s, _PATIENCE_S, _UNREACHED_S, _STEADY_S, NO_HOOKS)
    return _run(arguments, console, plan, limits, removes=True)


def run_after(arguments: Namespace, console: Console) -> int:
    """DONE: all nodes vote and have caught up."""
    timeout_s = arguments.timeout or AFTER_S
    limits = Limits(timeout_s, timeout_s, timeout_s, 0.0, AGAIN)
    return _run(arguments, console, next_after, limits, removes=False)


def _run(
    arguments: Namespace, console: Console, plan: Plan, limits: Limits, *, removes: bool
) -> int:
    as_json = arguments.output == "json"
    try:
        ordinals = _checked(arguments)
        sight = LeaderSight(arguments.endpoint, arguments.rest_port)
        telling = Telling(console, as_json=as_json)
        rollout = Rollout(sight, ordinals, arguments.replicas, limits=limits, telling=telling)
        rollout.carry_out(plan, removes=removes)
    except Failed as error:
        return tell_failure(error, console, as_json=as_json)
    return Exit.DONE


def _checked(arguments: Namespace) -> Ordinals:
    if not 1 <= arguments.replicas <= REPLICAS_MAX:
        raise Failed(
            f"--replicas {arguments.replicas}: give a number from 1 to {REPLICAS_MAX}; a cluster "
            "that is to be gone is uninstalled, its members need not be removed",
            Exit.USAGE,
        )
    try:
        ordinals = Ordinals.of(arguments.members)
        ordinals.address(arguments.replicas - 1)  # as of localhost:910{}, whose ports end at 9109
    except ValueError as error:
        raise Failed(
            f"--members {error}; an example: 'kv-{{}}.kv-headless.default.svc.cluster.local:8001'",
            Exit.USAGE,
        ) from error
    return ordinals
