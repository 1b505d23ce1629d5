"""Who may talk to this node: the rules, without any I/O.

The caller introduces itself (:class:`~kvorum.transport.introduction.Hello`), the receiver
judges and answers. The rules catch mistakes before they can hurt: a node of another cluster,
two nodes with one identity, two spellings of one address, a lost disk. They are no
protection against malice.
"""

from msgspec.structs import replace

from kvorum.raft.types import NodeId
from kvorum.transport.admission import Admission, is_successor, name
from kvorum.transport.consequences import Consequences
from kvorum.transport.directory import Directory
from kvorum.transport.disks import Disks
from kvorum.transport.identity import Registrar
from kvorum.transport.introduction import (
    REASON_CHARACTERS_MAX,
    Hello,
    HelloReply,
    Refusal,
    RefusalKind,
    shown,
)
from kvorum.transport.options import PROTOCOL_VERSION, TransportOptions
from kvorum.transport.standing import Standing


class Handshake:
    """Introduces this node and judges others, by its options and by who is known."""

    def __init__(
        self,
        options: TransportOptions,
        directory: Directory,
        standing: Standing,
        registrar: Registrar,
    ) -> None:
        self._options = options
        self._directory = directory
        self._standing = standing
        self._registrar = registrar
        self._disks = disks = Disks(standing, registrar)
        self._admission = Admission(options, standing, registrar, disks)
        self._consequences = Consequences(options, standing, registrar, disks)

    def hello(self, receiver: NodeId, address: str) -> Hello:
        """What to say when dialling the member ``receiver`` at ``address``."""
        options, standing = self._options, self._standing
        return Hello(
            protocol_version=PROTOCOL_VERSION,
            cluster_id=options.cluster_id,
            node_id=options.node_id,
            member=options.member_id,
            uid=options.uid,
            virgin=self._registrar.is_virgin(),
            sender_address=options.self_address,
            receiver_address=address,
            receiver_member=receiver,
            receiver_vacant=self._disks.is_vacant(receiver),
            members=standing.members,
            membership_index=standing.index,
            executed_commands_key=options.executed_commands_key,
        )

    def reply(self, refusal: Refusal | None) -> HelloReply:
        options, standing = self._options, self._standing
        return HelloReply(
            accepted=refusal is None,
            reason="" if refusal is None else refusal.text,
            protocol_version=PROTOCOL_VERSION,
            cluster_id=options.cluster_id,
            node_id=options.node_id,
            member=options.member_id,
            uid=options.uid,
            virgin=self._registrar.is_virgin(),
            membership_index=standing.index,
            members=standing.members,
            refusal="" if refusal is None else refusal.kind,
            assigned=(refusal.assigned or "") if refusal is not None else "",
        )

    def judge_caller(self, hello: Hello, *, streaming_as: str | None) -> Refusal | None:
        """None if the caller may talk to us; otherwise the first rule that it breaks.

        ``streaming_as`` is the SELF_ID under which a stream from the caller's
        address is open now, if one is.
        """
        admission = self._admission
        return (
            self._judge_version(hello)
            or admission.judge_form(hello)
            or self._judge_addresses(hello)
            or admission.judge_newcomer(hello)
            or self._judge_cluster(hello)
            or admission.judge_aim(hello)
            or admission.judge_member(hello)
            or self._judge_executed_key(hello)
            or self._judge_caller_id(hello, streaming_as)
        )

    def judge_again(self, hello: Hello) -> Refusal | None:
        """An accepted caller, by what is known by now; it need not be virgin any more."""
        return self._admission.judge_member(replace(hello, virgin=False))

    def conclude(self, peer: NodeId, reply: HelloReply) -> Refusal | None:
        """What the dialler of ``peer`` makes of its answer; None: they can talk.

        Whatever the answer means for this node is told to it on the way.
        """
        self._consequences.heed(peer, reply)
        if not reply.accepted:
            return self._refused_by(peer, reply)
        refusal = self.judge_receiver(peer, reply)
        if refusal is None:
            return None
        return Refusal(refusal.kind, f"this node refuses peer {peer}: {refusal.text}")

    def judge_receiver(self, peer: NodeId, reply: HelloReply) -> Refusal | None:
        """What the dialler of ``peer`` holds against an acceptance, if anything."""
        if reply.cluster_id != self._options.cluster_id:
            return Refusal(
                RefusalKind.OTHER_CLUSTER,
                f"{peer} belongs to cluster {shown(reply.cluster_id)}, "
                f"this node to {self._options.cluster_id}",
            )
        return self._admission.judge_receiver(peer, reply) or self._judge_id(peer, reply.node_id)

    def _refused_by(self, peer: NodeId, reply: HelloReply) -> Refusal:
        if reply.virgin and reply.member != peer and not self._registrar.is_virgin():
            return Refusal(RefusalKind.RENAMED, f"the node there has yet to become {peer}")
        is_ours = reply.cluster_id == self._options.cluster_id
        if is_ours and is_successor(reply.member, peer):
            return Refusal(RefusalKind.RENAMED, f"{shown(reply.member)} has replaced it")
        reason = shown(reply.reason, REASON_CHARACTERS_MAX)
        try:
            kind = RefusalKind(reply.refusal)
        except ValueError:
            kind = RefusalKind.STRANGER  # a kind that only a later release knows
        return Refusal(kind, f"peer {peer} refuses this node: {reason}")

    def _judge_version(self, hello: Hello) -> Refusal | None:
        ours = self._options
        if hello.protocol_version == PROTOCOL_VERSION:
            return None
        return Refusal(
            RefusalKind.PROTOCOL_VERSION,
            f"protocol version {hello.protocol_version} is not supported here: "
            f"{ours.node_id} ({ours.self_address}) speaks {PROTOCOL_VERSION}; "
            "run the same release on all nodes",
        )

    def _judge_cluster(self, hello: Hello) -> Refusal | None:
        ours = self._options
        if hello.cluster_id == ours.cluster_id:
            return None
        theirs = shown(", ".join(hello.members))
        advice = (
            f"to let it join, run `kvorum member add {hello.sender_address}`"
            if hello.virgin
            else "a node left over from before `kvorum recover` gets an empty DATA_DIR and joins "
            "with `kvorum member add`; nodes restored from one backup were to get the same "
            "`--restore-id`: those that did not are restored again, into an empty DATA_DIR"
        )
        return Refusal(
            RefusalKind.OTHER_CLUSTER,
            f"{name(hello)} belongs to cluster {shown(hello.cluster_id)} "
            f"(members {theirs}), {ours.node_id} ({ours.self_address}) to cluster "
            f"{ours.cluster_id} (members {', '.join(self._standing.members)}); check "
            "SELF_ADDRESS and OTHER_NODES on both, and that neither uses the other's data "
            f"directory; {advice}",
        )

    def _judge_addresses(self, hello: Hello) -> Refusal | None:
        ours = self._options
        if hello.receiver_address != ours.self_address:
            return Refusal(
                RefusalKind.WRONG_RECEIVER,
                f"{name(hello)} dialled {shown(hello.receiver_address)} but reached "
                f"{ours.node_id}, whose SELF_ADDRESS is {ours.self_address}; write the address "
                "in OTHER_NODES exactly as the node itself does",
            )
        if hello.sender_address == ours.self_address:
            return Refusal(
                RefusalKind.STRANGER,
                f"the caller {shown(hello.node_id)} claims the address {ours.self_address}, "
                f"which is that of {ours.node_id} itself; give each node its own SELF_ADDRESS",
            )
        return None

    def _judge_executed_key(self, hello: Hello) -> Refusal | None:
        ours = self._options
        if hello.executed_commands_key == ours.executed_commands_key:
            return None
        return Refusal(
            RefusalKind.OTHER_EXECUTED_KEY,
            f"EXECUTED_COMMANDS_KEY is {shown(hello.executed_commands_key)!r} on "
            f"{name(hello)} and {ours.executed_commands_key!r} on {ours.node_id} "
            f"({ours.self_address}); it must be the same on all nodes",
        )

    def _judge_caller_id(self, hello: Hello, streaming_as: str | None) -> Refusal | None:
        if streaming_as not in (None, hello.node_id):
            return Refusal(
                RefusalKind.DUPLICATE_ID,
                f"a node with id {shown(hello.node_id)} calls from {hello.sender_address}, "
                f"where {streaming_as} is connected; give each node its own SELF_ADDRESS",
            )
        return self._judge_id(hello.member, hello.node_id)

    def _judge_id(self, member: NodeId, node_id: str) -> Refusal | None:
        known_as = self._directory.id_of(member)
        if not node_id:
            return Refusal(RefusalKind.DUPLICATE_ID, f"{member} has no SELF_ID; set one")
        if known_as not in (None, node_id):
            return Refusal(
                RefusalKind.DUPLICATE_ID,
                f"{member} calls itself {shown(node_id)}, but was {known_as} until now; a node "
                "keeps its SELF_ID and its data directory: set SELF_ID back",
            )
        if self._directory.may_use(member, node_id):
            return None
        return Refusal(
            RefusalKind.DUPLICATE_ID,
            f"{member} uses the id {shown(node_id)}, which already belongs to "
            f"{self._directory.member_of(node_id)}; give each node its own SELF_ID",
        )
