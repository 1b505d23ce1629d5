"""The rules of who may talk to this node, one by one."""

import msgspec
import pytest

from kvorum.transport.directory import Directory
from kvorum.transport.handshake import Handshake, Hello, HelloReply, RefusalKind, shown
from kvorum.transport.options import PROTOCOL_VERSION, TransportOptions

ONE, TWO, THREE = "localhost:8001", "localhost:8002", "localhost:8003"


def options_of(address: str, node_id: str) -> TransportOptions:
    return TransportOptions(
        self_address=address,
        listen_address=address,
        node_id=node_id,
        cluster_id="cluster-a",
        members=(ONE, TWO, THREE),
        executed_commands_key="_executed",
    )


@pytest.fixture
def directory() -> Directory:
    return Directory(ONE, "Node-1")


@pytest.fixture
def handshake(directory: Directory) -> Handshake:
    return Handshake(options_of(ONE, "Node-1"), directory)


@pytest.fixture
def hello() -> Hello:
    """What node 2 says when it dials node 1."""
    two = Handshake(options_of(TWO, "Node-2"), Directory(TWO, "Node-2"))
    return two.hello(ONE)


def judged(handshake: Handshake, hello: Hello, *, streaming_as: str | None = None) -> object:
    refusal = handshake.judge_caller(hello, streaming_as=streaming_as)
    return None if refusal is None else refusal.kind


def test_a_peer_is_welcome(handshake: Handshake, hello: Hello) -> None:
    assert judged(handshake, hello) is None
    assert judged(handshake, hello, streaming_as="Node-2") is None


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"protocol_version": PROTOCOL_VERSION + 1}, RefusalKind.PROTOCOL_VERSION),
        ({"protocol_version": 0}, RefusalKind.PROTOCOL_VERSION),
        ({"cluster_id": "cluster-b"}, RefusalKind.OTHER_CLUSTER),
        ({"cluster_id": ""}, RefusalKind.OTHER_CLUSTER),
        ({"receiver_address": "127.0.0.1:8001"}, RefusalKind.WRONG_RECEIVER),
        ({"sender_address": ONE}, RefusalKind.STRANGER),
        ({"sender_address": "localhost:9999"}, RefusalKind.STRANGER),
        ({"executed_commands_key": "_done"}, RefusalKind.OTHER_EXECUTED_KEY),
        ({"node_id": "Node-1"}, RefusalKind.DUPLICATE_ID),
        ({"node_id": ""}, RefusalKind.DUPLICATE_ID),
    ],
)
def test_every_rule_refuses(
    handshake: Handshake, hello: Hello, changes: dict[str, object], kind: RefusalKind
) -> None:
    assert judged(handshake, msgspec.structs.replace(hello, **changes)) == kind


def test_another_member_list_alone_is_no_reason(handshake: Handshake, hello: Hello) -> None:
    """Membership has one source of truth, the log; lists only help people."""
    assert judged(handshake, msgspec.structs.replace(hello, members=(ONE, TWO))) is None


def test_an_id_never_moves_to_another_address(
    handshake: Handshake, directory: Directory, hello: Hello
) -> None:
    directory.learn(THREE, "Node-2")
    assert judged(handshake, hello) == RefusalKind.DUPLICATE_ID


def test_an_address_keeps_its_id(handshake: Handshake, directory: Directory, hello: Hello) -> None:
    """A new id under an old address means a new data directory, which remembers nothing."""
    directory.learn(TWO, "Node-9")
    assert judged(handshake, hello, streaming_as="Node-9") == RefusalKind.DUPLICATE_ID
    assert judged(handshake, hello) == RefusalKind.DUPLICATE_ID


def test_the_dialler_judges_too(handshake: Handshake, directory: Directory) -> None:
    reply = HelloReply(
        accepted=True, reason="", protocol_version=1, cluster_id="cluster-a", node_id="Node-2"
    )
    assert handshake.judge_receiver(TWO, reply) is None
    foreign = msgspec.structs.replace(reply, cluster_id="cluster-b")
    refusal = handshake.judge_receiver(TWO, foreign)
    assert refusal is not None
    assert refusal.kind == RefusalKind.OTHER_CLUSTER
    twin = handshake.judge_receiver(TWO, msgspec.structs.replace(reply, node_id="Node-1"))
    assert twin is not None
    assert twin.kind == RefusalKind.DUPLICATE_ID


def test_a_refusal_travels_with_its_reason(handshake: Handshake, hello: Hello) -> None:
    refusal = handshake.judge_caller(
        msgspec.structs.replace(hello, cluster_id="cluster-b"), streaming_as=None
    )
    assert refusal is not None
    reply = handshake.reply(refusal)
    assert not reply.accepted
    assert reply.reason == refusal.text
    assert handshake.reply(None).accepted


def test_text_from_the_wire_is_bounded_and_printable(handshake: Handshake, hello: Hello) -> None:
    assert shown("a\nb\x1b[31m") == "a?b?[31m"
    assert shown("x" * 300) == "x" * 200 + "…"
    evil = msgspec.structs.replace(
        hello, cluster_id="c" * 10_000 + "\n", members=("m\n" * 10_000,), node_id="n\n" * 9999
    )
    refusal = handshake.judge_caller(evil, streaming_as=None)
    assert refusal is not None
    assert refusal.text.isprintable()
    assert len(refusal.text) < 1500
