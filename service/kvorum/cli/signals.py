"""Signals of commands that run for long: they end in good order, or hand the signal on."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TextIO

ENDING = (signal.SIGTERM, signal.SIGHUP)
FORWARDED = (*ENDING, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
FROM_TERMINAL = (signal.SIGINT, signal.SIGQUIT)


class Interrupted(KeyboardInterrupt):
    """Asked to end by a signal other than Ctrl-C; ``code`` is the exit code for it."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.code = 128 + number


Handler = Callable[[int, FrameType | None], None]


@contextmanager
def handling(numbers: tuple[signal.Signals, ...], handler: Handler) -> Iterator[None]:
    """``handler`` for these signals meanwhile; what is ignored stays ignored (nohup)."""
    changed = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    before = [(number, signal.signal(number, handler)) for number in changed]
    try:
        yield
    finally:
        for number, previous in before:
            signal.signal(number, previous)


class Waiting:
    """Waits for a child, with the signals that came since it was made.

    Waiting in the system call would not do: a signal that comes right before it is told only
    when the call ends. So signals wake a socket, and the child's end is a signal as well.
    """

    def __init__(self, reader: socket.socket) -> None:
        self._reader = reader

    def wait(self, child: "subprocess.Popen[bytes]", forward: Callable[[int], None]) -> int:
        """The child's exit code, as shells give it."""
        while child.poll() is None:
            for number in self._reader.recv(64):
                if number in FORWARDED:
                    forward(number)
        return child.returncode if child.returncode >= 0 else 128 - child.returncode


@contextmanager
def waiting() -> Iterator[Waiting]:
    """Enter before the child is started, so that no signal ends this process alone."""

    def note(_number: int, _frame: FrameType | None) -> None:
        """The socket has it."""

    reader, writer = socket.socketpair()
    writer.setblocking(False)
    of_children = signal.signal(signal.SIGCHLD, note)
    with reader, writer, handling(FORWARDED, note):
        before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        try:
            yield Waiting(reader)
        finally:
            signal.set_wakeup_fd(before)
            signal.signal(signal.SIGCHLD, of_children)


@contextmanager
def ending_in_order() -> Iterator[None]:
    """SIGTERM and SIGHUP raise :class:`Interrupted`, as Ctrl-C raises KeyboardInterrupt."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(number)

    with handling(ENDING, interrupt):
        yield


def reaches_children(number: int, terminal: TextIO) -> bool:
    """Whether a signal comes from the keyboard, which sends it to all of the foreground."""
    if number not in FROM_TERMINAL or not terminal.isatty():
        return False
    return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
