"""``/cluster/members`` and ``/cluster/transfer``: naming, changing, refusing."""

import pytest
from litestar.types import ASGIApp
from msgspec.structs import replace

from kvorum.errors import Conflict, NoLeader, OutcomeUnknown, Rejected
from kvorum.node.views import Leadership, MembersView, MemberView
from kvorum.raft.membership import Change, Membership
from kvorum.raft.types import NodeId
from kvorum.rest.faults import UnknownMember
from kvorum.rest.naming import find_member
from kvorum.rest.openapi.document import openapi_document
from tests.unit.rest.asgi import JSON, Reply, call
from tests.unit.rest.fake_service import FakeService

ADD = b'{"address":"localhost:8006"}'


async def post(app: ASGIApp, target: bytes, body: bytes = b"") -> Reply:
    return await call(app, "POST", target, headers=[JSON], body=body)


def ids(reply: Reply) -> list[str]:
    return [member["id"] for member in reply.json["members"]]


async def test_the_members_are_listed_with_what_the_leader_knows(app: ASGIApp) -> None:
    reply = await call(app, "GET", b"/cluster/members")
    assert reply.status == 200
    assert {name: reply.json[name] for name in ("isLeader", "clusterId", "index", "isJoint")} == {
        "isLeader": True,
        "clusterId": "test",
        "index": 0,
        "isJoint": False,
    }
    assert reply.json["members"][0] == {
        "id": "localhost:8001",
        "name": "Node-1",
        "address": "localhost:8001",
        "role": "voter",
        "isLeader": True,
        "active": True,
        "matchIndex": 1,
        "lag": 0,
    }
    assert "member" not in reply.json


async def test_a_follower_does_not_guess_how_the_others_are(
    app: ASGIApp, service: FakeService
) -> None:
    service.leads, service.leader_id = False, "Node-2"
    reply = await call(app, "GET", b"/cluster/members")
    first, second, _ = reply.json["members"]
    assert (first["active"], first["matchIndex"], first["lag"]) == (None, None, None)
    assert (first["isLeader"], second["isLeader"]) == (False, True)


async def test_an_added_member_gets_an_id(app: ASGIApp) -> None:
    reply = await post(app, b"/cluster/members", ADD)
    assert reply.status == 201
    assert reply.json["member"]["id"] == "localhost:8006#2"
    assert reply.json["member"]["role"] == "learner"
    assert reply.json["index"] == 2
    assert ids(reply)[-1] == "localhost:8006#2"


async def test_an_address_has_one_spelling(app: ASGIApp) -> None:
    await post(app, b"/cluster/members", b'{"address":" LOCALHOST:8006"}')
    reply = await post(app, b"/cluster/members", ADD)
    assert reply.status == 409
    assert reply.json["type"] == "urn:kvorum:problem:conflict"
    assert "localhost:8006 is the address of member localhost:8006#2" in reply.json["error"]


@pytest.mark.parametrize(
    "path", [b"localhost:8006%232", b"localhost:8006", b"LOCALHOST%3A8006", b"Node-6"]
)
async def test_a_member_is_named_by_id_address_or_name(
    app: ASGIApp, service: FakeService, path: bytes
) -> None:
    await post(app, b"/cluster/members", ADD)
    service.names["localhost:8006#2"] = "Node-6"
    promoted = await post(app, b"/cluster/members/%b/promote" % path)
    assert (promoted.status, promoted.json["member"]["role"]) == (200, "voter")
    assert promoted.json["member"]["id"] == "localhost:8006#2"
    removed = await call(app, "DELETE", b"/cluster/members/" + path)
    assert removed.status == 200
    assert ids(removed) == ["localhost:8001", "localhost:8002", "localhost:8003"]
    assert "member" not in removed.json


async def test_an_ipv6_address_can_name_a_member(app: ASGIApp) -> None:
    await post(app, b"/cluster/members", b'{"address":"[0::1]:8006"}')
    reply = await post(app, b"/cluster/members/%5B::1%5D:8006%232/promote")
    assert (reply.status, reply.json["member"]["address"]) == (200, "[::1]:8006")


