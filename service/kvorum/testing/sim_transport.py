"""How simulated nodes meet: by the real rules of the handshake, over the simulated network.

A link is dialled, judged by :class:`~kvorum.transport.handshake.Handshake` on both sides, and
carries messages until one side is gone or judged anew. A lost disk, an assigned id and a
removal are noticed here, as they are by the real transport.
"""

from collections.abc import Callable, Collection, Sequence
from functools import partial

from kvorum.node.member import Member
from kvorum.node.ports import Clock
from kvorum.raft.membership import address_of
from kvorum.raft.messages import Message
from kvorum.raft.types import Index, NodeId
from kvorum.testing.sim_network import SimulatedNetwork
from kvorum.testing.virtual_time import Gate
from kvorum.transport.directory import Directory
from kvorum.transport.handshake import Handshake
from kvorum.transport.introduction import Assignment, Hello, HelloReply, Refusal, RefusalKind
from kvorum.transport.options import TransportOptions
from kvorum.transport.standing import Standing

_SWEEP_S = 0.2
_ANSWER_S = 0.3
_REFUSED_S = 0.5


class Connection:
    """A stream from ``caller`` to ``callee``; either side may end it."""

    def __init__(self, hello: Hello, caller: "SimulatedTransport", callee: "SimulatedTransport"):
        self.hello = hello
        self.caller = caller
        self.callee = callee
        self.is_open = True

    def close(self) -> None:
        self.is_open = False


class Link:
    """To one peer: closed, being dialled, or open."""

    def __init__(self, peer: NodeId) -> None:
        self.peer = peer
        self.address = address_of(peer)
        self.connection: Connection | None = None
        self.uid = ""  # of whoever answered
        self.attempt = 0
        self.again_s = 0.0  # no attempt before

    @property
    def is_open(self) -> bool:
        return self.connection is not None and self.connection.is_open

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection = None
        self.attempt += 1


class _Registrar:
    """The node, as the handshake sees it, once there is a member."""

    def __init__(self, assigned: Callable[[Assignment], None]) -> None:
        self.member: Member | None = None
        self._assigned = assigned

    def is_virgin(self) -> bool:
        return self.member is not None and not self.member.core.state.log.last_index

    def commit_index(self) -> Index:
        return Index(0) if self.member is None else self.member.core.state.log.commit

    def is_caught_up(self) -> bool:
        if self.member is None:
            return False
        return self.member.machine.applied_index >= self.member.core.state.log.commit

    def undecided_uids(self, member: NodeId) -> Collection[str]:
        return () if self.member is None else self.member.undecided_uids(member)

    def is_learner(self, member: NodeId) -> bool:
        return self.member is not None and member in self.member.core.membership.learners

    def uid_of(self, member: NodeId) -> str | None:
        known = self.member.machine.members.get(member) if self.member is not None else None
        return None if known is None else known.uid

    def on_lost(self, member: NodeId) -> None:
        if self.member is not None:
            self.member.upkeep.members.lost_disk(member)

    def on_assigned(self, assignment: Assignment) -> None:
        is_led = self.member is None or not self.member.leadership.is_hopeless()
        if not (assignment.begins_anew and is_led):  # as with a removal: not while it is led
            self._assigned(assignment)

    def on_refused(self, why: str) -> None:
        if self.member is not None:
            self.member.leadership.refused(why)

    def on_removed(self, why: str) -> None:
        if self.member is not None:
            self.member.told_removed(why)


