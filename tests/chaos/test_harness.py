"""The faults bite, and nothing of a dead harness stays."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.commands import DIRECTORY_PREFIX, CommandFailed, remove_directories, run
from tests.chaos.places import PEER_PORT, Namespaces, why_no_namespaces
from tests.chaos.slow_disk import LAUNCH, SlowDisk, why_no_slow_disk
from tests.support.wait import eventually

SEND = """
import socket, sys
host, port, text, times = sys.argv[1:]
for _ in range(int(times)):
    socket.socket(type=socket.SOCK_DGRAM).sendto(text.encode(), (host, int(port)))
"""
RECEIVE = """
import socket, sys
receiver = socket.socket(type=socket.SOCK_DGRAM)
receiver.bind((sys.argv[1], int(sys.argv[2])))
print("bound", flush=True)
while (text := receiver.recv(9).decode()) != "end":
    print(text, flush=True)
"""


@pytest.fixture
def namespaces(not_run: dict[str, str]) -> Iterator[Namespaces]:
    reason = why_no_namespaces()
    if reason:
        not_run["packet filters"] = reason
        pytest.skip(reason)  # the summary says so loudly
    places = Namespaces()
    try:
        yield places
    finally:
        places.close()


def heard(places: Namespaces, receiver: int, senders: tuple[int, ...], times: int = 1) -> list[str]:
    """What arrives when each sender in turn sends its number so many times."""
    address = (places.peers[receiver][0], str(PEER_PORT))
    listening = subprocess.Popen(
        [*places.inside(receiver), sys.executable, "-c", RECEIVE, *address],
        stdout=subprocess.PIPE,
        text=True,
    )
    with listening:
        assert listening.stdout is not None
        assert listening.stdout.readline() == "bound\n"
        send = (sys.executable, "-c", SEND, *address)
        for sender in senders:
            run(*places.inside(sender), *send, str(sender), str(times))
        run(*send, "end", "1")  # from where clients are: no filter is in the way
        return listening.stdout.read().split()


def test_a_blocked_link_loses_everything_in_its_direction_alone(namespaces: Namespaces) -> None:
    assert heard(namespaces, 2, (1, 3)) == ["1", "3"]
    namespaces.block({(1, 2)})
    assert heard(namespaces, 2, (1, 3)) == ["3"]
    assert heard(namespaces, 1, (2, 3)) == ["2", "3"]
    namespaces.heal()
    assert heard(namespaces, 2, (1, 3)) == ["1", "3"]


def test_lossy_links_lose_some(namespaces: Namespaces) -> None:
    namespaces.block((), loss_percent=50)
    assert 0 < len(heard(namespaces, 2, (1,), times=200)) < 200


def test_an_unplugged_machine_hears_nobody(namespaces: Namespaces) -> None:
    namespaces.plug(1, in_=False)
    send = (*namespaces.inside(1), sys.executable, "-c", SEND, namespaces.peers[2][0])
    with pytest.raises(CommandFailed, match="unreachable"):
        run(*send, str(PEER_PORT), "1", "1")


@pytest.fixture
def slow_disk(not_run: dict[str, str]) -> Iterator[SlowDisk]:
    reason = why_no_slow_disk()
    if reason:
        not_run["slow disks"] = reason
        pytest.skip(reason)  # the summary says so loudly
    with SlowDisk() as disk:
        yield disk


def test_a_stuck_disk_holds_the_sync_until_it_is_healed(
    slow_disk: SlowDisk, tmp_path: Path
) -> None:
    slow_disk.make(delay_s=3600)
    script = "import os, sys; f = open(sys.argv[1], 'w'); os.fdatasync(f.fileno())"
    channel = slow_disk.theirs.fileno()
    command = [sys.executable, str(LAUNCH), "--notify", str(channel), sys.executable]
    process = subprocess.Popen(
        [*command, "-c", script, str(tmp_path / "file")], pass_fds=(channel,)
    )
    slow_disk.start()
    eventually("the sync has arrived", lambda: slow_disk.syncs == 1)
    assert process.poll() is None
    slow_disk.make()
    assert process.wait(timeout=20) == 0


def test_directories_of_dead_harnesses_go_and_others_stay(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead = tmp_path / f"{DIRECTORY_PREFIX}{gone.pid}-x"
    alive = tmp_path / f"{DIRECTORY_PREFIX}{os.getpid()}-x"
    kept = tmp_path / f"kept-{DIRECTORY_PREFIX}{gone.pid}-x"
    for directory in (dead, alive, kept):
        (directory / "Node-1").mkdir(parents=True)
    assert list(remove_directories(tmp_path)) == [dead.name]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([alive.name, kept.name])
