"""Transports on loopback, with everything they hear and count at hand."""

import asyncio
import logging
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

import msgspec

from kvorum.raft.messages import AppendEntries, AppendResponse, Message
from kvorum.raft.types import Entry, EntryId, EntryKind, Index, NodeId, Term
from kvorum.transport.observer import DropReason
from kvorum.transport.options import TransportOptions
from kvorum.transport.transport import Transport
from tests.support.fake_history import HubKit
from tests.unit.transport.fakes import FakeRegistrar

DEADLINE_S = 10.0


def free_addresses(count: int) -> list[str]:
    """Distinct loopback addresses that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [f"localhost:{held.getsockname()[1]}" for held in sockets]
    finally:
        for held in sockets:
            held.close()


def node_options(addresses: Sequence[str], number: int, **changes: object) -> TransportOptions:
    """Options of node ``number`` (from 1) with short waits, changed as asked."""
    options = TransportOptions(
        self_address=addresses[number - 1],
        listen_address=addresses[number - 1],
        node_id=f"Node-{number}",
        member_id=NodeId(addresses[number - 1]),
        uid=f"uid-{number}",
        cluster_id="cluster-a",
        members=tuple(map(NodeId, addresses)),
        executed_commands_key="_executed",
        reconnect_max_ms=100,
        refused_retry_ms=100,
        leave_grace_ms=200,
        sweep_interval_ms=50,
    )
    return msgspec.structs.replace(options, **changes)


async def eventually(condition: Callable[[], object], deadline_s: float = DEADLINE_S) -> None:
    """Wait until ``condition`` holds; fail after ``deadline_s``."""
    end_s = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end_s, "the condition did not come true in time"
        await asyncio.sleep(0.002)


def ack(sender: str, to: str, index: int) -> AppendResponse:
    return AppendResponse(
        to=NodeId(to), sender=NodeId(sender), term=Term(1), success=True, match=Index(index)
    )


def append(sender: str, to: str, data: bytes, index: int = 1) -> AppendEntries:
    return AppendEntries(
        to=NodeId(to),
        sender=NodeId(sender),
        term=Term(1),
        prev=EntryId(Term(min(1, index - 1)), Index(index - 1)),
        entries=(Entry(Term(1), Index(index), EntryKind.COMMANDS, data),),
        commit=Index(0),
    )


class Recorder:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.up: set[str] = set()
        self.sessions: Counter[str] = Counter()
        self.dials: Counter[str] = Counter()
        self.drops: Counter[tuple[str, DropReason]] = Counter()
        self.refusals: Counter[str] = Counter()
        self.messages_sent: Counter[str] = Counter()
        self.frames_sent: Counter[str] = Counter()
        self.messages_received: Counter[str] = Counter()
        self.forgot: Counter[str] = Counter()
        self.calls: Counter[tuple[str, str]] = Counter()
        self.durations_s: list[float] = []
        self.open_streams: Counter[str] = Counter()

    def sent(self, peer: str, messages: int, size_bytes: int) -> None:
        self.messages_sent[peer] += messages
        self.frames_sent[peer] += 1

    def received(self, peer: str, messages: int, size_bytes: int) -> None:
        self.messages_received[peer] += messages

    def dropped(self, peer: str, messages: int, reason: DropReason) -> None:
        self.drops[peer, reason] += messages

    def connected(self, peer: str, up: bool) -> None:
        (self.up.add if up else self.up.discard)(peer)
        self.sessions[peer] += up

    def dialled(self, peer: str) -> None:
        self.dials[peer] += 1

    def forgotten(self, peer: str) -> None:
        self.forgot[peer] += 1

    def refused(self, kind: str) -> None:
        self.refusals[kind] += 1

    def answered(self, method: str, code: str, seconds: float) -> None:
        self.calls[method, code] += 1
        self.durations_s.append(seconds)

    def unknown(self) -> None:
        self.calls["other", "UNIMPLEMENTED"] += 1

    def opened(self, method: str) -> None:
        self.open_streams[method] += 1

    def closed(self, method: str, code: str) -> None:
        self.open_streams[method] -= 1
        self.calls[method, code] += 1


class Node:
    """One transport that runs, and the inbox a driver would have."""

    def __init__(self, options: TransportOptions, registrar: FakeRegistrar | None = None) -> None:
        self.address = options.self_address
        self.member = options.member_id
        self.registrar = registrar or FakeRegistrar()
        self.recorder = Recorder()
        self.inbox: list[Message] = []
        self.watches = HubKit(watchers_max=3, buffer_events_max=100)
        self.on_message: Callable[[Message], None] | None = None
        self.transport = Transport(
            options,
            self._deliver,
            self.registrar,
            self.watches.hub.open,
            observer=self.recorder,
            calls=self.recorder,
            logger=logging.getLogger(f"kvorum.transport.{options.node_id}"),
            random=Random(1),
        )
        self._running: asyncio.Task[None] | None = None

    def _deliver(self, messages: Sequence[Message]) -> None:
        self.inbox.extend(messages)
        if self.on_message is not None:
            for message in messages:
                self.on_message(message)

    def set_members(self, index: int, *members: NodeId, commit: int | None = None) -> None:
        """As the node's driver tells it, by default with the entry committed."""
        self.registrar.commit = index if commit is None else commit
        self.transport.set_members(Index(index), members)

    async def start(self) -> "Node":
        await self.transport.start()
        self._running = asyncio.create_task(self.transport.run())
        return self

    async def stop(self) -> None:
        await self.transport.stop()
        if self._running is not None:
            await self._running

    async def linked_to(self, *others: "Node") -> None:
        await eventually(lambda: all(other.member in self.recorder.up for other in others))


class Cluster:
    """Starts nodes and stops whatever still runs at the end of a test."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []

    async def start(self, *options: TransportOptions) -> list[Node]:
        return [await self.start_one(each) for each in options]

    async def start_one(
        self, options: TransportOptions, registrar: FakeRegistrar | None = None
    ) -> Node:
        node = Node(options, registrar)
        self.nodes.append(node)
        return await node.start()

    async def start_linked(self, size: int, **changes: object) -> list[Node]:
        """``size`` nodes, each connected to every other one."""
        addresses = free_addresses(size)
        nodes = await self.start(
            *(node_options(addresses, number + 1, **changes) for number in range(size))
        )
        for node in nodes:
            await node.linked_to(*(other for other in nodes if other is not node))
        return nodes

    async def stop(self) -> None:
        for node in self.nodes:
            await node.stop()
