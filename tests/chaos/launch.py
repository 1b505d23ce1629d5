"""``python launch.py [--notify FD] PROGRAM ARGUMENT…``: become a node that the harness controls.

It dies with its parent, however that dies. With ``--notify`` its fsync and fdatasync calls wait
for the harness: a seccomp filter sends them there (seccomp(2), SECCOMP_RET_USER_NOTIF), and the
descriptor on which they arrive goes through the socket FD. The program itself is as shipped.
Only the standard library and no package of ours: this runs before every node.
"""

import array
import ctypes
import os
import platform
import signal
import socket
import struct
import sys

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_SET_MODE_FILTER = 1
FILTER_FLAG_NEW_LISTENER = 1 << 3
RET_ALLOW = 0x7FFF0000
RET_USER_NOTIF = 0x7FC00000
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06  # classic BPF


class Processor:
    """What a processor's system calls are numbered."""

    def __init__(self, audit: int, seccomp: int, fsync: int, fdatasync: int) -> None:
        self.audit, self.seccomp = audit, seccomp
        self.syncs = (fsync, fdatasync)


PROCESSORS = {
    "x86_64": Processor(0xC000003E, 317, 74, 75),
    "aarch64": Processor(0xC00000B7, 277, 82, 83),
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def sync_filter(processor: Processor) -> bytes:
    """Ask about syncs, allow the rest. ``struct seccomp_data``: the call, then the machine."""
    steps = [
        (LOAD_WORD, 0, 0, 4),
        (JUMP_IF_EQUAL, 0, 3, processor.audit),
        (LOAD_WORD, 0, 0, 0),
        (JUMP_IF_EQUAL, 2, 0, processor.syncs[0]),
        (JUMP_IF_EQUAL, 1, 0, processor.syncs[1]),
        (RETURN, 0, 0, RET_ALLOW),
        (RETURN, 0, 0, RET_USER_NOTIF),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def send_syncs_to(channel: int) -> None:
    """Install the filter and hand its descriptor to the other end of the socket ``channel``."""
    libc = ctypes.CDLL(None, use_errno=True)
    processor = PROCESSORS[platform.machine()]
    code = sync_filter(processor)
    program = _Program(len(code) // 8, code)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    listener = libc.syscall(
        processor.seccomp, SECCOMP_SET_MODE_FILTER, FILTER_FLAG_NEW_LISTENER, ctypes.byref(program)
    )
    if listener < 0:
        raise OSError(ctypes.get_errno(), "seccomp: " + os.strerror(ctypes.get_errno()))
    with socket.socket(fileno=channel) as harness:
        rights = array.array("i", [listener]).tobytes()
        harness.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    os.close(listener)


def main(arguments: list[str]) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if arguments[0] == "--notify":
        send_syncs_to(int(arguments[1]))
        arguments = arguments[2:]
    os.execv(arguments[0], arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
