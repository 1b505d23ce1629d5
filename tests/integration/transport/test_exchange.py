"""Messages between nodes: order, size, bounds, and what happens when a peer is away."""

import asyncio

import msgspec
import pytest
import uvloop

from kvorum.raft.messages import AppendEntries, AppendResponse
from kvorum.transport.observer import DropReason
from tests.integration.transport.harness import (
    Cluster,
    Node,
    ack,
    append,
    eventually,
    free_addresses,
    node_options,
)
from tests.integration.transport.proxy import Proxy


async def test_three_nodes_exchange_messages_in_order(cluster: Cluster) -> None:
    nodes = await cluster.start_linked(3)
    sent = {
        (a.address, b.address): [ack(a.address, b.address, i) for i in range(1, 301)]
        for a in nodes
        for b in nodes
        if a is not b
    }
    for start in range(0, 300, 50):
        for node in nodes:
            for (sender, _), messages in sent.items():
                if sender == node.address:
                    node.transport.send(messages[start : start + 50])
    for node in nodes:
        await received(node, 600)
        for other in nodes:
            if other is not node:
                heard = [m for m in node.inbox if m.sender == other.address]
                assert heard == sent[other.address, node.address]


async def received(node: Node, count: int) -> None:
    await eventually(lambda: len(node.inbox) >= count)


async def test_what_waits_leaves_in_one_frame(cluster: Cluster) -> None:
    one, two = await cluster.start_linked(2)
    one.transport.send([ack(one.address, two.address, i) for i in range(1, 1001)])
    await eventually(lambda: len(two.inbox) == 1000)
    await eventually(lambda: one.recorder.frames_sent[two.address] == 1)
    assert two.recorder.messages_received[one.address] == 1000


async def test_a_large_backlog_is_split_into_frames(cluster: Cluster) -> None:
    one, two = await cluster.start_linked(2, frame_bytes_max=64 << 10)
    messages = [append(one.address, two.address, bytes(20_000), i) for i in range(1, 11)]
    one.transport.send(messages)
    await eventually(lambda: len(two.inbox) == 10)
    assert two.inbox == messages
    await eventually(lambda: one.recorder.frames_sent[two.address] == 4)


async def test_one_message_may_be_as_large_as_the_limit(cluster: Cluster) -> None:
    one, two = await cluster.start_linked(2)
    message = append(one.address, two.address, bytes((16 << 20) - 1024))
    one.transport.send([message])
    await eventually(lambda: two.inbox == [message])


