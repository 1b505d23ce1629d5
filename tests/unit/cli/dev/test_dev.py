"""`kvorum dev` on fake nodes: start, leader, trouble, and a clean stop."""

import os
import signal
from collections.abc import Awaitable, Callable

import pytest

from tests.unit.cli.dev.conftest import Directory, Supervised

StartDev = Callable[[], Awaitable[Supervised]]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def fakes(directory: Directory) -> Directory:
    for number in (1, 2, 3):
        directory.serve(number, "Node-2")
    return directory


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_leader_is_announced_and_a_signal_stops_everything(
    fakes: Directory, start_dev: StartDev, stop: signal.Signals
) -> None:
    dev = await start_dev()
    await dev.until("Node-2 leads in term 4")
    await dev.until("Ctrl-C stops all nodes")
    pids = [await fakes.pid(number) for number in (1, 2, 3)]
    assert all(is_alive(pid) for pid in pids)
    dev.process.send_signal(stop)
    assert await dev.end() == 0
    assert not any(is_alive(pid) for pid in pids)
    assert dev.seen.endswith("kvorum: all nodes started here have stopped\n")
    assert "Traceback" not in dev.seen


async def test_next_steps_use_the_real_addresses(fakes: Directory, start_dev: StartDev) -> None:
    dev = await start_dev()
    await dev.until("Ctrl-C stops all nodes")
    first, second, _ = fakes.rest_ports
    assert f"curl -X POST http://127.0.0.1:{first}/key/greeting" in dev.seen
    assert f"curl http://127.0.0.1:{second}/key/greeting" in dev.seen
    assert f"http://127.0.0.1:{first}/swagger/index.html" in dev.seen
    assert f"    export KVORUM_ENDPOINT=http://127.0.0.1:{first}" in dev.seen
    assert f"kill -9 {await fakes.pid(2)}; then, in a terminal of its own, ./run2.sh" in dev.seen


async def test_logs_are_for_people_and_the_previous_one_is_kept(
    fakes: Directory, start_dev: StartDev
) -> None:
    old = fakes.path / "data" / "Node-1.log"
    old.parent.mkdir()
    old.write_text("the run before\n")
    dev = await start_dev()
    await dev.until("leads")
    assert await fakes.in_log(1, r"format (\w+)") == "human"
    assert old.with_name("Node-1.log.old").read_text() == "the run before\n"


async def test_death_of_a_node_is_reported_and_the_others_go_on(
    fakes: Directory, start_dev: StartDev
) -> None:
    dev = await start_dev()
    await dev.until("Ctrl-C stops all nodes")
    os.kill(await fakes.pid(3), signal.SIGKILL)
    await dev.until("Node-3 was killed by SIGKILL; 2 of 3 nodes run")
    await dev.until(r"start it again: \./run3\.sh")
    assert is_alive(await fakes.pid(1))


async def test_new_leader_is_reported(fakes: Directory, start_dev: StartDev) -> None:
    fakes.serve(1, "")
    fakes.serve(2, "")
    dev = await start_dev()
    await dev.until("Node-2 leads in term 4")


async def test_nodes_that_cannot_start_end_it_with_their_last_words(
    fakes: Directory, start_dev: StartDev
) -> None:
    third_is_up = "until grep -sq pid data/Node-3.log; do sleep 0.02; done"
    for number in (1, 2):
        fakes.write_script(number, f"{third_is_up}; echo 'kvorum: no space left'; exit 1")
    fakes.serve(3, "")
    dev = await start_dev()
    assert await dev.end() == 1
    for number in (1, 2):
        assert f"Node-{number} exited with 1; " in dev.seen
        assert f"Node-{number} | kvorum: no space left" in dev.seen
    assert "; 1 of 3 nodes run" in dev.seen
    assert dev.seen.count("2 nodes are needed for a leader; giving up") == 1
    assert not is_alive(await fakes.pid(3))


async def test_script_that_is_not_executable(fakes: Directory, start_dev: StartDev) -> None:
    (fakes.path / "run2.sh").chmod(0o644)
    dev = await start_dev()
    assert await dev.end() == 1
    assert "Node-2 cannot be started: " in dev.seen
    assert "Traceback" not in dev.seen


async def test_port_in_use_is_named_before_anything_starts(
    fakes: Directory, start_dev: StartDev
) -> None:
    first = await start_dev()
    await first.until("leads")
    second = await start_dev()
    assert await second.end() == 1
    assert f"port {fakes.rest_ports[0]} is in use (REST_ADDRESS of 1.env)" in second.seen
    assert is_alive(await fakes.pid(1))
    assert not (fakes.path / "data" / "Node-1.log.old").exists()


async def test_wrong_setting_is_explained(fakes: Directory, start_dev: StartDev) -> None:
    fakes.write_env(2, BROADCAST_TIME_MS="soon")
    dev = await start_dev()
    assert await dev.end() == 2
    assert "2.env: 1 problem" in dev.seen
    assert "BROADCAST_TIME_MS 'soon' is not a whole number" in dev.seen


async def test_two_nodes_with_one_id_are_refused(fakes: Directory, start_dev: StartDev) -> None:
    fakes.write_env(2, SELF_ID="Node-1")
    dev = await start_dev()
    assert await dev.end() == 2
    assert "SELF_ID Node-1 belongs to more than one node" in dev.seen


async def test_directory_without_env_files(fakes: Directory, start_dev: StartDev) -> None:
    for number in (1, 2, 3):
        (fakes.path / f"{number}.env").unlink()
    dev = await start_dev()
    assert await dev.end() == 2
    assert "holds no 1.env" in dev.seen


async def test_second_signal_kills_what_does_not_stop(
    fakes: Directory, start_dev: StartDev
) -> None:
    fakes.write_script(1, "trap '' TERM; echo pid $$; while :; do sleep 0.1; done")
    dev = await start_dev()
    await dev.until("leads")
    stubborn = await fakes.pid(1)
    dev.process.send_signal(signal.SIGINT)
    await dev.until("stopping")
    assert is_alive(stubborn)
    dev.process.send_signal(signal.SIGINT)
    assert await dev.end() == 0
    assert not is_alive(stubborn)
