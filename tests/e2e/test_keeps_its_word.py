"""Five processes by the shipped scripts: what they acknowledge, they keep.

The data are a real configuration, written entry by entry through random nodes.
"""

import random
import signal
import sysconfig
import time
from collections.abc import Mapping

import httpx

from tests.support.five_nodes import NODES, FiveNodes
from tests.support.wait import eventually


def configuration() -> dict[str, object]:
    """This Python's build configuration, one key an entry."""
    entries = {f"python/{name}": value for name, value in sysconfig.get_config_vars().items()}
    assert len(entries) > 300, "a configuration worth the name"
    return entries


def put_until_acknowledged(cluster: FiveNodes, key: str, value: object) -> None:
    """Write through random nodes under one request id until one says that it is applied.

    Only the answers that promise "not applied" or "unknown" may be repeated.
    """
    request_id = f"put-{key}"

    def acknowledged() -> bool:
        node = random.choice(cluster.running)
        answer = cluster.put(node, key, value, request_id=request_id)
        if answer is None:
            return False
        assert answer.status_code in (200, 429, 503, 504), answer.text
        return answer.status_code == 200

    eventually(f"{key} is acknowledged", acknowledged)


def assert_all_present(cluster: FiveNodes, entries: Mapping[str, object]) -> None:
    """Linearizable reads from every running node."""
    for node in cluster.running:
        for key, value in entries.items():
            answer = cluster.get(node, key)
            assert answer.status_code == 200, (node, key, answer.text)
            assert answer.json()["value"] == value, (node, key)


def test_nothing_acknowledged_is_lost_while_leaders_are_killed(cluster: FiveNodes) -> None:
    entries = configuration()
    kills = {len(entries) * n // 4 for n in (1, 2, 3)}
    revived: int | None = None
    for written, (key, value) in enumerate(entries.items()):
        if written in kills:
            if revived is not None:
                cluster.start([revived])
            revived = cluster.leader()
            cluster.kill([revived])
        put_until_acknowledged(cluster, key, value)
    assert revived is not None
    cluster.start([revived])
    cluster.leader(NODES)
    assert_all_present(cluster, entries)
    # Each key was written once: retries under its request id applied nothing.
    revision = cluster.get(cluster.leader(), next(iter(entries))).json()["revision"]
    assert revision == len(entries)


def test_two_dead_of_five_is_fine_three_is_a_clear_refusal(cluster: FiveNodes) -> None:
    entries = {f"quorum/{n}": n for n in range(20)}
    leader = cluster.leader()
    followers = [node for node in NODES if node != leader]
    cluster.kill(followers[:2])
    for key, value in entries.items():
        put_until_acknowledged(cluster, key, value)

    cluster.kill(followers[2:3])
    left = list(cluster.running)

    def refuses() -> bool:
        answers = [cluster.put(node, "lost", 1) for node in left]
        return all(answer is not None and answer.status_code == 503 for answer in answers)

    eventually("both remaining nodes refuse writes", refuses)
    for node in left:
        answer = cluster.put(node, "refused", 1)
        assert answer is not None
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert answer.elapsed.total_seconds() < 2 * 0.7, "no hang"
        problem = answer.json()
        assert problem["leaderId"] == ""
        assert "no leader" in problem["error"]
        read = cluster.get(node, "quorum/0")
        assert read.status_code == 503
        stale = cluster.get(node, "quorum/0", consistency="stale")
        assert stale.json()["value"] == 0

    cluster.start(followers[2:3])
    cluster.leader()
    put_until_acknowledged(cluster, "after", "works again")
    assert_all_present(cluster, {**entries, "after": "works again"})
    assert cluster.get(left[0], "refused").status_code == 404, "a 503 was certainly not applied"


def test_all_killed_at_once_and_restarted(cluster: FiveNodes) -> None:
    entries = {f"all/{n}": {"n": n, "text": "ю" * n} for n in range(50)}
    for key, value in entries.items():
        put_until_acknowledged(cluster, key, value)
    terms = {node: cluster.term(node) for node in NODES}
    cluster.kill(NODES)
    cluster.start()
    cluster.leader()
    assert_all_present(cluster, entries)
    for node in NODES:
        assert cluster.term(node) >= terms[node], "terms never go back"


def test_one_request_id_applies_once_across_a_leader_change(cluster: FiveNodes) -> None:
    first = cluster.put(cluster.leader(), "counter", 1, request_id="once")
    assert first is not None
    other = cluster.put(cluster.leader(), "counter", 2)
    assert other is not None
    old_leader = cluster.leader()
    cluster.kill([old_leader])
    cluster.leader()
    for node in cluster.running:
        again = cluster.put(node, "counter", 1, request_id="once")
        assert again is not None
        assert again.status_code == 200
        assert again.json()["revision"] == first.json()["revision"]
        assert cluster.get(node, "counter").json()["value"] == 2
        command = cluster.request("GET", node, "/command/once").json()
        assert command["info"]["found"]
        assert command["info"]["success"]


def test_outcomes_survive_a_restart_of_all(cluster: FiveNodes) -> None:
    first = cluster.put(1, "kept", "a", request_id="before-restart")
    assert first is not None
    cluster.kill(NODES)
    cluster.start()
    cluster.leader()
    again = cluster.put(3, "kept", "b", request_id="before-restart")
    assert again is not None
    assert again.json()["revision"] == first.json()["revision"]
    assert cluster.get(2, "kept").json()["value"] == "a"


def test_a_stale_follower_rejoins_without_deposing_the_leader(cluster: FiveNodes) -> None:
    leader = cluster.leader()
    term = cluster.term(leader)
    paused = next(node for node in NODES if node != leader)
    cluster.signal(paused, signal.SIGSTOP)
    for n in range(100):
        put_through(cluster, leader, f"missed/{n}", n)
    cluster.signal(paused, signal.SIGCONT)
    eventually(
        "the follower has caught up",
        lambda: cluster.get(paused, "missed/99", consistency="stale").status_code == 200,
    )
    assert cluster.leader() == leader
    assert cluster.term(leader) == term


def put_through(cluster: FiveNodes, node: int, key: str, value: object) -> None:
    answer = cluster.put(node, key, value)
    assert answer is not None
    assert answer.status_code == 200, answer.text


def test_a_paused_leader_does_not_serve_old_values(cluster: FiveNodes) -> None:
    """SIGSTOP beyond the election timeout: the classic stale read after a process pause."""
    old_leader = cluster.leader()
    put_through(cluster, old_leader, "pause", "old")
    cluster.signal(old_leader, signal.SIGSTOP)
    others = [node for node in NODES if node != old_leader]
    cluster.leader(others)
    put_through(cluster, others[0], "pause", "new")
    cluster.signal(old_leader, signal.SIGCONT)

    def answered() -> httpx.Response | None:
        answer = cluster.get(old_leader, "pause")
        return answer if answer.status_code == 200 else None

    assert eventually("the paused node answers", answered).json()["value"] == "new"


def test_sigterm_stops_a_node_at_once_and_without_a_traceback(cluster: FiveNodes) -> None:
    leader = cluster.leader()
    for node in (leader, next(node for node in NODES if node != leader)):
        began_s = time.monotonic()
        assert cluster.terminate(node) == 0
        assert time.monotonic() - began_s < 2
        log = cluster.log_file(node).read_text()
        assert "Traceback" not in log
        assert '"level":"error"' not in log
