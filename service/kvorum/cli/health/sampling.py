"""Every endpoint asked for itself, and the leader for the others: one look at a cluster."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from kvorum.cli.health.metrics import Metrics, metrics_call
from kvorum.client import Client
from kvorum.client.calls import cluster
from kvorum.client.errors import ClientError
from kvorum.client.model import Member, Members, NodeStatus
from kvorum.client.routing import lone_router

_NOTHING: Mapping[str, Any] = {}


class NodeSample(Struct, frozen=True):
    """What one endpoint says; ``error`` why it says nothing."""

    endpoint: str
    status: NodeStatus | None = None
    members: Members | None = None
    metrics: Metrics | None = None
    error: str = ""
    former_name: str = ""  # that it had when it was asked before

    @property
    def name(self) -> str:
        return str(self.info.get("nodeId", self.former_name))

    @property
    def info(self) -> Mapping[str, Any]:
        return self.status.info if self.status else _NOTHING

    @property
    def store(self) -> Mapping[str, Any]:
        return self.status.store if self.status else _NOTHING

    @property
    def is_leader(self) -> bool:
        return self.status is not None and self.status.is_leader

    def number(self, name: str) -> int:
        """Of ``info``; 0 if it was not told."""
        value = self.info.get(name, 0)
        return value if isinstance(value, int) else 0


class ClusterSample(Struct, frozen=True):
    """All endpoints at about one time."""

    nodes: tuple[NodeSample, ...]

    @property
    def reachable(self) -> tuple[NodeSample, ...]:
        return tuple(node for node in self.nodes if node.status is not None)

    @property
    def leader(self) -> NodeSample | None:
        """Of those asked; the one of the latest term if several think that they lead."""
        leaders = [node for node in self.nodes if node.is_leader]
        return max(leaders, key=lambda node: node.number("currentTerm"), default=None)

    @property
    def leader_id(self) -> str:
        """As the node of the latest term that knows one says, "" if none does."""
        knowing = [n for n in self.reachable if n.status is not None and n.status.leader_id]
        latest = max(knowing, key=lambda node: node.number("currentTerm"), default=None)
        return latest.status.leader_id if latest is not None and latest.status is not None else ""

    @property
    def view(self) -> NodeSample | None:
        """Whose word counts for the cluster: the leader's, else that of whoever knows most."""
        if self.leader is not None:
            return self.leader
        return max(self.reachable, key=lambda node: node.number("commitIndex"), default=None)

    @property
    def members(self) -> tuple[Member, ...]:
        view = self.view
        return view.members.members if view is not None and view.members is not None else ()


def take_sample(
    client: Client, timeout_s: float, before: ClusterSample | None = None
) -> ClusterSample:
    """Takes as long as the slowest endpoint, ``timeout_s`` at most for each of three questions.

    From the sample ``before`` it is known who lives at an endpoint that is silent now.
    """
    names = {node.endpoint: node.name for node in before.nodes} if before is not None else {}

    def silent(endpoint: str, why: str) -> NodeSample:
        return NodeSample(endpoint, error=why, former_name=names.get(endpoint, ""))

    def ask(endpoint: str) -> NodeSample:
        router = lone_router(endpoint)
        try:
            status = client.run(cluster.info(), timeout_s, router=router)
            members = client.run(cluster.members(), timeout_s, router=router)
            metrics = client.run(metrics_call(), timeout_s, router=router)
        except ClientError as error:
            return silent(endpoint, error.reasons.get(endpoint, error.detail))
        except ValueError as error:
            return silent(endpoint, f"this is no kvorum node: {error}")
        return NodeSample(endpoint, status, members, metrics)

    return ClusterSample(client.each(ask, client.router.endpoints))
