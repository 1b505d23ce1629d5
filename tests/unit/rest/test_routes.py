"""All routes but ``/key/…``."""

import pytest
from litestar.types import ASGIApp
from prometheus_client import CollectorRegistry, Counter

from kvorum.errors import NoLeader
from kvorum.mvcc.command import CompareAndSet, Delete, Introduce, Put
from kvorum.raft.membership import AddLearner, Promote
from kvorum.rest.app import create_app
from tests.unit.rest.asgi import call
from tests.unit.rest.conftest import OPTIONS
from tests.unit.rest.fake_service import FakeService


async def test_a_write_is_found_by_its_id(app: ASGIApp) -> None:
    await call(app, "PUT", b"/key/k", body=b'{"value":1}')
    reply = await call(app, "GET", b"/command/Node-1-1")
    assert reply.json == {
        "isLeader": True,
        "leaderId": "Node-1",
        "info": {
            "found": True,
            "value": None,
            "message": "success",
            "success": True,
            "revision": 1,
        },
    }


async def test_a_read_is_found_with_its_value(app: ASGIApp) -> None:
    await call(app, "PUT", b"/key/k", body=b'{"value":[1]}')
    await call(app, "GET", b"/key/k")
    await call(app, "GET", b"/key/none")
    found = (await call(app, "GET", b"/command/Node-1-2")).json["info"]
    assert (found["found"], found["value"], found["version"]) == (True, [1], 1)
    missing = (await call(app, "GET", b"/command/Node-1-3")).json["info"]
    assert (missing["found"], missing["success"], missing["message"]) == (
        True,
        False,
        "key not found",
    )


async def test_an_unknown_request_is_200_with_found_false(app: ASGIApp) -> None:
    reply = await call(app, "GET", b"/command/nobody")
    assert reply.status == 200
    assert reply.json["info"]["found"] is False
    assert reply.json["info"]["success"] is False


async def test_a_node_catches_up_before_it_denies_a_request(
    app: ASGIApp, service: FakeService
) -> None:
    await call(app, "PUT", b"/key/k", body=b'{"value":1}')
    service.hidden = {"Node-1-1"}
    stale = await call(app, "GET", b"/command/Node-1-1?consistency=stale")
    assert (stale.json["info"]["found"], service.caught_up) == (False, 0)
    reply = await call(app, "GET", b"/command/Node-1-1")
    assert (reply.json["info"]["found"], service.caught_up) == (True, 1)


async def test_a_node_that_cannot_catch_up_says_503(app: ASGIApp, service: FakeService) -> None:
    service.failure = NoLeader("no leader is known")
    reply = await call(app, "GET", b"/command/nobody")
    assert reply.status == 503
    assert reply.headers[b"retry-after"] == b"1"
    assert reply.json["error"] == "no leader is known"


@pytest.mark.parametrize("target", [b"/command/", b"/command/a%20b", b"/command/" + b"x" * 129])
async def test_a_request_id_must_be_possible(app: ASGIApp, target: bytes) -> None:
    assert (await call(app, "GET", target)).status == 400


@pytest.mark.parametrize(
    ("method", "target", "known"),
    [
        ("GET", b"/command/Node-1-1?consistency=stale&", "there is consistency"),
        ("GET", b"/cluster/info?", "there are none"),
        ("GET", b"/cluster/log?from=1&limit=5&", "there are from and limit"),
        ("GET", b"/cluster/members?", "there are none"),
        ("POST", b"/cluster/members?", "there are none"),
        ("POST", b"/cluster/members/Node-1/promote?", "there are none"),
        ("DELETE", b"/cluster/members/Node-1?", "there are none"),
        ("POST", b"/cluster/transfer?", "there are none"),
    ],
)
async def test_a_parameter_that_nobody_reads_is_a_mistake(
    app: ASGIApp, method: str, target: bytes, known: str
) -> None:
    before = (await call(app, "GET", b"/cluster/members")).json
    reply = await call(app, method, target + b"form=1")
    assert (reply.status, reply.json["type"]) == (400, "urn:kvorum:problem:invalid-request")
    assert reply.json["detail"] == f"'form' is no parameter of this request; {known}"
    assert (await call(app, "GET", b"/cluster/members")).json == before


async def test_a_request_id_may_contain_a_slash(app: ASGIApp) -> None:
    key = (b"idempotency-key", b"a//b/%")
    await call(app, "PUT", b"/key/k", headers=[key], body=b'{"value":1}')
    reply = await call(app, "GET", b"/command/a%2F%2Fb%2F%25")
    assert reply.json["info"]["found"] is True


