"""Who is refused, and what both sides are told."""

import asyncio
import logging

import msgspec
import pytest

from kvorum.raft.types import NodeId
from kvorum.transport.handshake import Handshake
from kvorum.transport.introduction import Hello, RefusalKind
from tests.integration.transport.harness import (
    Cluster,
    Node,
    ack,
    eventually,
    free_addresses,
    node_options,
)


def warnings_of(caplog: pytest.LogCaptureFixture, node_id: str) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == f"kvorum.transport.{node_id}" and record.levelno == logging.WARNING
    ]


async def refused(receiver: Node, kind: RefusalKind, times: int = 2) -> None:
    """Wait until ``receiver`` refused often enough to show that warnings do not repeat."""
    await eventually(lambda: receiver.recorder.refusals[kind] >= times)


async def test_a_node_of_another_cluster(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    addresses = free_addresses(2)
    one, two = await cluster.start(
        node_options(addresses, 1), node_options(addresses, 2, cluster_id="cluster-b")
    )
    await refused(one, RefusalKind.OTHER_CLUSTER, times=3)
    (here,) = [w for w in warnings_of(caplog, "Node-1") if w.startswith("refused a peer")]
    (there,) = [w for w in warnings_of(caplog, "Node-2") if "refuses this node" in w]
    for warning in (here, there):
        assert f"Node-2 ({addresses[1]}) belongs to cluster cluster-b" in warning
        assert f"Node-1 ({addresses[0]}) to cluster cluster-a" in warning
        assert warning.count(", ".join(addresses)) == 2
        assert "restored from one backup were to get the same `--restore-id`" in warning
    assert one.recorder.up == two.recorder.up == set()
    assert one.inbox == two.inbox == []


async def test_a_stranger(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    addresses = free_addresses(3)
    one, _ = await cluster.start(node_options(addresses[:2], 1), node_options(addresses, 3))
    await refused(one, RefusalKind.STRANGER)
    (here,) = warnings_of(caplog, "Node-1")
    (there,) = warnings_of(caplog, "Node-3")
    expected = f"Node-3 ({addresses[2]}) is not a member of the cluster of Node-1"
    assert expected in here
    assert expected in there


async def test_two_spellings_of_one_address(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    addresses = free_addresses(2)
    other_spelling = addresses[0].replace("localhost", "127.0.0.1")
    one, _ = await cluster.start(
        node_options(addresses, 1), node_options([other_spelling, addresses[1]], 2)
    )
    await refused(one, RefusalKind.WRONG_RECEIVER)
    expected = f"dialled {other_spelling} but reached Node-1, whose SELF_ADDRESS is {addresses[0]}"
    assert any(expected in warning for warning in warnings_of(caplog, "Node-1"))
    assert any(expected in warning for warning in warnings_of(caplog, "Node-2"))


async def test_a_peer_with_our_own_id(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    addresses = free_addresses(2)
    one, two = await cluster.start(
        node_options(addresses, 1), node_options(addresses, 2, node_id="Node-1")
    )
    await refused(one, RefusalKind.DUPLICATE_ID)
    await refused(two, RefusalKind.DUPLICATE_ID)
    expected = (
        f"{addresses[1]} uses the id Node-1, which already belongs to {addresses[0]}; "
        "give each node its own SELF_ID"
    )
    texts = warnings_of(caplog, "Node-1")
    assert f"refused a peer: {expected}" in texts
    assert f"peer {addresses[0]} refuses this node: {expected}" in texts


async def test_two_peers_with_one_id(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    addresses = free_addresses(3)
    one, two = await cluster.start(node_options(addresses, 1), node_options(addresses, 2))
    await two.linked_to(one)
    await one.linked_to(two)
    await cluster.start(node_options(addresses, 3, node_id="Node-2"))
    await refused(one, RefusalKind.DUPLICATE_ID)
    expected = f"{addresses[2]} uses the id Node-2, which already belongs to {addresses[1]}"
    assert any(expected in warning for warning in warnings_of(caplog, "Node-1"))
    assert one.recorder.up == {two.address}
    assert two.recorder.up == {one.address}


async def test_another_key_for_outcomes(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    addresses = free_addresses(2)
    one, _ = await cluster.start(
        node_options(addresses, 1), node_options(addresses, 2, executed_commands_key="_done")
    )
    await refused(one, RefusalKind.OTHER_EXECUTED_KEY)
    for node_id in ("Node-1", "Node-2"):
        assert any(
            "EXECUTED_COMMANDS_KEY is '_done' on Node-2" in warning
            for warning in warnings_of(caplog, node_id)
        )


class NewerHandshake(Handshake):
    """Introduces itself as a release of the future would."""

    def hello(self, receiver: NodeId, address: str) -> Hello:
        return msgspec.structs.replace(super().hello(receiver, address), protocol_version=99)


async def test_another_version_of_the_protocol(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    addresses = free_addresses(2)
    (one,) = await cluster.start(node_options(addresses, 1))
    options = node_options(addresses, 2)
    two = Node(options)
    transport = two.transport
    link = transport._links.by_member[one.member]
    link._handshake = NewerHandshake(
        options, transport.directory, transport._standing, two.registrar
    )
    cluster.nodes.append(await two.start())
    await refused(one, RefusalKind.PROTOCOL_VERSION)
    for node_id in ("Node-1", "Node-2"):
        assert any(
            "protocol version 99 is not supported here" in warning
            for warning in warnings_of(caplog, node_id)
        )


async def test_a_refused_peer_is_accepted_once_it_is_mended(cluster: Cluster) -> None:
    addresses = free_addresses(2)
    one, two = await cluster.start(
        node_options(addresses, 1), node_options(addresses, 2, executed_commands_key="_done")
    )
    await refused(one, RefusalKind.OTHER_EXECUTED_KEY, times=1)
    await two.stop()
    (mended,) = await cluster.start(node_options(addresses, 2))
    await mended.linked_to(one)
    await one.linked_to(mended)


async def test_a_restarted_peer_must_keep_its_id(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    """A new id under an old address means a new data directory, which remembers nothing."""
    one, two = await cluster.start_linked(2)
    await two.stop()
    await eventually(lambda: two.address not in one.recorder.up)
    await cluster.start(node_options([one.address, two.address], 2, node_id="Node-9"))
    await eventually(
        lambda: all(
            any("set SELF_ID back" in warning for warning in warnings_of(caplog, name))
            for name in ("Node-1", "Node-9")
        )
    )
    assert one.transport.directory.id_of(two.address) == "Node-2"


async def test_two_processes_with_one_address_and_id(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    """They can share an address only if they listen elsewhere: each ends the other's stream."""
    one, two = await cluster.start_linked(2)
    addresses = [one.address, two.address]
    twin = await Node(node_options(addresses, 2, listen_address=free_addresses(1)[0])).start()
    cluster.nodes.append(twin)
    await twin.linked_to(one)
    two.transport.send([ack(two.address, one.address, 1)])
    await eventually(
        lambda: any(
            "ABORTED" in warning and "two processes run with its address and id" in warning
            for warning in warnings_of(caplog, "Node-2")
        )
    )


async def test_a_refusal_ends_the_stream_not_the_node(cluster: Cluster) -> None:
    one, two = await cluster.start_linked(2)
    stranger = free_addresses(1)[0]
    await cluster.start(node_options([one.address, two.address, stranger], 3))
    await refused(one, RefusalKind.STRANGER)
    one.transport.send([ack(one.address, two.address, 5)])
    await eventually(lambda: two.inbox)
    assert not [t for t in asyncio.all_tasks() if t.done() and t.exception()]
