"""`kvorum status`: the cluster as a table, once or for as long as somebody looks."""

import threading
from argparse import Namespace

from kvorum.cli.console import Console
from kvorum.cli.data.session import asks
from kvorum.cli.exits import Exit
from kvorum.cli.health.judging import Kind
from kvorum.cli.health.sampling import take_sample
from kvorum.cli.health.table import Picture, fields, plain, rich_picture
from kvorum.cli.output import json_block
from kvorum.client import Client

_TIMEOUT_S = 2.0
"""Of one question to one endpoint, unless --timeout says otherwise."""
_NOBODY_SERVES = frozenset({Kind.NO_LEADER, Kind.UNREACHABLE})


@asks
def run_status(client: Client, arguments: Namespace, console: Console) -> int:
    timeout_s = arguments.timeout or _TIMEOUT_S
    is_live = console.stdout.isatty() and not arguments.once and arguments.output in (None, "table")
    if is_live:
        return _follow(client, timeout_s, arguments.interval, console)
    picture = Picture.of(take_sample(client, timeout_s))
    console.say(json_block(fields(picture)) if arguments.output == "json" else plain(picture))
    return exit_of(picture)


def exit_of(picture: Picture) -> Exit:
    """DONE if all is well."""
    is_served = bool(picture.sample.leader_id)
    if not is_served and any(alarm.kind in _NOBODY_SERVES for alarm in picture.alarms):
        return Exit.UNAVAILABLE
    return Exit.CONFLICT if picture.alarms else Exit.DONE


def _follow(client: Client, timeout_s: float, interval_s: float, console: Console) -> int:
    """Until Ctrl-C, which is how one leaves it."""
    from rich.console import Console as RichConsole  # noqa: PLC0415  # slow, and seldom needed
    from rich.live import Live  # noqa: PLC0415  # as above

    pause = threading.Event()
    sample = take_sample(client, timeout_s)
    picture = Picture.of(sample)
    terminal = RichConsole(file=console.stdout)
    try:
        with Live(rich_picture(picture), console=terminal, auto_refresh=False) as live:
            while True:
                live.update(rich_picture(picture), refresh=True)
                pause.wait(interval_s)
                sample = take_sample(client, timeout_s, sample)
                picture = Picture.of(sample)
    except KeyboardInterrupt:
        return exit_of(picture)
