"""A whole node judges who comes with an empty data directory, from its first moment on."""

import asyncio
from contextlib import suppress
from random import Random

import msgspec
from prometheus_client import CollectorRegistry

from kvorum.app.node import Node
from kvorum.mvcc.command import Introduce, Put, Stamp, encode_batch, encode_command
from kvorum.raft.membership import Membership, encode_membership
from kvorum.raft.types import Entry, EntryKind, HardState, Index, NodeId, Term
from kvorum.telemetry.metrics import ServiceMetrics
from kvorum.transport.introduction import RefusalKind
from tests.support.node_cluster import OPTIONS, Disk
from tests.unit.transport.parties import FIRST, ONE, THREE, TWO, Party, options_of

HEIR = NodeId(f"{THREE}#4")
STAMP = Stamp(1, 100_000, 3600)
WRITES = 3000  # some turns of the driver


def a_log() -> list[Entry]:
    """Node 3 lost its disk, was replaced by entry 4, introduced itself and votes again."""
    entries: list[Entry] = []

    def add(kind: EntryKind, data: bytes) -> None:
        entries.append(Entry(Term(1), Index(len(entries) + 1), kind, data))

    def apply(command: Introduce | Put) -> None:
        add(EntryKind.COMMANDS, encode_batch([encode_command(command)], STAMP))

    add(EntryKind.NOOP, b"")
    apply(Introduce("i1", ONE, "uid-1", "Node-1"))
    apply(Introduce("i2", TWO, "uid-2", "Node-2"))
    replaced = Membership((ONE, TWO), learners=(HEIR,), heirs=(HEIR,))
    add(EntryKind.MEMBERSHIP, encode_membership(replaced))
    for number in range(WRITES):
        apply(Put(f"p{number}", b"k", b"1", 0))
    apply(Introduce("i3", HEIR, "uid-3", "Node-3"))
    add(EntryKind.MEMBERSHIP, encode_membership(Membership((ONE, TWO, HEIR))))
    return entries


def a_node(disk: Disk) -> Node:
    return Node(
        msgspec.structs.replace(OPTIONS, member=ONE, uid="uid-1", node_id="Node-1"),
        disk.origin(Membership(FIRST)),
        options_of(ONE),
        log=disk.log(),
        snapshots=disk.snapshots,
        metrics=ServiceMetrics(CollectorRegistry(), version=""),
        assigned=lambda _: None,
    )


async def test_an_empty_directory_is_not_given_the_id_of_a_voter_while_the_log_is_replayed() -> (
    None
):
    """Whose introduction is in the log, but was not applied yet."""
    disk = Disk(Random(0))
    disk.entries = a_log()
    disk.hard_state = HardState(Term(1), ONE, Index(len(disk.entries)))
    node = a_node(disk)
    hello = Party(THREE, FIRST, virgin=True, uid="uid-empty").hello(ONE)
    running = asyncio.create_task(node.member.run())
    heard: list[str] = []
    applied: set[int] = set()
    try:
        async with asyncio.timeout(10):
            while not heard or heard[-1] == RefusalKind.NOT_READY:
                applied.add(node.member.machine.applied_index)
                refusal = node.transport._handshake.judge_caller(hello, streaming_as=None)
                assert refusal is not None
                heard.append(refusal.kind)
                await asyncio.sleep(0)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await node.transport.stop()
    assert set(heard) == {RefusalKind.NOT_READY, RefusalKind.LOST_DISK}
    assert len(applied) > 2, "the log was replayed in one turn, so that nothing was tested"
