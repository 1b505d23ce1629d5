"""Who leads, since when nobody does, and when a leader was last heard."""

from kvorum.node.options import NodeOptions
from kvorum.node.ports import Clock
from kvorum.raft.types import NodeId

_REFUSAL_S = 10.0
"""For which a peer's refusal explains that nobody leads; it is repeated much more often."""


class LeadershipWatch:
    """The driver reports what the core knows; requests ask what to expect."""

    def __init__(self, options: NodeOptions, clock: Clock) -> None:
        self._self = options.member
        self._grace_s = options.leaderless_grace_s
        self._clock = clock
        self.leader: NodeId | None = None
        self._leaderless_since_s = clock.monotonic_s()
        self._heard_s: float | None = None
        self._refusal = ""
        self._refused_s = 0.0

    def refused(self, why: str) -> None:
        """A peer will not talk to this node: that may be why it knows of no leader."""
        self._refusal, self._refused_s = why, self._clock.monotonic_s()

    def heard(self) -> None:
        """The leader spoke just now."""
        self._heard_s = self._clock.monotonic_s()

    def last_contact_s(self) -> float | None:
        """Time since a leader was heard; 0 on the leader, None if never."""
        if self.is_leader:
            return 0.0
        return None if self._heard_s is None else self._clock.monotonic_s() - self._heard_s

    def report(self, leader: NodeId | None) -> None:
        if leader is None and self.leader is not None:
            self._leaderless_since_s = self._clock.monotonic_s()
        if self.is_leader and leader != self._self:
            self.heard()  # until now it heard itself
        self.leader = leader

    @property
    def is_leader(self) -> bool:
        return self.leader == self._self

    def is_hopeless(self) -> bool:
        """No leader for so long that requests are refused at once instead of parked."""
        return (
            self.leader is None
            and self._clock.monotonic_s() - self._leaderless_since_s > self._grace_s
        )

    @property
    def refusal(self) -> str:
        """What a peer holds against this node, if that is not long ago; else ""."""
        is_fresh = self._clock.monotonic_s() - self._refused_s < _REFUSAL_S
        return self._refusal if is_fresh else ""

    def no_leader_message(self) -> str:
        if self.leader is None and self.refusal:
            why = f"no leader: {self.refusal}"
        elif self.leader is None:
            why = "no leader: fewer than a majority of the nodes can reach each other"
        else:
            why = f"the leader ({self.leader}) did not answer in time"
        return f"{why}; nothing was applied by this request, it is safe to send again"