class SimulatedTransport:
    """``node.ports.Peers`` on the simulated network."""

    def __init__(
        self,
        options: TransportOptions,
        network: "SimulatedNetwork[SimulatedTransport]",
        gate: Gate,
        clock: Clock,
        assigned: Callable[[Assignment], None],
    ) -> None:
        """``assigned``: this node has to begin anew under another id. ``attach`` comes next."""
        self.member_id = options.member_id
        self.address = options.self_address
        self.gate = gate
        self._network = network
        self._clock = clock
        self._registrar = registrar = _Registrar(assigned)
        self._standing = Standing(options, registrar)
        self._directory = Directory(options.member_id, options.node_id)
        self._handshake = Handshake(options, self._directory, self._standing, registrar)
        self._links: dict[NodeId, Link] = {}
        self._callers: dict[str, Connection] = {}

    def attach(self, member: Member) -> None:
        """From now on it can be called."""
        self._registrar.member = member
        self._network.join(self.address, self)
        self._sweep()

    def close(self) -> None:
        """The process is gone: the other sides notice at once."""
        for link in self._links.values():
            link.close()
        for connection in self._callers.values():
            connection.close()

    # --- for the member ----------------------------------------------------------------

    def send(self, messages: Sequence[Message]) -> None:
        self._network.note(messages)
        if self._standing.disowned:
            return
        batches: dict[NodeId, list[Message]] = {}
        for message in messages:
            batches.setdefault(message.to, []).append(message)
        for to, batch in batches.items():
            link = self._links.get(to)
            if link is not None and link.connection is not None and link.connection.is_open:
                connection = link.connection
                deliver = partial(connection.callee.receive, connection, batch)
                self._network.carry(self, connection.callee, batch, deliver)

    def set_members(self, index: Index, members: Sequence[NodeId]) -> None:
        self._standing.set(index, members)
        self._review()

    def receive(self, connection: Connection, batch: Sequence[Message]) -> None:
        is_heard = connection.is_open and not self._standing.disowned
        if is_heard and self._registrar.member is not None:
            self._registrar.member.deliver(batch)

    # --- links -------------------------------------------------------------------------

    def _sweep(self) -> None:
        self._review()
        self.gate.call_later(_SWEEP_S, self._sweep)

    def _review(self) -> None:
        self._standing.release(self._clock.monotonic_s())
        for connection in self._callers.values():
            if connection.is_open and self._handshake.judge_again(connection.hello) is not None:
                connection.close()
        self._keep_links()
        self._directory.keep(list(self._links))
        for link in self._links.values():
            if link.is_open and self._registrar.uid_of(link.peer) not in (None, link.uid):
                link.close()
            self._dial(link)

    def _guests(self) -> list[NodeId]:
        callers = [caller.hello.member for caller in self._callers.values() if caller.is_open]
        return [member for member in callers if not self._standing.knows(member)]

    def _keep_links(self) -> None:
        wanted = dict.fromkeys((*self._standing.peers, *self._guests()))
        for peer in [peer for peer in self._links if peer not in wanted]:
            self._links.pop(peer).close()
        for peer in wanted:
            if peer not in self._links:
                self._links[peer] = Link(peer)

    # --- dialling ----------------------------------------------------------------------

    def _dial(self, link: Link) -> None:
        now_s = self._clock.monotonic_s()
        if link.is_open or now_s < link.again_s or self._registrar.member is None:
            return
        link.again_s = now_s + _ANSWER_S
        link.attempt += 1
        hello = self._handshake.hello(link.peer, link.address)
        answer = partial(self._call, hello, link, link.attempt)
        self._network.dial(self.address, link.address, answer)

    def _call(self, hello: Hello, link: Link, attempt: int, callee: "SimulatedTransport") -> None:
        callee.gate.call_soon(callee.answer, hello, self, link, attempt)

    def answer(self, hello: Hello, caller: "SimulatedTransport", link: Link, attempt: int) -> None:
        """A node calls this one."""
        refusal = self._judge(hello)
        reply = self._handshake.reply(refusal)
        connection = None
        if refusal is None:
            connection = self._accept(hello, caller)
        elif refusal.kind is RefusalKind.RENAMED and refusal.assigned is not None:
            self._registrar.on_assigned(Assignment(refusal.assigned, hello.cluster_id))
        done = partial(caller.conclude, link, attempt, reply, connection)
        self._network.dial(self.address, caller.address, lambda _: caller.gate.call_soon(done))

    def _judge(self, hello: Hello) -> Refusal | None:
        there = self._callers.get(hello.sender_address)
        streaming_as = there.hello.node_id if there is not None and there.is_open else None
        return self._handshake.judge_caller(hello, streaming_as=streaming_as)

    def _accept(self, hello: Hello, caller: "SimulatedTransport") -> Connection:
        self._directory.learn(hello.member, hello.node_id)
        former = self._callers.get(hello.sender_address)
        if former is not None:
            former.close()
        connection = self._callers[hello.sender_address] = Connection(hello, caller, self)
        self._keep_links()
        link = self._links[hello.member]
        link.again_s = 0.0  # a peer that calls can be called
        self._dial(link)
        return connection

    def conclude(
        self, link: Link, attempt: int, reply: HelloReply, connection: Connection | None
    ) -> None:
        """The answer to a call of this node."""
        is_late = attempt != link.attempt or self._links.get(link.peer) is not link
        refusal = None if is_late else self._handshake.conclude(link.peer, reply)
        if is_late or refusal is not None or connection is None:
            if connection is not None:
                connection.close()
            if refusal is not None:
                self._network.tell_refused(self.address, link.peer, refusal.text)
                link.again_s = self._clock.monotonic_s() + _REFUSED_S
            return
        self._directory.learn(link.peer, reply.node_id)
        link.connection, link.uid = connection, reply.uid
