"""On a terminal: escapes stay escapes, a bar shows progress, Ctrl-C comes once."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine

COUNTING = """
import signal, sys, threading
never, interrupts = threading.Event(), []
def count(number, _frame):
    interrupts.append(number)
    print("interrupted", flush=True)
def tell(number, _frame):
    print("interrupts:", len(interrupts), flush=True)
    sys.exit(0)
signal.signal(signal.SIGINT, count)
signal.signal(signal.SIGUSR1, tell)
print("runs", flush=True)
while True:
    never.wait()
"""


class Terminal:
    """What a command shows on a terminal of its own, and keys that are pressed there."""

    def __init__(self, process: "subprocess.Popen[bytes]", master: int) -> None:
        self.process = process
        self._master = master
        self.shown = ""

    def press(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def read_until(self, words: str) -> None:
        while words not in self.shown:
            part = self._read()
            assert part, f"it ended without {words!r}: {self.shown}"

    def read_all(self) -> str:
        while self._read():
            pass
        return self.shown

    def _read(self) -> str:
        try:
            part = os.read(self._master, 65536).decode(errors="replace")
        except OSError:  # Linux says so that nobody has the other end open
            return ""
        self.shown += part
        return part


@contextmanager
def terminal(kvorum: CommandLine, *words: str) -> Iterator[Terminal]:
    master, slave = pty.openpty()
    leads = (
        "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
        "os.execv(sys.executable, [sys.executable, '-m', 'kvorum.cli.main', *sys.argv[1:]])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", leads, *words],
        env={**os.environ, **kvorum.environ, "TERM": "xterm", "COLUMNS": "60"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    ) as process:
        os.close(slave)
        try:
            yield Terminal(process, master)
        finally:
            process.kill()
            os.close(master)


def test_values_cannot_command_the_terminal(kvorum: CommandLine, own: str) -> None:
    kvorum("put", own, "red\x1b[31m\tand\nmore")
    with terminal(kvorum, "get", own) as screen:
        assert screen.read_all() == "red\\x1b[31m\tand\r\nmore\r\n"


def test_bytes_are_described(kvorum: CommandLine, own: str) -> None:
    kvorum("put", own, "-", "--content-type", "image/png", stdin=b"\xff\x1b")
    with terminal(kvorum, "get", own) as screen:
        assert screen.read_all() == "(2 bytes of image/png)\r\n"


def test_rows_are_as_wide_as_the_terminal(kvorum: CommandLine, own: str) -> None:
    kvorum("put", own, "x" * 100)
    with terminal(kvorum, "ls", own) as screen:
        row = screen.read_all().splitlines()[1]
    assert len(row) == 60
    assert row.endswith("x…")


def test_a_bar_shows_progress(kvorum: CommandLine, own: str, tmp_path: Path) -> None:
    path = tmp_path / "a.env"
    path.write_text("A=1\nB=2\n")
    with terminal(kvorum, "import", str(path), "--prefix", own) as screen:
        shown = screen.read_all()
    assert "importing" in shown
    assert "100%" in shown
    assert "imported 2 keys from " in shown


def test_ctrl_c_reaches_a_command_once(kvorum: CommandLine, own: str) -> None:
    """The terminal sends it to both; passed on, it would come twice.

    `kvorum` stands still meanwhile: two signals at the same moment would count as one.
    """
    with terminal(kvorum, "lock", own, "--", sys.executable, "-c", COUNTING) as screen:
        screen.read_until("runs")
        screen.process.send_signal(signal.SIGSTOP)
        screen.press(b"\x03")
        screen.read_until("interrupted")
        screen.process.send_signal(signal.SIGCONT)
        screen.process.send_signal(signal.SIGUSR1)
        assert "interrupts: 1" in screen.read_all()
        assert screen.process.wait(30) == 0


@pytest.mark.parametrize("command", ["lock", "elect"])
def test_ctrl_c_ends_quietly(kvorum: CommandLine, own: str, command: str) -> None:
    with terminal(kvorum, command, own) as screen:
        screen.read_until("with token")
        screen.press(b"\x03")
        shown = screen.read_all()
        assert screen.process.wait(30) == 130
    assert shown.splitlines()[1:] in ([], ["^C"])
