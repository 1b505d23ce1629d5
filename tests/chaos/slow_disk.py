"""The disk of a running node, made slow, stuck or faulty from outside.

The node's syncs wait until a thread here lets them go on, late, or answers them with an error.
See :mod:`tests.chaos.launch` for the other end.
"""

import array
import contextlib
import errno
import fcntl
import os
import platform
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.chaos.launch import PROCESSORS

LAUNCH = Path(__file__).parent / "launch.py"
NOTIFICATION_BYTES, RESPONSE_BYTES = 80, 24  # struct seccomp_notif, struct seccomp_notif_resp
RECEIVE = 0xC0502100  # SECCOMP_IOCTL_NOTIF_RECV
RESPOND = 0xC0182101  # SECCOMP_IOCTL_NOTIF_SEND
CONTINUE = 1  # SECCOMP_USER_NOTIF_FLAG_CONTINUE


class SlowDisk:
    """The syncs of one process: by default they pass at once."""

    def __init__(self) -> None:
        self._ours, self.theirs = socket.socketpair()
        self._closing, self._close = os.pipe()
        self._changed = threading.Condition()
        self._delay_s = 0.0
        self._error = 0
        self._thread = threading.Thread(target=self._serve, name="slow disk", daemon=True)
        self.syncs = 0

    def start(self) -> None:
        """After the process was started with ``theirs``."""
        self.theirs.close()
        self._thread.start()

    def make(self, *, delay_s: float = 0.0, error: int = 0) -> None:
        """From now on; a sync that waits already is decided anew."""
        with self._changed:
            self._delay_s, self._error = delay_s, error
            self._changed.notify_all()

    def close(self) -> None:
        self.make()
        os.close(self._close)
        if self._thread.is_alive():
            self._thread.join()
        os.close(self._closing)
        self._ours.close()
        self.theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # --- in the thread -----------------------------------------------------------------

    def _serve(self) -> None:
        ready, _, _ = select.select([self._ours.fileno(), self._closing], [], [])
        if self._ours.fileno() not in ready:
            return
        _, rights, _, _ = self._ours.recvmsg(1, socket.CMSG_SPACE(4))
        if not rights:
            return  # the process ended before it had a filter
        listener = array.array("i", rights[0][2])[0]
        try:
            self._answer_all(listener)
        finally:
            os.close(listener)

    def _answer_all(self, listener: int) -> None:
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        poll.register(self._closing, select.POLLIN)
        while True:
            events = dict(poll.poll())
            if self._closing in events or events.get(listener, 0) & select.POLLHUP:
                return
            # A process that ended meanwhile has no call to be asked about or answered (ENOENT).
            with contextlib.suppress(FileNotFoundError):
                self._answer_one(listener)

    def _answer_one(self, listener: int) -> None:
        notification = bytearray(NOTIFICATION_BYTES)
        fcntl.ioctl(listener, RECEIVE, notification)
        (call,) = struct.unpack_from("=Q", notification)
        self.syncs += 1
        error = self._decision()
        response = struct.pack("=QqiI", call, 0, -error, 0 if error else CONTINUE)
        fcntl.ioctl(listener, RESPOND, bytearray(response))

    def _decision(self) -> int:
        """Wait as long as the disk is to take; the error number to answer."""
        began_s = time.monotonic()
        with self._changed:
            while (left_s := began_s + self._delay_s - time.monotonic()) > 0:
                self._changed.wait(left_s)
            return self._error


def why_no_slow_disk() -> str:
    """Empty if syncs can be intercepted here, else the reason for people."""
    if platform.machine() not in PROCESSORS:
        return f"no numbers of system calls for {platform.machine()}"
    with SlowDisk() as disk:
        disk.make(error=errno.EIO)
        script = "import os, sys; os.fsync(sys.stdout.fileno())"
        command = [str(LAUNCH), "--notify", str(disk.theirs.fileno()), sys.executable, "-c", script]
        trial = subprocess.Popen(
            [sys.executable, *command],
            pass_fds=[disk.theirs.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        disk.start()
        said = trial.communicate()[1]
    return "" if "Input/output error" in said else said.strip().rpartition("\n")[2] or "no effect"
