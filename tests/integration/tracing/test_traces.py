"""What a collector gets of real requests: every span, below the right parent, on the right node."""

import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.integration.app.one_node import OneNode
from tests.support.otlp_receiver import OtlpReceiver, Received
from tests.support.wait import eventually

CLIENTS_SPAN = "00000000000000aa"
SERVER, CLIENT = 2, 3  # SpanKind of OTLP

ON_LEADER = ("kvorum.append", "kvorum.commit", "kvorum.fsync", "kvorum.apply")
ON_FOLLOWER = ("kvorum.follow", "kvorum.fsync", "kvorum.apply")
OF_A_WRITE = (
    "PUT /key/{key}",
    "kvorum.propose",
    *ON_LEADER,
    *2 * ("kvorum.replicate",),
    *2 * ON_FOLLOWER,
)
CLOCK_NS = 5_000_000
"""One machine has one clock, but two processes' readings of it are not ordered exactly."""


def new_trace() -> tuple[str, dict[str, str]]:
    """An id, and the header of a client who wants that trace."""
    trace_id = secrets.token_hex(16)
    return trace_id, {"traceparent": f"00-{trace_id}-{CLIENTS_SPAN}-01"}


def name_of(node: OneNode) -> str:
    return node.environ["SELF_ID"]


class Tree:
    def __init__(self, spans: Sequence[Received]) -> None:
        self.spans = spans

    def one(self, name: str, node: str | None = None) -> Received:
        found = [s for s in self.spans if s.name == name and node in (None, s.node)]
        assert len(found) == 1, [(s.name, s.node) for s in found]
        return found[0]

    def below(self, parent: Received) -> list[str]:
        return sorted(span.name for span in self.spans if span.parent_id == parent.span_id)

    def child(self, parent: Received, name: str) -> Received:
        [found] = [s for s in self.spans if s.parent_id == parent.span_id and s.name == name]
        return found

    def is_within(self, inner: Received, outer: Received) -> bool:
        return (
            outer.start_ns - CLOCK_NS <= inner.start_ns <= inner.end_ns <= outer.end_ns + CLOCK_NS
        )


def check_append(tree: Tree, append: Received, names: Sequence[str]) -> None:
    """Everything below ``kvorum.append``; ``names`` are of the followers."""
    assert tree.below(append) == [
        "kvorum.apply",
        "kvorum.commit",
        "kvorum.fsync",
        "kvorum.replicate",
        "kvorum.replicate",
    ]
    for name in ("kvorum.commit", "kvorum.fsync"):
        assert tree.is_within(tree.child(append, name), append)
    apply = tree.child(append, "kvorum.apply")
    assert apply.node == append.node
    assert apply.start_ns >= tree.child(append, "kvorum.commit").end_ns
    replicates = [s for s in tree.spans if s.name == "kvorum.replicate"]
    assert sorted(str(s.attributes["kvorum.peer"]) for s in replicates) == sorted(names)
    for replicate in replicates:
        assert replicate.kind == CLIENT
        assert (replicate.parent_id, replicate.node) == (append.span_id, append.node)
        follow = tree.child(replicate, "kvorum.follow")
        assert follow.node == replicate.attributes["kvorum.peer"]
        assert follow.kind == SERVER
        assert tree.is_within(follow, replicate)
        assert tree.below(follow) == ["kvorum.apply", "kvorum.fsync"]
        assert tree.is_within(tree.child(follow, "kvorum.fsync"), follow)
        assert tree.child(follow, "kvorum.apply").node == follow.node
    for span in (append, *(s for s in tree.spans if s.name == "kvorum.follow")):
        assert span.attributes["kvorum.index"] == append.attributes["kvorum.index"]
    assert not any(span.failed for span in tree.spans)