async def test_the_leaders_progress_is_listed_in_the_order_of_members(app: ASGIApp) -> None:
    info = (await call(app, "GET", b"/cluster/info")).json["info"]
    assert info["members"] == ["localhost:8001", "localhost:8002", "localhost:8003"]
    assert info["nextIndex"] == [2, 2, 1]
    assert info["matchIndex"] == [1, 1, 0]
    assert [peer["node"] for peer in info["peers"]] == ["Node-3", "Node-2"]
    assert {"currentTerm", "commitIndex", "lastApplied", "role", "nodeId", "revision"} <= set(info)


async def test_a_follower_lists_no_progress(app: ASGIApp, service: FakeService) -> None:
    service.leads, service.leader_id = False, "Node-2"
    reply = (await call(app, "GET", b"/cluster/info")).json
    assert (reply["isLeader"], reply["leaderId"]) == (False, "Node-2")
    assert reply["info"]["nextIndex"] == reply["info"]["matchIndex"] == []


async def test_the_log_shows_one_item_per_command(app: ASGIApp, service: FakeService) -> None:
    service.append(Put("a", b"k", b"[1]"), CompareAndSet("b", b"k", b"[1]", b"2"))
    service.append(Delete("c", b"k"))
    reply = (await call(app, "GET", b"/cluster/log")).json
    opening, *rest = reply["entries"]
    assert opening == {"index": 1, "term": 1, "committed": True, "command": None}
    assert [(item["index"], item["command"]) for item in rest] == [
        (2, log_command("a", None, [1], "set")),
        (2, log_command("b", [1], 2, "compare_and_set")),
        (3, log_command("c", None, None, "delete")),
    ]
    assert (reply["firstIndex"], reply["lastIndex"], reply["nextFrom"]) == (1, 3, None)


def log_command(request_id: str, old: object, new: object, kind: str) -> dict[str, object]:
    return {
        "id": request_id,
        "key": "k",
        "subKey": "",
        "oldValue": old,
        "newValue": new,
        "type": kind,
    }


async def test_the_log_shows_memberships(app: ASGIApp, service: FakeService) -> None:
    service.change(AddLearner("localhost:8006"))
    service.change(Promote(service.membership.learners[0]))
    *_, item = (await call(app, "GET", b"/cluster/log")).json["entries"]
    voters = ["localhost:8001", "localhost:8002", "localhost:8003"]
    assert item == {
        "index": 3,
        "term": 1,
        "committed": True,
        "command": None,
        "membership": {
            "voters": [*voters, "localhost:8006#2"],
            "outgoing": voters,
            "learners": [],
            "heirs": [],
        },
    }


async def test_the_log_shows_who_introduced_itself(app: ASGIApp, service: FakeService) -> None:
    service.append(Introduce("i", "localhost:8002", uid="4f00", name="Node-2"))
    *_, item = (await call(app, "GET", b"/cluster/log")).json["entries"]
    assert item["command"] == {
        "id": "i",
        "key": "localhost:8002",
        "subKey": "",
        "oldValue": None,
        "newValue": {"name": "Node-2", "uid": "4f00"},
        "type": "introduce",
    }


async def test_the_log_begins_where_a_snapshot_ends(app: ASGIApp, service: FakeService) -> None:
    for number in range(5):
        service.append(Delete(str(number), b"k"))
    service.first_index = 4
    reply = (await call(app, "GET", b"/cluster/log?from=2&limit=2")).json
    assert [item["index"] for item in reply["entries"]] == [4, 5]
    assert (reply["firstIndex"], reply["nextFrom"], reply["lastIndex"]) == (4, 6, 6)


async def test_the_log_is_paged_by_entries_and_by_bytes(app: ASGIApp, service: FakeService) -> None:
    for number in range(20):
        service.append(Put(str(number), b"k", b'"' + b"x" * 500 + b'"'))
    seen: list[int] = []
    start: int | None = 1
    pages = 0
    while start is not None:
        reply = await call(app, "GET", b"/cluster/log?limit=7&from=%d" % start)
        assert len(reply.body) < OPTIONS.log_bytes_max + 1000
        seen += [item["index"] for item in reply.json["entries"]]
        start = reply.json["nextFrom"]
        pages += 1
    assert seen == list(range(1, 22))
    assert pages > 3


@pytest.mark.parametrize(
    ("query", "name"),
    [
        (b"from=0", "from"),
        (b"from=x", "from"),
        (b"limit=0", "limit"),
        (b"limit=1001", "limit"),
        (b"limit=", "limit"),
    ],
)
async def test_wrong_pages_are_refused_by_name(app: ASGIApp, query: bytes, name: str) -> None:
    reply = await call(app, "GET", b"/cluster/log?" + query)
    assert reply.status == 400
    assert reply.json["error"].startswith(f"{name}: ")
    assert reply.json["type"] == "urn:kvorum:problem:invalid-request"


