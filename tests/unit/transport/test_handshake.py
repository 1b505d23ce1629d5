"""The rules of who may talk to this node, one by one: versions, clusters, addresses, names."""

import msgspec
import pytest

from kvorum.raft.types import NodeId
from kvorum.transport.introduction import Hello, RefusalKind, shown
from kvorum.transport.options import PROTOCOL_VERSION
from tests.unit.transport.parties import ONE, THREE, TWO, Party, dial, kind_of


@pytest.fixture
def one() -> Party:
    return Party(ONE)


@pytest.fixture
def hello() -> Hello:
    """What node 2 says when it dials node 1."""
    return Party(TWO).hello(ONE)


def test_a_peer_is_welcome(one: Party, hello: Hello) -> None:
    assert one.judge(hello) is None
    assert one.judge(hello, streaming_as="Node-2") is None
    assert dial(Party(TWO), one) is None


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"protocol_version": PROTOCOL_VERSION + 1}, RefusalKind.PROTOCOL_VERSION),
        ({"protocol_version": 0}, RefusalKind.PROTOCOL_VERSION),
        ({"cluster_id": "cluster-b"}, RefusalKind.OTHER_CLUSTER),
        ({"cluster_id": ""}, RefusalKind.OTHER_CLUSTER),
        ({"receiver_address": "127.0.0.1:8001"}, RefusalKind.WRONG_RECEIVER),
        ({"receiver_member": f"{ONE}#7"}, RefusalKind.WRONG_RECEIVER),
        ({"sender_address": ONE, "member": ONE}, RefusalKind.STRANGER),
        ({"sender_address": "localhost:9", "member": "localhost:9"}, RefusalKind.STRANGER),
        ({"member": THREE}, RefusalKind.BAD_IDENTITY),
        ({"member": ""}, RefusalKind.BAD_IDENTITY),
        ({"member": f"{TWO}#first"}, RefusalKind.BAD_IDENTITY),
        ({"uid": ""}, RefusalKind.BAD_IDENTITY),
        ({"executed_commands_key": "_done"}, RefusalKind.OTHER_EXECUTED_KEY),
        ({"node_id": "Node-1"}, RefusalKind.DUPLICATE_ID),
        ({"node_id": ""}, RefusalKind.DUPLICATE_ID),
    ],
)
def test_every_rule_refuses(
    one: Party, hello: Hello, changes: dict[str, object], kind: RefusalKind
) -> None:
    assert kind_of(one.judge(msgspec.structs.replace(hello, **changes))) == kind


def test_the_first_release_is_told_of_the_version(one: Party) -> None:
    """Its hello lacks what came later; that must not look like nonsense."""
    old = Party(TWO).hello(ONE, protocol_version=1, member="", uid="", receiver_member="")
    assert kind_of(one.judge(old)) == RefusalKind.PROTOCOL_VERSION


def test_another_member_list_alone_is_no_reason(one: Party, hello: Hello) -> None:
    """Membership has one source of truth, the log; lists only help people."""
    assert one.judge(msgspec.structs.replace(hello, members=(ONE, TWO))) is None


def test_an_id_never_moves_to_another_address(one: Party, hello: Hello) -> None:
    one.directory.learn(THREE, "Node-2")
    assert kind_of(one.judge(hello)) == RefusalKind.DUPLICATE_ID


def test_a_member_keeps_its_id(one: Party, hello: Hello) -> None:
    one.directory.learn(TWO, "Node-9")
    assert kind_of(one.judge(hello, streaming_as="Node-9")) == RefusalKind.DUPLICATE_ID
    assert kind_of(one.judge(hello)) == RefusalKind.DUPLICATE_ID


def test_the_dialler_judges_too(one: Party) -> None:
    reply = Party(TWO).answer(one.hello(TWO))
    assert one.handshake.conclude(TWO, reply) is None
    for changes, kind in (
        ({"cluster_id": "cluster-b"}, RefusalKind.OTHER_CLUSTER),
        ({"member": f"{TWO}#7"}, RefusalKind.WRONG_RECEIVER),
        ({"node_id": "Node-1"}, RefusalKind.DUPLICATE_ID),
    ):
        refusal = one.handshake.conclude(TWO, msgspec.structs.replace(reply, **changes))
        assert refusal is not None
        assert refusal.kind == kind
        assert refusal.text.startswith(f"this node refuses peer {TWO}: ")


def test_a_refusal_travels_with_its_reason(one: Party, hello: Hello) -> None:
    refusal = one.judge(msgspec.structs.replace(hello, cluster_id="cluster-b"))
    assert refusal is not None
    reply = one.handshake.reply(refusal)
    assert not reply.accepted
    assert reply.reason == refusal.text
    assert reply.refusal == "other-cluster"
    assert one.handshake.reply(None).accepted
    told = Party(TWO, cluster_id="cluster-b").handshake.conclude(ONE, reply)
    assert told is not None
    assert told.text == f"peer {ONE} refuses this node: {refusal.text}"


def test_a_refusal_of_a_later_release_is_still_a_refusal(one: Party) -> None:
    reply = Party(TWO).answer(one.hello(TWO))
    later = msgspec.structs.replace(reply, accepted=False, refusal="bad-hair-day", reason="hm")
    refusal = one.handshake.conclude(TWO, later)
    assert refusal is not None
    assert refusal.text == f"peer {TWO} refuses this node: hm"


def test_text_from_the_wire_is_bounded_and_printable(one: Party, hello: Hello) -> None:
    assert shown("a\nb\x1b[31m") == "a?b?[31m"
    assert shown("x" * 300) == "x" * 200 + "…"
    long = "l" * 10_000
    for changes in (
        {"cluster_id": "c" * 10_000 + "\n", "members": ("m\n" * 10_000,), "node_id": "n\n" * 9999},
        {"sender_address": long, "member": NodeId(long)},
        {"sender_address": "a\nb:1", "member": NodeId("a\nb:1")},
        {"receiver_address": long},
        {"receiver_member": NodeId(f"{long}\n")},
        {"executed_commands_key": f"{long}\n"},
        {"uid": ""},
    ):
        refusal = one.judge(msgspec.structs.replace(hello, **changes))
        assert refusal is not None
        assert refusal.text.isprintable()
        assert len(refusal.text) < 1500
