"""Members that come, go and are replaced while the others go on talking."""

import asyncio

import msgspec
import pytest

from kvorum.raft.membership import Membership
from kvorum.raft.messages import InstallSnapshot, InstallSnapshotResponse, Message
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import EntryId, Index, NodeId, Term
from kvorum.transport.introduction import Assignment, RefusalKind
from kvorum.transport.observer import DropReason
from kvorum.transport.options import TransportOptions
from tests.integration.transport.harness import (
    Cluster,
    Node,
    ack,
    append,
    eventually,
    free_addresses,
    node_options,
)
from tests.unit.transport.fakes import FakeRegistrar


def options_with_id(addresses: list[str], number: int, member: NodeId) -> TransportOptions:
    """Of a node that has taken the id that the cluster gave it: it knows nobody."""
    return msgspec.structs.replace(node_options(addresses, number), member_id=member, members=())


async def pair(cluster: Cluster, **changes: object) -> tuple[Node, Node, list[str]]:
    """Two nodes that are a cluster, and the address of a third one."""
    addresses = free_addresses(3)
    one, two = await cluster.start(
        *(node_options(addresses[:2], number, **changes) for number in (1, 2))
    )
    for node in (one, two):
        node.set_members(0, one.member, two.member)
    await one.linked_to(two)
    await two.linked_to(one)
    return one, two, addresses


async def exchange(sender: Node, receiver: Node, index: int) -> None:
    """One message, sent again and again, as Raft does."""
    message = ack(sender.member, receiver.member, index)

    def arrived() -> bool:
        sender.transport.send([message])
        return message in receiver.inbox

    await eventually(arrived)


async def test_a_member_is_added_at_run_time(cluster: Cluster) -> None:
    """It listens to those who know it, and answers reach them though it knows nobody."""
    one, two, addresses = await pair(cluster)
    member = NodeId(f"{addresses[2]}#17")
    three = await cluster.start_one(
        options_with_id(addresses, 3, member), FakeRegistrar(virgin=True)
    )
    assert three.recorder.dials == {}
    for node in (one, two):
        node.set_members(0x17, one.member, two.member, member)
    await exchange(one, three, 1)
    await exchange(three, one, 2)
    await exchange(two, three, 3)
    await exchange(three, two, 4)
    assert three.inbox[0].sender == one.member
    assert one.transport.directory.id_of(member) == "Node-3"
    three.set_members(0x17, one.member, two.member, member)
    await exchange(three, one, 5)
    assert three.recorder.sessions == {one.member: 1, two.member: 1}, "guests become members"


