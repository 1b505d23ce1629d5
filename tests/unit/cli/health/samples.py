"""Clusters as `kvorum status` may find them."""

from collections.abc import Sequence

from kvorum.cli.health.metrics import Histogram, Metrics
from kvorum.cli.health.sampling import ClusterSample, NodeSample
from kvorum.client.model import Member, Members, NodeStatus

STORE = {
    "keys": 12,
    "sizeBytes": 3_400,
    "quotaBytes": 1_000_000,
    "isFull": False,
    "revision": 31,
    "compactedRevision": 7,
    "leases": 1,
    "watchers": 2,
}


def metrics(*, version: str = "1.0", **values: float) -> Metrics:
    told = {"kvorum_is_serving": 1.0, "process_start_time_seconds": 1_000.0, **values}
    return Metrics(told, {"h": Histogram(())}, version, 4_600.0)


def member(number: int, *, leader: int = 1, role: str = "voter", **told: object) -> Member:
    """As the leader sees it, unless told otherwise."""
    known: dict[str, object] = {"active": True, "match_index": 40, "lag": 0, **told}
    return Member(
        id=f"h:{number}",
        name=f"Node-{number}",
        address=f"h:{number}",
        role=role,
        is_leader=number == leader,
        **known,  # type: ignore[arg-type]  # as Member takes them
    )


def node(
    number: int,
    members: Sequence[Member],
    *,
    leader: int = 1,
    cluster: str = "c1",
    term: int = 3,
    applied: int = 40,
    committed: int = 40,
    store: dict[str, object] | None = None,
    told: Metrics | None = None,
    is_joint: bool = False,
) -> NodeSample:
    leads = number == leader
    info = {
        "nodeId": f"Node-{number}",
        "clusterId": cluster,
        "role": "leader" if leads else "follower",
        "currentTerm": term,
        "commitIndex": committed,
        "lastApplied": applied,
        "lastIndex": committed,
    }
    leader_id = f"Node-{leader}" if leader else ""
    endpoint = f"http://h:{8080 + number}"
    status = NodeStatus(
        endpoint, is_leader=leads, leader_id=leader_id, info=info, store={**STORE, **(store or {})}
    )
    view = Members(
        cluster_id=cluster,
        index=0,
        is_joint=is_joint,
        members=tuple(members),
        is_leader=leads,
        leader_id=leader_id,
    )
    return NodeSample(endpoint, status, view, told or metrics())


def dead(number: int, former_name: str = "") -> NodeSample:
    return NodeSample(f"http://h:{8080 + number}", error="refused", former_name=former_name)


def three(**changes: object) -> ClusterSample:
    """All well; ``changes`` are of the leader."""
    members = [member(number) for number in (1, 2, 3)]
    leader = node(1, members, **changes)  # type: ignore[arg-type]  # as node takes them
    return ClusterSample((leader, node(2, members), node(3, members)))
