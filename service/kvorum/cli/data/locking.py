"""`kvorum lock`: a lock around another program, or around nothing until Ctrl-C."""

import os
import signal
import subprocess
import threading
from argparse import Namespace
from collections.abc import Mapping

from kvorum.cli.console import Console
from kvorum.cli.data.session import asks
from kvorum.cli.exits import Exit
from kvorum.cli.failed import CommandFailed
from kvorum.cli.output import json_line, printable
from kvorum.cli.signals import ending_in_order, reaches_children, waiting
from kvorum.client import Client
from kvorum.client.sync.claims import Lock

GRACE_S = 10.0
"""Between SIGTERM and SIGKILL for a command that lost its lock."""


@asks
def run_lock(client: Client, arguments: Namespace, console: Console) -> int:
    if arguments.show:
        return _show_holder(client, arguments, console)
    holding = Holding(arguments, console)
    lock = client.lock(
        arguments.name,
        ttl_s=arguments.ttl,
        wait_s=0 if arguments.no_wait else arguments.wait,
        on_lost=holding.lose,
    )
    with ending_in_order():
        if not arguments.no_wait:
            _tell_who_holds_it(client, arguments, console)
        with lock:
            return holding.run(lock)


def _show_holder(client: Client, arguments: Namespace, console: Console) -> int:
    if arguments.command_line:
        raise CommandFailed(Exit.USAGE, "--show takes no COMMAND")
    queue = client.locks.show(arguments.name)
    holder, waiting = queue.holder, len(queue.queue)
    if holder is None:
        raise CommandFailed(Exit.NOT_FOUND, f"nobody holds {printable(arguments.name)}")
    match arguments.output:
        case "json":
            held = {"lease": holder.lease, "token": holder.token}
            console.say(json_line({"holder": held, "waiting": waiting, "more": queue.more}))
        case "raw":
            console.say(str(holder.token))
        case _:
            waits = f"; {waiting}{' or more' * queue.more} waiting" if waiting else ""
            console.say(f"held by lease {holder.lease} with token {holder.token}{waits}")
    return Exit.DONE


def _tell_who_holds_it(client: Client, arguments: Namespace, console: Console) -> None:
    """Raises if the cluster is out of reach: waiting would be in silence, and without end."""
    queue = client.locks.show(arguments.name)
    if queue.holder is not None and console.stderr.isatty():
        waiting = f"; {len(queue.queue)} wait before" if queue.queue else ""
        console.warn(
            f"kvorum: waiting for {printable(arguments.name)}, held by lease "
            f"{queue.holder.lease}{waiting}"
        )


class Holding:
    """What happens while the lock is held, and when it is lost.

    :meth:`lose` comes from another thread than :meth:`run`.
    """

    def __init__(self, arguments: Namespace, console: Console) -> None:
        self._arguments = arguments
        self._console = console
        self._lost = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None

    def run(self, lock: Lock) -> int:
        """Exit code."""
        if not self._arguments.command_line:
            self._show(lock)
            self._lost.wait()
            raise self._loss()
        code = self._run_command(lock)
        if self._lost.is_set() and self._arguments.lost == "kill":
            raise self._loss()
        return code

    def _show(self, lock: Lock) -> None:
        fields = {"name": lock.name, "token": lock.token, "lease": lock.lease_id}
        match self._arguments.output:
            case "json":
                self._console.say(json_line(fields))
            case "raw":
                self._console.say(str(lock.token))
            case _:
                name = printable(lock.name)
                self._console.say(f"holding {name} with token {lock.token}; Ctrl-C gives it up")
        self._console.stdout.flush()

    def _run_command(self, lock: Lock) -> int:
        with waiting() as wait:
            child = self._start(lock)
            self._child = child
            if self._lost.is_set() and self._arguments.lost == "kill":
                self._stop(child)
            return wait.wait(child, self._forward)

    def _start(self, lock: Lock) -> "subprocess.Popen[bytes]":
        command = self._arguments.command_line
        try:
            return subprocess.Popen(command, env=_environment(lock))  # noqa: S603  # it is theirs
        except OSError as error:
            code = 127 if isinstance(error, FileNotFoundError) else 126  # as of any shell
            raise CommandFailed(code, f"{command[0]}: {error.strerror}") from error

    def _forward(self, number: int) -> None:
        assert self._child is not None, "who waits has a child"
        if not reaches_children(number, self._console.stdin):
            self._child.send_signal(number)

    def lose(self) -> None:
        """The lease ended, or may have."""
        self._lost.set()
        if self._arguments.lost == "warn" and self._arguments.command_line:
            self._console.warn(f"kvorum: {self._loss()}")
        elif self._child is not None:
            self._stop(self._child)

    def _stop(self, child: "subprocess.Popen[bytes]") -> None:
        child.send_signal(signal.SIGTERM)
        kill = threading.Timer(GRACE_S, child.send_signal, (signal.SIGKILL,))
        kill.daemon = True
        kill.start()

    def _loss(self) -> CommandFailed:
        return CommandFailed(
            Exit.FAILED,
            f"the lock {printable(self._arguments.name)} is lost: its lease ended, or could not be "
            "renewed in time",
        )


def _environment(lock: Lock) -> Mapping[str, str]:
    return os.environ | {
        "KVORUM_LOCK_NAME": lock.name,
        "KVORUM_LOCK_TOKEN": str(lock.token),
        "KVORUM_LOCK_LEASE": lock.lease_id,
    }