async def test_a_removed_member_is_told_and_let_go_of(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    one, two, _ = await pair(cluster)
    one.set_members(0x20, one.member)
    await eventually(lambda: two.registrar.removed)
    assert f"member {two.member} is not among {one.member}" in two.registrar.removed[0]
    await eventually(lambda: one.recorder.forgot[two.member] == 1)
    assert one.recorder.up == set()
    assert one.recorder.refusals[RefusalKind.REMOVED] >= 1
    one.transport.send([ack(one.member, two.member, 1)])
    assert one.recorder.drops[("", DropReason.UNKNOWN_PEER)] == 1
    (refused,) = [each for each in caplog.messages if each.startswith("refused a peer")]
    assert "was removed from the cluster" in refused
    assert one.transport.directory.id_of(two.member) is None
    name = f"link to {two.member}"
    assert name not in {task.get_name() for task in asyncio.all_tasks()}


async def test_what_waits_for_a_removed_member_still_leaves(cluster: Cluster) -> None:
    """The commit index that covers its removal is the last thing it hears (§4.2.2)."""
    one, two, _ = await pair(cluster, leave_grace_ms=0, stop_grace_ms=60_000)
    last = [append(one.member, two.member, bytes(1 << 20), index) for index in range(1, 9)]
    one.transport.send(last)
    one.set_members(0x20, one.member)
    await eventually(lambda: len(two.inbox) == len(last))
    assert two.inbox == last
    await eventually(lambda: one.recorder.forgot[two.member])


async def test_a_removal_that_is_not_decided_cuts_nobody_off(cluster: Cluster) -> None:
    """A leader that removes itself has to be heard until it is (§4.2.2)."""
    one, two, _ = await pair(cluster, leave_grace_ms=0)
    two.set_members(0x20, two.member, commit=0x1F)
    for index in range(1, 6):
        await asyncio.sleep(two.transport._options.sweep_interval_ms / 1000)
        await exchange(one, two, index)
        await exchange(two, one, index)
    assert two.recorder.sessions[one.member] == one.recorder.sessions[two.member] == 1
    two.registrar.commit = 0x20
    await eventually(lambda: one.registrar.removed)


async def test_a_newcomer_gets_its_id(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    """Configured like a first member of another cluster, it calls and is told who it is."""
    one, two, addresses = await pair(cluster)
    newcomer = await cluster.start_one(
        node_options(addresses, 3, cluster_id="cluster-b"), FakeRegistrar(virgin=True)
    )
    await eventually(lambda: one.recorder.refusals[RefusalKind.OTHER_CLUSTER])
    assert any(f"run `kvorum member add {addresses[2]}`" in each for each in caplog.messages)
    member = NodeId(f"{addresses[2]}#17")
    one.set_members(0x17, one.member, two.member, member)
    await eventually(lambda: newcomer.registrar.assigned)
    assert newcomer.registrar.assigned[0] == Assignment(member, "cluster-a")
    await newcomer.stop()
    again = await cluster.start_one(
        options_with_id(addresses, 3, member), FakeRegistrar(virgin=True)
    )
    await exchange(one, again, 1)
    await exchange(again, one, 2)


async def test_a_newcomer_whose_id_is_out_of_date_learns_the_next_one(cluster: Cluster) -> None:
    """Added, removed and added again: nobody else calls it, and it knows nobody to call."""
    one, two, addresses = await pair(cluster)
    old, new = NodeId(f"{addresses[2]}#17"), NodeId(f"{addresses[2]}#2a")
    three = await cluster.start_one(options_with_id(addresses, 3, old), FakeRegistrar(virgin=True))
    one.set_members(0x2A, one.member, two.member, new)
    await eventually(lambda: three.registrar.assigned)
    assert three.registrar.assigned[0] == Assignment(new, "cluster-a")
    assert three.inbox == []


async def test_who_is_not_ready_to_judge_is_asked_again_soon(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    one, two, addresses = await pair(cluster)
    member = NodeId(f"{addresses[2]}#17")
    one.registrar.caught_up = False
    one.set_members(0x17, one.member, two.member, member)
    newcomer = await cluster.start_one(
        node_options([addresses[0], addresses[2]], 2, refused_retry_ms=60_000),
        FakeRegistrar(virgin=True),
    )
    await eventually(lambda: one.recorder.refusals[RefusalKind.NOT_READY])
    assert not newcomer.registrar.assigned
    assert not [each for each in caplog.messages if "not ready" in each]
    one.registrar.caught_up = True
    await eventually(lambda: newcomer.registrar.assigned)


async def test_emptied_nodes_stop_talking_once_they_hear_of_another_cluster(
    cluster: Cluster,
) -> None:
    """Before the next look at who may be connected: one vote would be too many."""
    addresses = free_addresses(3)
    two, three = [
        await cluster.start_one(
            node_options(addresses, number, sweep_interval_ms=60_000), FakeRegistrar(virgin=True)
        )
        for number in (2, 3)
    ]
    await exchange(two, three, 1)
    await exchange(three, two, 1)
    one = await cluster.start_one(node_options(addresses[:1], 1, cluster_id="cluster-b"))
    one.set_members(0, one.member)
    await eventually(lambda: three.transport._standing.disowned)
    two.transport._standing.disowned = ""  # it may hear of it later
    heard = len(three.inbox)
    two.transport.send([ack(two.member, three.member, 2)])
    await eventually(lambda: three.recorder.refusals[RefusalKind.DISOWNED])
    three.transport.send([ack(three.member, two.member, 2)])
    assert three.recorder.drops[("", DropReason.DISOWNED)] == 1
    assert len(three.inbox) == heard


async def test_a_lost_disk_is_noticed_and_the_node_replaced(cluster: Cluster) -> None:
    one, two, addresses = await pair(cluster)
    for node in (one, two):
        node.registrar.uids = {one.member: "uid-1", two.member: "uid-2"}
    await two.stop()
    await eventually(lambda: two.member not in one.recorder.up)
    empty = await cluster.start_one(
        node_options(addresses[:2], 2, uid="uid-new"), FakeRegistrar(virgin=True)
    )
    await eventually(lambda: one.registrar.lost and empty.transport._standing.disowned)
    assert set(one.registrar.lost) == {two.member}
    assert one.inbox == empty.inbox == []
    empty.transport.send([ack(two.member, one.member, 1)])
    assert empty.recorder.drops[("", DropReason.DISOWNED)] == 1

    successor = NodeId(f"{two.member}#1e")
    one.set_members(0x1E, one.member, two.member, successor)  # joint: the old one still counts
    await eventually(lambda: empty.registrar.assigned)
    assert empty.registrar.assigned[0] == Assignment(successor, "cluster-a")
    await empty.stop()
    replaced = await cluster.start_one(
        msgspec.structs.replace(
            options_with_id(addresses, 2, successor), uid="uid-new", node_id="Node-2"
        ),
        FakeRegistrar(virgin=True),
    )
    await exchange(one, replaced, 1)
    await exchange(replaced, one, 2)
    one.set_members(0x1F, one.member, successor)
    await exchange(replaced, one, 3)
    assert one.transport.directory.member_of("Node-2") == successor
    await eventually(lambda: one.recorder.forgot[two.member] == 1)
    assert one.recorder.up == {successor}


async def test_a_data_directory_that_turns_out_wrong_is_cut_off(cluster: Cluster) -> None:
    """The node was behind when it let the other in."""
    one, two, _ = await pair(cluster)
    await exchange(one, two, 1)
    one.registrar.uids[two.member] = "uid-of-old"
    await eventually(lambda: one.recorder.refusals[RefusalKind.OTHER_DATA])
    await eventually(lambda: two.member not in one.recorder.up)
    await eventually(lambda: one.member not in two.recorder.up)
    two.transport.send([ack(two.member, one.member, 2)])
    assert one.inbox == []


async def test_callers_of_whom_nothing_is_known_are_bounded(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    addresses = free_addresses(4)
    one = await cluster.start_one(node_options(addresses[:1], 1, guests_max=2))
    guests = []
    for number in (2, 3, 4):
        member = NodeId(f"{addresses[number - 1]}#{number}")
        node = await cluster.start_one(options_with_id(addresses, number, member))
        node.set_members(9, one.member, member)
        guests.append(node)
        if number < 4:
            await exchange(node, one, number)
            await exchange(one, node, number)
    await eventually(lambda: one.recorder.refusals[RefusalKind.TOO_MANY_GUESTS] >= 2)
    assert one.recorder.up == {guests[0].member, guests[1].member}
    assert any("talks to 2 nodes already" in each for each in caplog.messages)
    await guests[0].stop()
    await exchange(guests[2], one, 4)
    await eventually(lambda: one.recorder.forgot[guests[0].member])


async def test_a_link_to_whoever_never_answered_ends_at_once(cluster: Cluster) -> None:
    addresses = free_addresses(2)
    one = await cluster.start_one(node_options(addresses, 1, leave_grace_ms=0))
    one.set_members(0, one.member, NodeId(addresses[1]))
    await eventually(lambda: one.recorder.dials[addresses[1]] > 1)
    one.set_members(1, one.member)
    await eventually(lambda: one.recorder.forgot[addresses[1]])
    dials = one.recorder.dials[addresses[1]]
    name = f"link to {addresses[1]}"
    await eventually(lambda: name not in {task.get_name() for task in asyncio.all_tasks()})
    assert one.recorder.dials[addresses[1]] == dials


async def test_members_may_change_before_and_after_the_links_run(cluster: Cluster) -> None:
    addresses = free_addresses(2)
    options = node_options(addresses[:1], 1)
    one = Node(options)
    cluster.nodes.append(one)
    one.set_members(5, one.member, NodeId(addresses[1]))
    one.set_members(6, one.member)
    one.set_members(7, one.member, NodeId(addresses[1]))
    await one.start()
    two = await cluster.start_one(node_options(addresses, 2))
    await exchange(one, two, 1)
    await one.stop()
    one.set_members(8, one.member)
    one.set_members(9, one.member, NodeId(addresses[1]))


async def test_a_snapshot_travels_beside_heartbeats(cluster: Cluster) -> None:
    one, two, _ = await pair(cluster)
    data = bytes(range(256)) * 4096
    snapshot = Snapshot(
        EntryId(Term(1), Index(9)),
        Membership((one.member, two.member), learners=(NodeId("localhost:1#a"),)),
        len(data),
        0xFFFFFFFF,
    )
    part = 256 << 10

    def chunk(offset: int) -> InstallSnapshot:
        return InstallSnapshot(
            to=two.member,
            sender=one.member,
            term=Term(2),
            snapshot=snapshot,
            offset=offset,
            data=data[offset : offset + part],
        )

    def collect(message: Message) -> None:
        if isinstance(message, InstallSnapshot):
            two.transport.send(
                [
                    InstallSnapshotResponse(
                        to=one.member,
                        sender=two.member,
                        term=Term(2),
                        last=snapshot.last,
                        checksum=snapshot.checksum,
                        offset=message.offset + len(message.data),
                    )
                ]
            )

    def go_on(message: Message) -> None:
        assert isinstance(message, InstallSnapshotResponse)
        one.transport.send([ack(one.member, two.member, 1)])
        if message.offset < len(data):
            one.transport.send([chunk(message.offset)])

    two.on_message, one.on_message = collect, go_on
    one.transport.send([chunk(0)])
    await eventually(lambda: len(one.inbox) == len(data) // part)
    received = [each for each in two.inbox if isinstance(each, InstallSnapshot)]
    assert b"".join(each.data for each in received) == data
    assert {each.snapshot for each in received} == {snapshot}
    await eventually(lambda: len(two.inbox) == 2 * len(received))
    assert not one.recorder.drops
