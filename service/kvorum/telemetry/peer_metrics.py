"""Traffic between the members; fits the transport's observer."""

from collections.abc import Callable, Collection, Mapping
from functools import partial

from prometheus_client import CollectorRegistry

from kvorum.telemetry.meters import PEER, Family, Label, Series, Topic


class _Link:
    """What went to and came from one member."""

    __slots__ = (
        "connections",
        "dials",
        "received_bytes",
        "received_messages",
        "sent_bytes",
        "sent_messages",
        "up",
    )

    def __init__(self) -> None:
        self.sent_messages = self.sent_bytes = 0
        self.received_messages = self.received_bytes = 0
        self.dials = self.connections = 0
        self.up = False


_LINK_COUNTERS: dict[str, str] = {
    "sent_messages": "Raft messages sent to the peer.",
    "sent_bytes": "Bytes of Raft messages sent to the peer.",
    "received_messages": "Raft messages received from the peer.",
    "received_bytes": "Bytes of Raft messages received from the peer.",
    "dials": "Attempts to connect to the peer. Growth: it is down or cannot be reached.",
    "connections": "Connections to the peer that were established; growth means reconnects.",
}

_REFUSALS = (
    "`malformed`, `protocol-version`, `bad-identity`, `other-cluster`, `not-ready`, "
    "`wrong-receiver`, `stranger`, `removed`, `assigned`, `renamed`, `lost-disk`, `disowned`, "
    "`other-data`, `too-many-guests`, `other-executed-key`, `duplicate-id`"
)
_DROPS = "`disconnected`, `queue-full`, `too-large`, `unknown-peer`, `disowned`"

LabelsOf = Callable[[Collection[str]], Mapping[str, str]]
"""What people know members by: for each id another text."""


def _as_they_are(members: Collection[str]) -> Mapping[str, str]:
    return {member: member for member in members}


class PeerMetrics(Topic):
    """Every method is called on the event loop, for each frame: no locks.

    Counted by the members' ids; a scrape shows what people know them by.
    """

    title = "Peers"

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._links: dict[str, _Link] = {}
        self._dropped: dict[tuple[str, str], int] = {}
        self._labels_of: LabelsOf = _as_they_are
        for name, text in _LINK_COUNTERS.items():
            family = Family(f"kvorum_peer_{name}_total", "counter", text, (PEER,))
            self.add(family, partial(self._of_links, name))
        self.add(
            Family(
                "kvorum_peer_connected",
                "gauge",
                "1 while this node's connection to the peer is up, else 0: this node cannot "
                "reach that one, or is refused; the log says why.",
                (PEER,),
            ),
            lambda: self._of_links("up"),
        )
        self.add(
            Family(
                "kvorum_peer_dropped_messages_total",
                "counter",
                "Raft messages for the peer that were thrown away; Raft repeats what matters. "
                "disconnected is normal while a peer is down; queue-full: it reads too slowly.",
                (Label("peer", f"{PEER.values}; empty for nobody's"), Label("reason", _DROPS)),
            ),
            self._of_drops,
        )
        self._refused = self.counters(
            "kvorum_peer_refused_calls_total",
            "Calls of other nodes that were refused or broken off, by kind; the log says who and "
            "why. Growth: a node with wrong settings, or of another cluster, keeps calling.",
            Label("kind", _REFUSALS),
        )
        registry.register(self)

    def name_by(self, labels_of: LabelsOf) -> None:
        """What to show instead of the members' ids."""
        self._labels_of = labels_of

    def _of_links(self, name: str) -> Series:
        labels = self._labels_of(self._links)
        return [((labels[peer],), getattr(link, name)) for peer, link in self._links.items()]

    def _of_drops(self) -> Series:
        labels = self._labels_of({peer for peer, _ in self._dropped})
        return [
            ((labels[peer], reason), messages) for (peer, reason), messages in self._dropped.items()
        ]

    def _link(self, peer: str) -> _Link:
        link = self._links.get(peer)
        if link is None:
            link = self._links[peer] = _Link()
        return link

    def sent(self, peer: str, messages: int, size_bytes: int) -> None:
        link = self._link(peer)
        link.sent_messages += messages
        link.sent_bytes += size_bytes

    def received(self, peer: str, messages: int, size_bytes: int) -> None:
        link = self._link(peer)
        link.received_messages += messages
        link.received_bytes += size_bytes

    def dropped(self, peer: str, messages: int, reason: str) -> None:
        self._dropped[peer, reason] = self._dropped.get((peer, reason), 0) + messages

    def connected(self, peer: str, up: bool) -> None:
        link = self._link(peer)
        link.connections += up and not link.up
        link.up = up

    def dialled(self, peer: str) -> None:
        self._link(peer).dials += 1

    def forgotten(self, peer: str) -> None:
        """No series outlives its member: ids are never used again."""
        self._links.pop(peer, None)
        self._dropped = {key: count for key, count in self._dropped.items() if key[0] != peer}

    def refused(self, kind: str) -> None:
        self._refused.inc(kind)
