"""What somebody should do something about, told from one look at a cluster."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from math import inf
from typing import Any

from msgspec import Struct

from kvorum.cli.health.sampling import ClusterSample, NodeSample
from kvorum.cli.sizes import size_text
from kvorum.client.model import Member

LAG_MAX = 64
"""Entries that a node may be behind; the same number makes it unready (/readyz)."""
NOBODY = "?"
"""The name of an endpoint of which nothing is known."""
_NEARLY_FULL = 0.8


class Kind(StrEnum):
    """Of alarms, for programs."""

    UNREACHABLE = "unreachable"
    NO_LEADER = "no-leader"
    SEVERAL_CLUSTERS = "several-clusters"
    FULL = "full"
    NEARLY_FULL = "nearly-full"
    NOT_SERVING = "not-serving"
    MISMATCH = "state-mismatch"
    SILENT = "silent"
    LAGGING = "lagging"
    NO_MARGIN = "no-margin"
    VERSIONS = "versions-differ"


class Alarm(Struct, frozen=True):
    kind: Kind
    text: str


class State(StrEnum):
    """Of one node, in one word."""

    OK = "ok"
    LAGGING = "lagging"
    SILENT = "silent"
    UNREACHABLE = "unreachable"
    NOT_SERVING = "not serving"
    UNKNOWN = "-"


class Row(Struct, frozen=True):
    """A member, an endpoint, or, if the two were found to be one, both."""

    member: Member | None
    node: NodeSample | None
    lag: int | None

    @property
    def name(self) -> str:
        if self.node is not None and self.node.name:
            return self.node.name
        if self.member is not None:
            return self.member.name or self.member.id
        return NOBODY

    @property
    def state(self) -> State:
        node, member = self.node, self.member
        if node is not None and node.error:
            return State.UNREACHABLE
        if node is not None and not _is_serving(node):
            return State.NOT_SERVING
        if member is not None and member.active is False:
            return State.SILENT
        if self.lag is not None and self.lag > LAG_MAX:
            return State.LAGGING
        return State.UNKNOWN if node is None and not _is_known(member) else State.OK

    @property
    def is_voter(self) -> bool:
        return self.member is not None and self.member.role == "voter"


def _is_known(member: Member | None) -> bool:
    return member is not None and bool(member.active)


def _is_serving(node: NodeSample) -> bool:
    return node.metrics is None or node.metrics.values.get("kvorum_is_serving", 1.0) != 0.0


def rows_of(sample: ClusterSample) -> list[Row]:
    """Members in their order, each with its endpoint; then endpoints of nobody known."""
    left = list(sample.nodes)
    committed = max((node.number("commitIndex") for node in sample.reachable), default=0)
    rows = []
    for member in sample.members:
        found = next((node for node in left if _is_one(node, member, sample)), None)
        if found is not None:
            left.remove(found)
        rows.append(Row(member, found, _lag(member, found, committed)))
    rows = _with_the_lost(rows, left)
    return [*rows, *(Row(None, node, _lag(None, node, committed)) for node in left)]


def _with_the_lost(rows: list[Row], left: list[NodeSample]) -> list[Row]:
    """One member without an endpoint, and one endpoint that is silent: they are the same."""
    lost = [row for row in rows if row.node is None]
    silent = [node for node in left if node.error]
    if len(lost) != 1 or len(silent) != 1 or lost[0].member is None or lost[0].member.active:
        return rows
    left.remove(silent[0])
    found = Row(lost[0].member, silent[0], lost[0].lag)
    return [found if row is lost[0] else row for row in rows]


def _is_one(node: NodeSample, member: Member, sample: ClusterSample) -> bool:
    """By the name: an id says where other nodes reach it, an endpoint where clients do."""
    view = sample.view
    if view is None or not node.name or node.name != member.name:
        return False
    return bool(node.error) or node.info.get("clusterId") == view.info.get("clusterId")


def _lag(member: Member | None, node: NodeSample | None, committed: int) -> int | None:
    """Entries that it has yet to store or, if that is more, to apply."""
    behind = [] if member is None or member.lag is None else [member.lag]
    if node is not None and not node.error:
        behind.append(max(0, committed - node.number("lastApplied")))
    return max(behind, default=None)


def alarms_of(sample: ClusterSample, rows: list[Row]) -> list[Alarm]:
    """The worst first."""
    if not sample.reachable:
        nobody = Alarm(Kind.UNREACHABLE, "no endpoint can be reached: is a node running there?")
        return [nobody, *_of_nodes(rows)]
    return [*_of_cluster(sample), *_of_store(sample), *_of_nodes(rows), *_of_margin(rows)]


def _of_cluster(sample: ClusterSample) -> Iterator[Alarm]:
    clusters = sorted({str(node.info.get("clusterId", "")) for node in sample.reachable})
    if len(clusters) > 1:
        told = f"the endpoints belong to several clusters: {', '.join(clusters)}"
        yield Alarm(Kind.SEVERAL_CLUSTERS, told)
    if not sample.leader_id:
        told = "no leader is known: nothing can be decided until a majority of the voters runs"
        yield Alarm(Kind.NO_LEADER, told)
    versions = sorted({node.metrics.version for node in sample.reachable if node.metrics})
    if len(versions) > 1:
        yield Alarm(Kind.VERSIONS, f"nodes run different releases: {', '.join(versions)}")


def _fullness(store: Mapping[str, Any]) -> tuple[bool, float]:
    return bool(store.get("isFull")), store.get("sizeBytes", 0) / (
        store.get("quotaBytes", 0) or inf
    )


def _of_store(sample: ClusterSample) -> Iterator[Alarm]:
    """Of the fullest: every node counts for itself, and may have a quota of its own."""
    store = max((node.store for node in sample.reachable), key=_fullness, default={})
    size, quota = store.get("sizeBytes", 0), store.get("quotaBytes", 0)
    used = f"{size_text(size)} of {size_text(quota)}"
    if store.get("isFull"):
        told = f"the store is full ({used}): delete keys, or raise QUOTA_BYTES on all nodes"
        yield Alarm(Kind.FULL, told)
    elif quota and size > _NEARLY_FULL * quota:
        yield Alarm(Kind.NEARLY_FULL, f"the store is nearly full: {used}")


def _of_nodes(rows: list[Row]) -> Iterator[Alarm]:
    for row in rows:
        match row.state:
            case State.UNREACHABLE if row.node is not None:
                yield Alarm(Kind.UNREACHABLE, _unreachable(row, row.node))
            case State.NOT_SERVING:
                yield Alarm(Kind.NOT_SERVING, f"{row.name} stopped serving: its log says why")
            case State.SILENT:
                told = f"the leader has not heard from {row.name}"
                yield Alarm(Kind.SILENT, told)
            case State.LAGGING:
                yield Alarm(Kind.LAGGING, f"{row.name} is {row.lag} entries behind")
            case _:
                pass
        if row.node is not None and row.node.metrics is not None:
            count = row.node.metrics.values.get("kvorum_state_mismatches_total", 0)
            if count:
                told = f"{row.name} found its state to differ from others' {count:.0f} times"
                yield Alarm(Kind.MISMATCH, told)


def _unreachable(row: Row, node: NodeSample) -> str:
    where = node.endpoint.removeprefix("http://")
    who = where if row.name == NOBODY else f"{row.name} ({where})"
    return f"{who} is unreachable: {node.error.removeprefix('cannot be reached: ')}"


def _of_margin(rows: list[Row]) -> Iterator[Alarm]:
    """Of voters that are known to be well, how many may still fail."""
    voters, well = margin(rows)
    majority = voters // 2 + 1
    if any(row.state is State.UNKNOWN for row in rows):
        return
    if voters > 1 and well == majority:
        told = f"{well} of {voters} voters are well: one more failure would stop the cluster"
        yield Alarm(Kind.NO_MARGIN, told)


def margin(rows: list[Row]) -> tuple[int, int]:
    """How many voters there are, and how many of them are well."""
    voters = [row for row in rows if row.is_voter]
    well = sum(row.state in (State.OK, State.LAGGING) for row in voters)
    return len(voters), well
