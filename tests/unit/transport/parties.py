"""Two nodes before they talk: who each is, and what it knows of the other."""

from collections.abc import Iterable

import msgspec

from kvorum.raft.membership import address_of
from kvorum.raft.types import Index, NodeId
from kvorum.transport.directory import Directory
from kvorum.transport.handshake import Handshake
from kvorum.transport.introduction import Hello, HelloReply, Refusal
from kvorum.transport.options import TransportOptions
from kvorum.transport.standing import Standing
from tests.unit.transport.fakes import FakeRegistrar

ONE, TWO, THREE, FOUR = (NodeId(f"localhost:800{number}") for number in (1, 2, 3, 4))
FIRST = (ONE, TWO, THREE)


def options_of(member: NodeId, members: Iterable[NodeId] = FIRST) -> TransportOptions:
    address = address_of(member)
    return TransportOptions(
        self_address=address,
        listen_address=address,
        node_id=f"Node-{address[-1]}",
        member_id=member,
        uid=f"uid-{address[-1]}",
        cluster_id="cluster-a",
        members=tuple(members),
        executed_commands_key="_executed",
    )


class Party:
    """The rules of one node, in a state that the test chooses.

    ``members`` are those of the log's entry ``index``; ``uids`` is what the log tells of them.
    Those who were added later are learners unless they are among ``voters``. With ``is_told``
    its driver has begun.
    """

    def __init__(
        self,
        member: NodeId,
        members: Iterable[NodeId] = FIRST,
        *,
        index: int = 0,
        commit: int = 0,
        virgin: bool = False,
        uids: dict[NodeId, str] | None = None,
        voters: Iterable[NodeId] = (),
        is_told: bool = True,
        **changes: object,
    ) -> None:
        self.options = msgspec.structs.replace(options_of(member), **changes)
        self.registrar = FakeRegistrar(virgin=virgin, commit=commit)
        self.registrar.uids.update(uids or {})
        self.registrar.voters.update(voters)
        self.directory = Directory(member, self.options.node_id)
        self.standing = Standing(self.options, self.registrar)
        if is_told:
            self.standing.set(Index(index), tuple(members))
        self.handshake = Handshake(self.options, self.directory, self.standing, self.registrar)

    def hello(self, receiver: NodeId, **changes: object) -> Hello:
        """What it says when it dials ``receiver``."""
        hello = self.handshake.hello(receiver, address_of(receiver))
        return msgspec.structs.replace(hello, **changes)

    def judge(self, hello: Hello, *, streaming_as: str | None = None) -> Refusal | None:
        return self.handshake.judge_caller(hello, streaming_as=streaming_as)

    def answer(self, hello: Hello) -> HelloReply:
        return self.handshake.reply(self.judge(hello))


def dial(caller: Party, receiver: Party) -> Refusal | None:
    """A whole handshake, as the caller sees it; None: both agree."""
    target = receiver.options.member_id
    return caller.handshake.conclude(target, receiver.answer(caller.hello(target)))


def kind_of(refusal: Refusal | None) -> str | None:
    return None if refusal is None else refusal.kind
