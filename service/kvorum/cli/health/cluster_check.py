"""A cluster, measured from here: its requests by their time, its nodes by their own metrics."""

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter, process_time

from msgspec import Struct

from kvorum.cli.health.latencies import Latencies
from kvorum.cli.health.load import Scratch, repeat
from kvorum.cli.health.metrics import FSYNC, LOOP_LAG, Histogram, Metrics, metrics_call
from kvorum.cli.health.verdicts import DISK, LOOP, ROUND, Finding, Level, judged
from kvorum.client import AsyncClient
from kvorum.client.calls import cluster
from kvorum.client.errors import ClientError
from kvorum.client.routing import lone_router

READS_LINEARIZABLE, READS_STALE, WATCH = "reads", "stale reads", "change to watch"
_MARGIN_S = 60.0
"""That scratch keys outlive the check, if nobody deletes them."""
_LEADER_CHANGES = "kvorum_leader_changes_total"

Tell = Callable[[str], None]


class Plan(Struct, frozen=True):
    """``writers``: one step for each number."""

    seconds: float
    writers: tuple[int, ...]
    value_bytes: int

    @property
    def lifetime_s(self) -> float:
        return (len(self.writers) + 4) * self.seconds + _MARGIN_S


class NodeReport(Struct, frozen=True):
    """What a node's own metrics tell of the time of the check."""

    name: str
    endpoint: str
    is_leader: bool
    syncs: int
    sync_p99_s: float | None
    loop_p99_s: float | None


class ClusterReport(Struct, frozen=True):
    steps: Mapping[str, Latencies]
    nodes: tuple[NodeReport, ...]
    voters: int
    leader_changes: int
    silent: tuple[str, ...]  # endpoints that were not measured, and why
    busy: float  # share of the time that this process computed: near 1, it set the pace itself


class _Look(Struct, frozen=True):
    """One endpoint at one moment."""

    name: str
    is_leader: bool
    metrics: Metrics


async def check_cluster(client: AsyncClient, plan: Plan, tell: Tell) -> ClusterReport:
    """Raises ClientError if nobody serves, or the scratch keys cannot be written."""
    members = await client.cluster.members()
    before, _ = await _look(client)
    scratch = Scratch(client, plan.value_bytes)
    try:
        await scratch.begin(plan.lifetime_s)
        computed, start = process_time(), perf_counter()
        steps = await _steps(scratch, plan, tell)
        busy = (process_time() - computed) / (perf_counter() - start)
    finally:
        await scratch.end()
    after, silent = await _look(client)
    voters = sum(member.role == "voter" for member in members.members)
    nodes = [_node(each, before.get(each), look) for each, look in after.items()]
    changes = sum(_growth(before.get(each), look) for each, look in after.items())
    return ClusterReport(steps, tuple(nodes), voters, changes, tuple(silent), busy)


async def _steps(scratch: Scratch, plan: Plan, tell: Tell) -> Mapping[str, Latencies]:
    steps = {}
    for at_once in plan.writers:
        name = puts_by(at_once)
        tell(name)
        steps[name] = await repeat(scratch.put, at_once, plan.seconds)
    tell(READS_LINEARIZABLE)
    steps[READS_LINEARIZABLE] = await repeat(scratch.get, 1, plan.seconds)
    tell(READS_STALE)
    steps[READS_STALE] = await repeat(scratch.get_stale, 1, plan.seconds)
    tell(WATCH)
    steps[WATCH] = await scratch.watch(plan.seconds)
    return steps


def puts_by(at_once: int) -> str:
    return "puts, one after the other" if at_once == 1 else f"puts by {at_once} at once"


async def _look(client: AsyncClient) -> tuple[dict[str, _Look], list[str]]:
    """Each endpoint; and what is wrong with those that do not tell."""
    found, silent = {}, []
    for endpoint in client.router.endpoints:
        router = lone_router(endpoint)
        try:
            status = await client.run(cluster.info(), router=router)
            metrics = await client.run(metrics_call(), router=router)
        except (ClientError, ValueError) as error:
            silent.append(f"{endpoint}: {error}")
        else:
            name = str(status.info.get("nodeId", endpoint))
            found[endpoint] = _Look(name, status.is_leader, metrics)
    return found, silent


def _node(endpoint: str, before: _Look | None, after: _Look) -> NodeReport:
    syncs = _during(FSYNC, before, after)
    loop = _during(LOOP_LAG, before, after)
    count = int(syncs.buckets[-1][1]) if syncs.buckets else 0
    p99_s, loop_s = syncs.quantile(0.99), loop.quantile(0.99)
    return NodeReport(after.name, endpoint, after.is_leader, count, p99_s, loop_s)


def _during(name: str, before: _Look | None, after: _Look) -> Histogram:
    nothing = Histogram(())
    earlier = before.metrics.histograms.get(name, nothing) if before is not None else nothing
    return after.metrics.histograms.get(name, nothing).since(earlier)


def _growth(before: _Look | None, after: _Look) -> int:
    earlier = before.metrics.values.get(_LEADER_CHANGES, 0.0) if before is not None else 0.0
    return max(0, int(after.metrics.values.get(_LEADER_CHANGES, 0.0) - earlier))


def findings_of(report: ClusterReport) -> Sequence[Finding]:
    """Disks, network, processors, and what went wrong on the way."""
    nodes = report.nodes
    found = [judged(DISK, f"disk of {n.name}", n.sync_p99_s) for n in nodes if n.sync_p99_s]
    if report.voters > 1:
        found.append(judged(ROUND, "network between nodes", round_s(report.steps)))
    found += [judged(LOOP, f"processor of {n.name}", n.loop_p99_s) for n in nodes if n.loop_p99_s]
    if report.leader_changes:
        told = "another node came to lead during the check: disk, network or processor stood still"
        found.append(Finding(Level.UNFIT, "cluster", told))
    for name, step in report.steps.items():
        if step.failed:
            told = f"{step.failed} of {step.failed + step.count} failed in {name}: {step.failure}"
            found.append(Finding(Level.UNFIT, "cluster", told))
    found += [Finding(Level.SLOW, "not measured", told) for told in report.silent]
    return found


def round_s(steps: Mapping[str, Latencies]) -> float:
    """What a linearizable read takes longer than a stale one: the leader asks a majority."""
    asked, local = steps[READS_LINEARIZABLE].quantile(0.5), steps[READS_STALE].quantile(0.5)
    return max(0.0, asked - local)
