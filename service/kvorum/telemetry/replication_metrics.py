"""How quickly entries are committed and applied, and how the leader's peers keep up."""

from collections.abc import Mapping

from msgspec import Struct
from prometheus_client import CollectorRegistry

from kvorum.telemetry.distribution import Distribution
from kvorum.telemetry.meters import PEER, Family, SampledTopic, Series

COMMIT_BUCKETS_S = (
    *(250e-6, 500e-6, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064),
    *(0.128, 0.256, 0.512, 1.0, 2.0, 4.0, 8.0),
)
APPLY_BUCKETS_S = (
    *(10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 0.001, 0.0025, 0.005),
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
)
ROUND_TRIP_BUCKETS_S = (
    *(250e-6, 500e-6, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064),
    *(0.128, 0.256, 0.512, 1.0, 2.0, 4.0, 8.0),
)


class Follower(Struct, frozen=True):
    """A peer as its leader sees it, under the label that people know it by."""

    peer: str
    lag_entries: int
    in_flight_messages: int


class ReplicationSample(Struct, frozen=True):
    """``peers``: the label of each other member by its id. ``followers``: empty unless leader."""

    peers: Mapping[str, str]
    followers: tuple[Follower, ...]


class ReplicationMetrics(SampledTopic[ReplicationSample]):
    title = "Replication"

    def __init__(self, registry: CollectorRegistry) -> None:
        self._round_trips: dict[str, Distribution] = {}  # by member id
        super().__init__(registry)

    def _declare(self) -> None:
        self.commits = self.histogram(
            "kvorum_commit_duration_seconds",
            "On the leader, time from appending an entry until it was committed: about one sync "
            "of the log and one round trip to a majority. It grows when a majority's disks or "
            "the network do not keep up.",
            COMMIT_BUCKETS_S,
        )
        self.applies = self.histogram(
            "kvorum_apply_duration_seconds",
            "Time to apply one committed entry (a batch of commands) to the store. All else on "
            "the node waits meanwhile: above 20 ms, look for large ranges, transactions or "
            "deletions.",
            APPLY_BUCKETS_S,
        )
        self.gauges(
            "kvorum_peer_match_lag_entries",
            "Entries of the leader's log that the peer has not acknowledged; on the leader only. "
            "A few under load; growth without end: the peer is down or too slow.",
            PEER,
            lambda sample: [((one.peer,), one.lag_entries) for one in sample.followers],
        )
        self.gauges(
            "kvorum_peer_in_flight_messages",
            "Appends with entries that were sent to the peer and not answered yet; on the leader "
            "only. Always many: the peer's disk or the network is slow.",
            PEER,
            lambda sample: [((one.peer,), one.in_flight_messages) for one in sample.followers],
        )
        self.add(
            Family(
                "kvorum_peer_round_trip_seconds",
                "histogram",
                "On the leader, time from sending an append (heartbeats included) to the peer "
                "until it was answered; an append with entries is answered when the peer's disk "
                "has them. One is measured at a time.",
                (PEER,),
            ),
            self._series,
        )

    def round_trips(self, member: str) -> Distribution:
        """Of the peer with this id, as long as it is a member."""
        found = self._round_trips.get(member)
        if found is None:
            found = self._round_trips[member] = Distribution(ROUND_TRIP_BUCKETS_S)
        return found

    def _series(self) -> Series:
        """Forgets who is no member any more: no id is ever used again."""
        if self._sample is None:
            return []
        peers = self._sample.peers
        for member in self._round_trips.keys() - peers.keys():
            del self._round_trips[member]
        return [((peers[member],), trips) for member, trips in self._round_trips.items()]