async def test_liveness_and_readiness(app: ASGIApp, service: FakeService) -> None:
    assert (await call(app, "GET", b"/livez")).body == b"ok"
    assert (await call(app, "GET", b"/readyz")).body == b"ok"
    verbose = await call(app, "GET", b"/readyz?verbose")
    assert b"node Node-1: leader, leader Node-1, term 1" in verbose.body
    assert verbose.headers[b"content-type"] == b"text/plain; charset=utf-8"
    service.ready = (False, "no leader is known")
    reply = await call(app, "GET", b"/readyz?verbose")
    assert reply.status == 503
    assert reply.json["error"].startswith("not ready: no leader is known\nnode Node-1")
    assert reply.headers[b"retry-after"] == b"1"


async def test_metrics_come_in_both_formats(app: ASGIApp, registry: CollectorRegistry) -> None:
    Counter("kvorum_test", "A counter.", registry=registry).inc()
    plain = await call(app, "GET", b"/metrics")
    assert plain.headers[b"content-type"].startswith(b"text/plain; version=0.0.4")
    assert b"kvorum_test_total 1.0" in plain.body
    accept = (b"accept", b"application/openmetrics-text; version=1.0.0,text/plain;q=0.5")
    open_metrics = await call(app, "GET", b"/metrics", headers=[accept])
    assert open_metrics.headers[b"content-type"].startswith(b"application/openmetrics-text")
    assert open_metrics.body.endswith(b"# EOF\n")
    broken = (b"accept", b"application/openmetrics-text; version=x")
    assert (await call(app, "GET", b"/metrics", headers=[broken])).status == 200


async def test_the_index_links_to_what_exists(app: ASGIApp) -> None:
    index = (await call(app, "GET", b"/")).json
    assert (index["name"], index["version"]) == ("kvorum", "0.1.0")
    for link in index["links"].values():
        assert (await call(app, "GET", link.encode())).status == 200, link


@pytest.mark.parametrize("target", [b"/nope", b"/cluster", b"/cluster/none", b"/swagger/none.js"])
async def test_unknown_paths_are_problems(app: ASGIApp, target: bytes) -> None:
    reply = await call(app, "GET", target)
    assert reply.status == 404
    assert reply.headers[b"content-type"] == b"application/problem+json"
    assert reply.json["type"] == "urn:kvorum:problem:unknown-route"
    assert reply.json["instance"] == target.decode()
    assert reply.json["leaderId"] == "Node-1"


@pytest.mark.parametrize("target", [b"/livez", b"/cluster/info", b"/command/x", b"/swagger"])
async def test_wrong_methods_are_problems(app: ASGIApp, target: bytes) -> None:
    reply = await call(app, "POST", target, body=b"{}")
    assert reply.status == 405
    assert b"GET" in reply.headers[b"allow"]
    assert reply.json["type"] == "urn:kvorum:problem:method-not-allowed"


async def test_head_is_get_everywhere(app: ASGIApp) -> None:
    assert (await call(app, "HEAD", b"/livez")).status == 200


async def test_an_unexpected_error_is_logged_and_not_shown(
    service: FakeService, app: ASGIApp, caplog: pytest.LogCaptureFixture
) -> None:
    service.failure = RuntimeError("secret")
    reply = await call(app, "GET", b"/command/x")
    assert reply.status == 500
    assert reply.json["type"] == "urn:kvorum:problem:internal-error"
    assert b"secret" not in reply.body
    assert "secret" in caplog.text


class Recorder:
    def __init__(self) -> None:
        self.seen: list[tuple[str, str, int]] = []

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        assert seconds >= 0
        self.seen.append((route, method, status))


async def test_every_request_is_observed_under_bounded_labels(service: FakeService) -> None:
    recorder = Recorder()
    app = create_app(service, OPTIONS, registry=CollectorRegistry(), observer=recorder)
    for method, target in [
        ("GET", b"/key/a"),
        ("BREW", b"/key/b"),
        ("GET", b"/command/x"),
        ("GET", b"/livez"),
        ("GET", b"/swagger/openapi.json"),
        ("GET", b"/cluster/members"),
        ("DELETE", b"/cluster/members/x"),
        ("POST", b"/cluster/members/x%2F/promote"),
        ("POST", b"/cluster/transfer"),
        ("GET", b"/random/path"),
        ("BREW", b"/random"),
    ]:
        await call(app, method, target)
    assert recorder.seen == [
        ("/key/{key}", "GET", 404),
        ("/key/{key}", "other", 405),
        ("/command/{id}", "GET", 200),
        ("/livez", "GET", 200),
        ("/swagger/{asset}", "GET", 200),
        ("/cluster/members", "GET", 200),
        ("/cluster/members/{id}", "DELETE", 404),
        ("/cluster/members/{id}/promote", "POST", 404),
        ("/cluster/transfer", "POST", 200),
        ("other", "GET", 404),
        ("other", "other", 404),
    ]