async def test_a_node_catches_up_before_it_looks_a_member_up(
    app: ASGIApp, service: FakeService
) -> None:
    await call(app, "DELETE", b"/cluster/members/Node-3")
    assert service.caught_up == 1


@pytest.mark.parametrize("path", [b"Node-9", b"localhost:8001%231", b"%20", b"x" * 5000])
async def test_an_unknown_member_is_answered_with_those_there_are(
    app: ASGIApp, path: bytes
) -> None:
    reply = await call(app, "DELETE", b"/cluster/members/" + path)
    assert reply.status == 404
    assert reply.json["type"] == "urn:kvorum:problem:unknown-member"
    assert "there are localhost:8001 (Node-1), localhost:8002 (Node-2)" in reply.json["error"]
    assert len(reply.json["error"]) < 300


async def test_the_last_voter_cannot_be_removed(app: ASGIApp, service: FakeService) -> None:
    service.membership = Membership((NodeId("localhost:8001"),))
    reply = await call(app, "DELETE", b"/cluster/members/Node-1")
    assert reply.status == 409
    assert "is the last voter" in reply.json["error"]


async def test_a_voter_is_not_promoted_twice(app: ASGIApp) -> None:
    reply = await post(app, b"/cluster/members/Node-1/promote")
    assert reply.status == 409
    assert reply.json["error"] == "localhost:8001 is a voter already"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "expected"),
        (b"[]", "expected"),
        (b"{}", "missing 'address'"),
        (b'{"address":"a:1","x":1}', "unknown 'x'"),
        (b'{"address":8006}', "address must be a string"),
        (b'{"address":"localhost"}', "must end in a port"),
        (b'{"address":"0.0.0.0:8006"}', "cannot be reached from another node"),
        (b'{"address":"a:1"', "not valid JSON"),
    ],
)
async def test_a_wrong_address_is_explained(app: ASGIApp, body: bytes, words: str) -> None:
    reply = await post(app, b"/cluster/members", body)
    assert reply.status == 400
    assert words in reply.json["error"]


async def test_a_body_is_bounded_and_declared(app: ASGIApp) -> None:
    assert (await post(app, b"/cluster/members", b" " * 5000)).status == 413
    form = (b"content-type", b"application/x-www-form-urlencoded")
    reply = await call(app, "POST", b"/cluster/members", headers=[form], body=ADD)
    assert reply.status == 415


@pytest.mark.parametrize(
    ("body", "target"),
    [
        (b"", None),
        (b"{}", None),
        (b'{"target": null}', None),
        (b'{"target": "Node-3"}', "localhost:8003"),
        (b'{"target": "localhost:8003"}', "localhost:8003"),
    ],
)
async def test_leadership_is_transferred(
    app: ASGIApp, service: FakeService, body: bytes, target: str | None
) -> None:
    reply = await post(app, b"/cluster/transfer", body)
    assert reply.status == 200
    assert reply.json == {"isLeader": False, "leaderId": "Node-3" if target else "Node-2"}
    assert service.transfers == [target]


@pytest.mark.parametrize(
    ("body", "status"), [(b'{"target":1}', 400), (b'{"to":"x"}', 400), (b'{"target":"x"}', 404)]
)
async def test_a_transfer_to_nobody_is_refused(
    app: ASGIApp, service: FakeService, body: bytes, status: int
) -> None:
    assert (await post(app, b"/cluster/transfer", body)).status == status
    assert service.transfers == []


CHANGES = [
    ("POST", b"/cluster/members", ADD),
    ("POST", b"/cluster/members/Node-1/promote", b""),
    ("DELETE", b"/cluster/members/Node-3", b""),
    ("POST", b"/cluster/transfer", b'{"target":"Node-2"}'),
    ("POST", b"/cluster/transfer", b""),
]