async def test_a_message_over_the_limit_is_dropped_and_the_stream_survives(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = await cluster.start_linked(2)
    small = ack(one.address, two.address, 1)
    one.transport.send([append(one.address, two.address, bytes(16 << 20)), small])
    await eventually(lambda: two.inbox == [small])
    assert one.recorder.drops == {(two.address, DropReason.TOO_LARGE): 1}
    assert one.recorder.sessions[two.address] == 1
    assert f"dropped a message to {two.address} of more than 16777216 bytes" in caplog.text


async def test_the_newest_is_dropped_when_the_queue_is_full(cluster: Cluster) -> None:
    one, two = await cluster.start_linked(2, queue_messages_max=10)
    messages = [ack(one.address, two.address, i) for i in range(1, 26)]
    one.transport.send(messages)
    await eventually(lambda: len(two.inbox) == 10)
    assert two.inbox == messages[:10]
    assert one.recorder.drops == {(two.address, DropReason.QUEUE_FULL): 15}


async def test_nothing_is_kept_for_a_peer_that_is_away(cluster: Cluster) -> None:
    addresses = free_addresses(2)
    (one,) = await cluster.start(node_options(addresses, 1))
    one.transport.send([ack(addresses[0], addresses[1], 1)])
    assert one.recorder.drops == {(addresses[1], DropReason.DISCONNECTED): 1}
    (two,) = await cluster.start(node_options(addresses, 2))
    await one.linked_to(two)
    fresh = ack(one.address, two.address, 2)
    one.transport.send([fresh])
    await eventually(lambda: two.inbox)
    assert two.inbox == [fresh]


async def test_a_message_for_nobody_is_counted_and_dropped(cluster: Cluster) -> None:
    (one,) = await cluster.start(node_options(free_addresses(1), 1))
    one.transport.send([ack(one.address, "localhost:1", 1), ack(one.address, one.address, 1)])
    assert one.recorder.drops == {("", DropReason.UNKNOWN_PEER): 2}


async def test_links_come_back_after_a_restart(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = await cluster.start_linked(2)
    await two.stop()
    await eventually(lambda: two.address not in one.recorder.up)
    assert f"lost peer {two.address} (Node-2): UNAVAILABLE: Node-2 is stopping" in caplog.text
    await eventually(lambda: one.recorder.dials[two.address] > 4)
    (again,) = await cluster.start(node_options([one.address, two.address], 2))
    await one.linked_to(again)
    await again.linked_to(one)
    one.transport.send([ack(one.address, two.address, 7)])
    await eventually(lambda: again.inbox)
    assert again.inbox == [ack(one.address, two.address, 7)]


async def test_a_returning_peer_is_dialled_at_once(cluster: Cluster) -> None:
    """Its call tells that it is back: no need to sit out the back-off."""
    addresses = free_addresses(2)
    slow = {"reconnect_min_ms": 60_000, "reconnect_max_ms": 60_000}
    (one,) = await cluster.start(node_options(addresses, 1, **slow))
    await eventually(lambda: one.recorder.dials[addresses[1]] == 1)
    (two,) = await cluster.start(node_options(addresses, 2))
    await one.linked_to(two)


async def test_a_silent_peer_is_noticed_and_found_again(cluster: Cluster) -> None:
    """As when its process is paused (SIGSTOP) or the network swallows everything."""
    address_one, listen_two = free_addresses(2)
    fast = {
        "keepalive_interval_ms": 200,
        "keepalive_timeout_ms": 300,
        "handshake_timeout_ms": 500,
    }
    async with Proxy(listen_two) as proxy:
        addresses = [address_one, proxy.address]
        one, two = await cluster.start(
            node_options(addresses, 1, **fast),
            node_options(addresses, 2, listen_address=listen_two, **fast),
        )
        await one.linked_to(two)
        proxy.silence()
        await eventually(lambda: two.address not in one.recorder.up, deadline_s=5)
        proxy.resume()
        await one.linked_to(two)
        message = ack(one.address, two.address, 3)

        def arrived() -> bool:
            one.transport.send([message])  # again and again, as Raft does
            return message in two.inbox

        await eventually(arrived)
        for node in (one, two):
            await node.stop()


async def test_requests_are_answered_on_the_stream_of_the_answerer(cluster: Cluster) -> None:
    one, two = await cluster.start_linked(2)

    def follow(message: object) -> None:
        assert isinstance(message, AppendEntries)
        two.transport.send([ack(two.address, one.address, message.entries[-1].index)])

    two.on_message = follow
    for index in range(1, 101):
        one.transport.send([append(one.address, two.address, b"x", index)])
    await eventually(lambda: len(one.inbox) == 100)
    assert [m.match for m in one.inbox if isinstance(m, AppendResponse)] == [*range(1, 101)]


async def test_ids_are_learned_in_both_directions(cluster: Cluster) -> None:
    nodes = await cluster.start_linked(3)
    for node in nodes:
        known = [node.transport.directory.id_of(other.address) for other in nodes]
        assert known == ["Node-1", "Node-2", "Node-3"]


async def test_stop_is_quick_idempotent_and_leaves_no_tasks(cluster: Cluster) -> None:
    before = asyncio.all_tasks()
    nodes = await cluster.start_linked(3)
    async with asyncio.timeout(3):
        for node in nodes:
            async with asyncio.timeout(1):
                await node.stop()
            await node.stop()
        # gRPC ends its own tasks a few callbacks after stop() returned.
        await eventually(lambda: asyncio.all_tasks() == before)


async def test_cancelling_run_stops_the_server(cluster: Cluster) -> None:
    one, two = await cluster.start_linked(2)
    assert two._running is not None
    two._running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await two._running
    two._running = None
    await eventually(lambda: two.address not in one.recorder.up)


async def test_a_peer_whose_name_does_not_resolve_is_dialled_on(cluster: Cluster) -> None:
    """On Kubernetes a peer's name appears with its pod."""
    addresses = [*free_addresses(2), "no-such-host.invalid:8001"]
    one, two = await cluster.start(node_options(addresses, 1), node_options(addresses, 2))
    await one.linked_to(two)
    await eventually(lambda: one.recorder.dials["no-such-host.invalid:8001"] > 2)
    assert one.recorder.up == {two.address}


async def test_a_single_node_needs_no_peers(cluster: Cluster) -> None:
    options = node_options(free_addresses(1), 1)
    (one,) = await cluster.start(msgspec.structs.replace(options, listen_address="127.0.0.1:0"))
    assert one.recorder.dials == {}


def test_it_works_under_uvloop() -> None:
    async def exchange() -> None:
        cluster = Cluster()
        one, two = await cluster.start_linked(2)
        messages = [append(one.address, two.address, b"x", i) for i in range(1, 101)]
        one.transport.send(messages)
        await eventually(lambda: len(two.inbox) == 100)
        assert two.inbox == messages
        await cluster.stop()

    uvloop.run(exchange())