def test_a_write_through_the_leader(leader: OneNode, receiver: OtlpReceiver) -> None:
    trace_id, headers = new_trace()
    answer = leader.request("PUT", "/key/secret-key", json={"value": "secret"}, headers=headers)
    assert answer.status_code == 200
    tree = Tree(receiver.await_trace(trace_id, OF_A_WRITE))
    assert len(tree.spans) == len(OF_A_WRITE)
    server = tree.one("PUT /key/{key}")
    assert (server.parent_id, server.node, server.kind) == (CLIENTS_SPAN, name_of(leader), SERVER)
    assert server.attributes["http.request.method"] == "PUT"
    assert server.attributes["http.route"] == "/key/{key}"
    assert server.attributes["http.response.status_code"] == 200
    assert server.resource["service.name"] == "kvorum"
    assert server.resource["k8s.pod.name"] == name_of(leader).lower()
    propose = tree.one("kvorum.propose")
    assert propose.parent_id == server.span_id
    assert tree.is_within(propose, server)
    append = tree.one("kvorum.append")
    assert (append.parent_id, append.node) == (propose.span_id, name_of(leader))
    assert tree.is_within(append, propose)
    names = {f"Node-{number}" for number in (1, 2, 3)} - {name_of(leader)}
    check_append(tree, append, sorted(names))
    assert "secret" not in repr(tree.spans)


def test_a_write_through_a_follower(
    leader: OneNode, follower: OneNode, receiver: OtlpReceiver
) -> None:
    trace_id, headers = new_trace()
    answer = follower.request("PUT", "/key/a", json={"value": 1}, headers=headers)
    assert answer.status_code == 200
    tree = Tree(receiver.await_trace(trace_id, OF_A_WRITE))
    assert len(tree.spans) == len(OF_A_WRITE)
    server, propose = tree.one("PUT /key/{key}"), tree.one("kvorum.propose")
    append = tree.one("kvorum.append")
    assert (server.node, propose.node) == (name_of(follower), name_of(follower))
    assert propose.parent_id == server.span_id
    assert (append.parent_id, append.node) == (propose.span_id, name_of(leader))
    assert tree.is_within(append, propose)
    names = {f"Node-{number}" for number in (1, 2, 3)} - {name_of(leader)}
    check_append(tree, append, sorted(names))
    answered = tree.one("kvorum.apply", name_of(follower))
    assert tree.is_within(answered, propose)


def test_a_linearizable_read_through_a_follower(
    leader: OneNode, follower: OneNode, receiver: OtlpReceiver
) -> None:
    trace_id, headers = new_trace()
    assert leader.put("read", 1).status_code == 200
    assert follower.request("GET", "/key/read", headers=headers).status_code == 200
    names = ("GET /key/{key}", "kvorum.read_index", "kvorum.confirm", "kvorum.read")
    tree = Tree(receiver.await_trace(trace_id, names))
    assert len(tree.spans) == len(names)
    server, asked = tree.one("GET /key/{key}"), tree.one("kvorum.read_index")
    confirm, read = tree.one("kvorum.confirm"), tree.one("kvorum.read")
    assert [asked.parent_id, confirm.parent_id, read.parent_id] == [
        server.span_id,
        asked.span_id,
        asked.span_id,
    ]
    assert [s.node for s in (server, asked, confirm, read)] == [
        name_of(follower),
        name_of(follower),
        name_of(leader),
        name_of(follower),
    ]
    assert tree.is_within(confirm, asked)
    assert read.start_ns >= asked.end_ns
    assert tree.is_within(read, server)