@pytest.mark.parametrize(("method", "target", "body"), CHANGES)
async def test_without_a_leader_nothing_changes(
    app: ASGIApp, service: FakeService, method: str, target: bytes, body: bytes
) -> None:
    service.failure = NoLeader("no leader is known", retry_after_s=2)
    reply = await call(app, method, target, body=body)
    assert (reply.status, reply.headers[b"retry-after"]) == (503, b"2")
    assert reply.json["error"] == "no leader is known"


class Unconfirmed(FakeService):
    """Changes time out; everything else goes well."""

    async def change_members(self, change: Change) -> MembersView:
        raise OutcomeUnknown("no answer within 5000 ms", request_id="")

    async def transfer_leadership(self, target: NodeId | None) -> Leadership:
        raise OutcomeUnknown("no answer within 5000 ms", request_id="")


class TestUnconfirmed:
    @pytest.fixture
    def service(self) -> FakeService:
        return Unconfirmed()

    @pytest.mark.parametrize(("method", "target", "body"), CHANGES)
    async def test_a_change_in_doubt_says_where_to_look(
        self, app: ASGIApp, method: str, target: bytes, body: bytes
    ) -> None:
        reply = await call(app, method, target, body=body)
        assert reply.status == 504
        assert reply.json["type"] == "urn:kvorum:problem:change-unconfirmed"
        assert "no answer within 5000 ms. The change may or may not" in reply.json["error"]
        assert "GET /cluster/members" in reply.json["error"]
        assert "Idempotency-Key" not in reply.json["error"]


async def test_a_node_that_was_removed_says_so(app: ASGIApp, service: FakeService) -> None:
    service.raised = Rejected("this node stopped serving: it was removed from the cluster")
    reply = await call(app, "GET", b"/cluster/members")
    assert reply.status == 503
    assert "it was removed" in reply.json["error"]


class Snatched(FakeService):
    """What is added is removed again before the answer is made."""

    async def change_members(self, change: Change) -> MembersView:
        return self.members()


class TestSnatched:
    @pytest.fixture
    def service(self) -> FakeService:
        return Snatched()

    async def test_a_member_that_is_gone_again_is_left_out(self, app: ASGIApp) -> None:
        reply = await post(app, b"/cluster/members", ADD)
        assert reply.status == 201
        assert "member" not in reply.json


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [("GET", b"/cluster/members", b""), *CHANGES, ("DELETE", b"/cluster/members/none", b"")],
)
async def test_every_answer_is_documented(
    app: ASGIApp, method: str, target: bytes, body: bytes
) -> None:
    reply = await call(app, method, target, body=body)
    path = target.decode().replace("Node-1", "{id}").replace("Node-3", "{id}")
    path = path.replace("none", "{id}")
    operation = openapi_document()["paths"][path][method.lower()]
    content = operation["responses"][str(reply.status)]["content"]
    example = content[reply.headers[b"content-type"].decode()]["example"]
    assert set(reply.json) == set(example)


class TestNaming:
    """While a node that lost its disk is being replaced, two members share address and name."""

    OLD = MemberView("a:1", "Node-1", "a:1", "leaving", False, None, None, None)
    NEW = replace(OLD, member="a:1#7", role="learner")
    VIEW = MembersView("test", 7, True, (OLD, NEW))

    def test_an_id_names_its_own_member(self) -> None:
        assert find_member(self.VIEW, "a:1") is self.OLD
        assert find_member(self.VIEW, "a:1#7") is self.NEW

    def test_a_shared_name_names_none(self) -> None:
        with pytest.raises(Conflict, match=r"several members: a:1 \(Node-1\), a:1#7 \(Node-1\)"):
            find_member(self.VIEW, "Node-1")

    def test_a_member_without_a_name_is_not_named_by_nothing(self) -> None:
        silent = replace(self.NEW, name="")
        with pytest.raises(UnknownMember, match=r"there are a:1#7$"):
            find_member(MembersView("test", 7, False, (silent,)), "")
