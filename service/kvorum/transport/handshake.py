"""Who may talk to this node: the rules, without any I/O.

The caller introduces itself (:class:`Hello`), the receiver judges and answers
(:class:`HelloReply`). The rules catch mistakes of configuration before they can
hurt: a node of another cluster, two nodes with one identity, two spellings of one
address. They are no protection against malice.
"""

from enum import StrEnum

from msgspec import Struct

from kvorum.transport.directory import Directory
from kvorum.transport.options import PROTOCOL_VERSION, TransportOptions

SHOWN_CHARACTERS_MAX = 200
REASON_CHARACTERS_MAX = 1000


class Hello(Struct, frozen=True, kw_only=True):
    """Who is calling, and whom it believes to call."""

    protocol_version: int
    cluster_id: str
    node_id: str
    sender_address: str
    receiver_address: str
    members: tuple[str, ...]
    executed_commands_key: str


class HelloReply(Struct, frozen=True, kw_only=True):
    """The verdict; ``reason`` explains a refusal to people."""

    accepted: bool
    reason: str
    protocol_version: int
    cluster_id: str
    node_id: str


class RefusalKind(StrEnum):
    """Which rule a caller broke."""

    PROTOCOL_VERSION = "protocol-version"
    OTHER_CLUSTER = "other-cluster"
    WRONG_RECEIVER = "wrong-receiver"
    STRANGER = "stranger"
    OTHER_EXECUTED_KEY = "other-executed-key"
    DUPLICATE_ID = "duplicate-id"


class Refusal(Struct, frozen=True):
    kind: RefusalKind
    text: str


def shown(text: str, characters_max: int = SHOWN_CHARACTERS_MAX) -> str:
    """Text from the wire, fit for a log line: printable and of bounded length."""
    cut = text[:characters_max]
    return "".join(c if c.isprintable() else "?" for c in cut) + "…" * (len(text) > len(cut))


class Handshake:
    """Introduces this node and judges others, by its options and who is known."""

    def __init__(self, options: TransportOptions, directory: Directory) -> None:
        self._options = options
        self._directory = directory
        self._members = frozenset(options.members)

    def hello(self, receiver_address: str) -> Hello:
        """What to say when dialling ``receiver_address``."""
        options = self._options
        return Hello(
            protocol_version=PROTOCOL_VERSION,
            cluster_id=options.cluster_id,
            node_id=options.node_id,
            sender_address=options.self_address,
            receiver_address=receiver_address,
            members=options.members,
            executed_commands_key=options.executed_commands_key,
        )

    def reply(self, refusal: Refusal | None) -> HelloReply:
        return HelloReply(
            accepted=refusal is None,
            reason="" if refusal is None else refusal.text,
            protocol_version=PROTOCOL_VERSION,
            cluster_id=self._options.cluster_id,
            node_id=self._options.node_id,
        )

    def judge_caller(self, hello: Hello, *, streaming_as: str | None) -> Refusal | None:
        """None if the caller belongs here; otherwise the first rule that it breaks.

        ``streaming_as`` is the node id under which a stream from the caller's
        address is open now, if one is.
        """
        return (
            self._judge_cluster(hello)
            or self._judge_addresses(hello)
            or self._judge_executed_key(hello)
            or self._judge_caller_id(hello, streaming_as)
        )

    def judge_receiver(self, peer: str, reply: HelloReply) -> Refusal | None:
        """What the dialler of ``peer`` holds against an acceptance, if anything."""
        if reply.cluster_id != self._options.cluster_id:
            return Refusal(
                RefusalKind.OTHER_CLUSTER,
                f"{peer} belongs to cluster {shown(reply.cluster_id)}, "
                f"this node to {self._options.cluster_id}",
            )
        return self._judge_id(peer, reply.node_id)

    def _judge_cluster(self, hello: Hello) -> Refusal | None:
        ours = self._options
        if hello.protocol_version != PROTOCOL_VERSION:
            return Refusal(
                RefusalKind.PROTOCOL_VERSION,
                f"protocol version {hello.protocol_version} is not supported here: "
                f"{ours.node_id} ({ours.self_address}) speaks {PROTOCOL_VERSION}; "
                "run the same release on all nodes",
            )
        if hello.cluster_id != ours.cluster_id:
            theirs = shown(", ".join(hello.members))
            return Refusal(
                RefusalKind.OTHER_CLUSTER,
                f"{self._name(hello)} belongs to cluster {shown(hello.cluster_id)} "
                f"(members {theirs}), {ours.node_id} ({ours.self_address}) to cluster "
                f"{ours.cluster_id} (members {', '.join(ours.members)}); check SELF_ADDRESS "
                "and OTHER_NODES on both, and that neither uses the other's data directory",
            )
        return None

    def _judge_addresses(self, hello: Hello) -> Refusal | None:
        ours = self._options
        if hello.receiver_address != ours.self_address:
            return Refusal(
                RefusalKind.WRONG_RECEIVER,
                f"{self._name(hello)} dialled {shown(hello.receiver_address)} but reached "
                f"{ours.node_id}, whose SELF_ADDRESS is {ours.self_address}; write the address "
                "in OTHER_NODES exactly as the node itself does",
            )
        if hello.sender_address == ours.self_address:
            return Refusal(
                RefusalKind.STRANGER,
                f"the caller {shown(hello.node_id)} claims the address {ours.self_address}, "
                f"which is that of {ours.node_id} itself; give each node its own SELF_ADDRESS",
            )
        if hello.sender_address not in self._members:
            return Refusal(
                RefusalKind.STRANGER,
                f"{self._name(hello)} is not a member of the cluster of {ours.node_id} "
                f"(members {', '.join(ours.members)}); check OTHER_NODES on both",
            )
        return None

    def _judge_executed_key(self, hello: Hello) -> Refusal | None:
        ours = self._options
        if hello.executed_commands_key == ours.executed_commands_key:
            return None
        return Refusal(
            RefusalKind.OTHER_EXECUTED_KEY,
            f"EXECUTED_COMMANDS_KEY is {shown(hello.executed_commands_key)!r} on "
            f"{self._name(hello)} and {ours.executed_commands_key!r} on {ours.node_id} "
            f"({ours.self_address}); it must be the same on all nodes",
        )

    def _judge_caller_id(self, hello: Hello, streaming_as: str | None) -> Refusal | None:
        if streaming_as not in (None, hello.node_id):
            return Refusal(
                RefusalKind.DUPLICATE_ID,
                f"a node with id {shown(hello.node_id)} calls from {hello.sender_address}, "
                f"where {streaming_as} is connected; give each node its own SELF_ADDRESS",
            )
        return self._judge_id(hello.sender_address, hello.node_id)

    def _judge_id(self, address: str, node_id: str) -> Refusal | None:
        known_as = self._directory.id_of(address)
        if known_as not in (None, node_id):
            return Refusal(
                RefusalKind.DUPLICATE_ID,
                f"{address} calls itself {shown(node_id)}, but was {known_as} until now; a node "
                "keeps its SELF_ID and its data directory: set SELF_ID back",
            )
        owner = self._directory.address_of(node_id)
        if node_id and owner in (None, address):
            return None
        if not node_id:
            return Refusal(RefusalKind.DUPLICATE_ID, f"{address} has no SELF_ID; set one")
        return Refusal(
            RefusalKind.DUPLICATE_ID,
            f"{address} uses the id {shown(node_id)}, which already belongs to {owner}; "
            "give each node its own SELF_ID",
        )

    def _name(self, hello: Hello) -> str:
        return f"{shown(hello.node_id)} ({shown(hello.sender_address)})"