def test_a_batch_belongs_to_its_first_write_and_links_to_the_others(
    traced_nodes: object, leader: OneNode, follower: OneNode, receiver: OtlpReceiver
) -> None:
    for node in (leader, follower):
        spans = concurrent_writes(node, receiver)
        proposes = {s.span_id: s for s in spans if s.name == "kvorum.propose"}
        appends = {s.span_id: s for s in spans if s.name == "kvorum.append"}
        assert len(proposes) == 50
        assert all(s.node == name_of(node) for s in proposes.values())
        assert all(s.node == name_of(leader) for s in appends.values())
        assert 1 <= len(appends) < 50, "some share a batch"
        for append in appends.values():
            assert append.parent_id in proposes
            assert append.span_id not in proposes[append.parent_id].links
            for other in append.links:
                assert proposes[other].links == [append.span_id]
                same = (append.attributes["kvorum.index"], append.attributes["kvorum.term"])
                assert same == (
                    proposes[other].attributes["kvorum.index"],
                    proposes[other].attributes["kvorum.term"],
                )
        found = [s.parent_id for s in appends.values()]
        found += [other for s in appends.values() for other in s.links]
        assert sorted(found) == sorted(proposes)


def concurrent_writes(node: OneNode, receiver: OtlpReceiver) -> list[Received]:
    """All spans of 50 writes at once, each with a trace of its own."""
    traces = [new_trace() for _ in range(50)]
    url = f"http://{node.environ['REST_ADDRESS']}"
    with httpx.Client(timeout=20) as client, ThreadPoolExecutor(50) as threads:

        def put(number: int) -> int:
            _, headers = traces[number]
            path = f"{url}/key/many/{number}"
            return client.put(path, json={"value": number}, headers=headers).status_code

        assert set(threads.map(put, range(50))) == {200}
    ids = {trace_id for trace_id, _ in traces}

    def spans() -> list[Received]:
        return [span for span in receiver.spans if span.trace_id in ids]

    def settled() -> list[Received] | None:
        found = spans()
        proposes = sum(s.name == "kvorum.propose" for s in found)
        told = sum(1 + len(s.links) for s in found if s.name == "kvorum.append")
        return found if proposes == told == 50 else None

    return eventually("every write is proposed and in a batch", settled)


def test_what_nobody_wants_traced_makes_no_span(leader: OneNode, receiver: OtlpReceiver) -> None:
    trace_id = secrets.token_hex(16)
    unsampled = {"traceparent": f"00-{trace_id}-{CLIENTS_SPAN}-00"}
    receiver.clear()
    assert leader.request("PUT", "/key/a", json={"value": 1}, headers=unsampled).is_success
    assert leader.put("a", 2).is_success  # by a ratio of 0
    for probe in ("/livez", "/readyz", "/metrics"):
        _, headers = new_trace()
        assert leader.request("GET", probe, headers=headers).is_success
    last, headers = new_trace()
    assert leader.request("GET", "/cluster/info", headers=headers).is_success
    receiver.await_trace(last, ["GET /cluster/info"])
    assert [span.name for span in receiver.spans] == ["GET /cluster/info"]


def test_a_watch_is_traced_until_it_is_open(leader: OneNode, receiver: OtlpReceiver) -> None:
    trace_id, headers = new_trace()
    url = f"http://{leader.environ['REST_ADDRESS']}/watch?prefix=a"
    with httpx.stream("GET", url, headers=headers, timeout=20) as answer:
        assert answer.status_code == 200
        [span] = receiver.await_trace(trace_id, ["GET /watch"])
    assert span.attributes["http.response.status_code"] == 200
    assert not span.failed


def test_metrics_count_the_spans(leader: OneNode, receiver: OtlpReceiver) -> None:
    _, headers = new_trace()
    assert leader.request("GET", "/cluster/info", headers=headers).is_success

    def exported() -> float:
        lines = leader.request("GET", "/metrics").text.splitlines()
        line = next(one for one in lines if one.startswith('kvorum_spans_total{result="exported"}'))
        return float(line.split()[1])

    assert eventually("spans are exported", exported) >= 1


def test_a_client_of_a_state_write_keeps_its_trace_state(
    leader: OneNode, receiver: OtlpReceiver
) -> None:
    trace_id, headers = new_trace()
    headers["tracestate"] = "vendor=opaque"
    assert leader.request("GET", "/cluster/info", headers=headers).is_success
    [span] = receiver.await_trace(trace_id, ["GET /cluster/info"])
    assert span.trace_state == "vendor=opaque"
