"""A cluster with a release in it and clients that write all the time: what the chapters play on."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct

from tests.chaos.waiting import eventually
from tests.deploy.pods.asking import REST_PORT, Nodes
from tests.deploy.pods.cluster import Cluster, Habits
from tests.deploy.pods.image import Image
from tests.deploy.pods.pods import Pod
from tests.deploy.pods.releases import Release
from tests.deploy.pods.traffic import Tally, Traffic

Values = Mapping[str, Any]
HASTY: Values = {
    "minReadySeconds": 0,
    "preStopSeconds": 1,
    # A busy machine stands still now and then; elections that nobody planned are counted here.
    "config": {"MIN_ELECTION_TIMEOUT_MS": 1500, "MAX_ELECTION_TIMEOUT_MS": 2500},
    "rollout": {"before": {"backoffLimit": 0}, "after": {"backoffLimit": 0}},
}
"""What tests shorten of the chart's own values."""


class Row(Struct, frozen=True):
    """What is told of a chapter. ``elections``: by how much the term grew."""

    chapter: str
    seconds: float
    elections: int
    traffic: Tally


class Stage:
    """``rows`` gets one row for each chapter."""

    def __init__(self, cluster: Cluster, values: Values, rows: list[Row]) -> None:
        self.cluster = cluster
        self.release = Release(cluster)
        self.nodes = Nodes(cluster)
        self.values: dict[str, Any] = dict(values)
        self.rows = rows
        self._traffic: Traffic | None = None

    @property
    def traffic(self) -> Traffic:
        assert self._traffic is not None, "no client writes yet"
        return self._traffic

    async def install(self) -> None:
        await self.release.install(self.values)

    async def upgrade(self, *, wait: bool = True, **values: object) -> None:
        """With these values from now on."""
        wanted = {**self.values, **values}
        await self.release.upgrade(wanted, within_s=120.0, wait=wait)
        self.values = wanted

    async def roll_back(self) -> None:
        """To the values of the last upgrade that came to its end."""
        await self.release.upgrade(self.values, within_s=120.0, event="rollback")

    async def let_write(self) -> None:
        """Clients write from now on, and the first of them has succeeded."""
        self._traffic = Traffic(self.cluster.services.address(self.release.name), REST_PORT)
        self._traffic.start()
        await self.progress(10)

    async def progress(self, writes: int) -> None:
        """Wait until so many more writes are acknowledged."""
        wanted = len(self.traffic.acknowledged) + writes

        async def done() -> bool:
            return len(self.traffic.acknowledged) >= wanted

        await eventually(f"{writes} writes are acknowledged", done)

    @asynccontextmanager
    async def chapter(self, name: str) -> AsyncIterator["Chapter"]:
        """Tells what it cost; clients must be able to write when it ends."""
        await self.progress(20)
        self.traffic.take()
        chapter = Chapter(await self.nodes.term())
        began_s = time.monotonic()
        yield chapter
        seconds = time.monotonic() - began_s
        await self.progress(20)
        chapter.elections = await self.nodes.term() - chapter.term
        self.rows.append(Row(name, seconds, chapter.elections, self.traffic.take()))

    async def judge(self) -> None:
        """End the writing; every acknowledged write must be there, on every node."""
        await self.traffic.stop()
        problems: list[str] = []
        for pod in self.pods():
            problems += await self.traffic.verdict(pod.ip, REST_PORT)
        assert not problems, "\n".join(problems[:20])

    # --- what chapters compare ---------------------------------------------------------

    def pods(self) -> Sequence[Pod]:
        """By ordinal."""
        pods = sorted(self.cluster.stateful_set.pods.items())
        return [pod for _, pod in pods if not pod.is_gone]

    def pids(self) -> list[int]:
        """Of the containers' first processes: one that was started again has another."""
        return [pod.container.pid if pod.container else 0 for pod in self.pods()]

    async def gone(self, pod: Pod) -> None:
        async def gone() -> bool:
            self.cluster.check()
            return pod.is_gone

        await eventually(f"{pod.name} is gone", gone)


class Chapter:
    """``elections`` is known after its end."""

    def __init__(self, term: int) -> None:
        self.term = term
        self.elections = 0


@asynccontextmanager
async def staged(
    image: Image, rows: list[Row], *, values: Values = HASTY, habits: Habits | None = None
) -> AsyncIterator[Stage]:
    """Installed and written to; in the end the clients' account is settled."""
    async with Cluster(image, habits) as cluster:
        stage = Stage(cluster, values, rows)
        await stage.install()
        await stage.let_write()
        try:
            yield stage
        except BaseException:
            await _silence(stage.traffic)
            raise
        await stage.judge()


async def _silence(traffic: Traffic) -> None:
    """A failure is on its way: what the writers say comes second."""
    await asyncio.gather(traffic.stop(), return_exceptions=True)


def table(rows: Sequence[Row]) -> str:
    told = [
        f"{row.chapter:<34} {row.seconds:7.1f} {row.elections:5}  {row.traffic}" for row in rows
    ]
    return "\n".join([f"{'chapter':<34} {'seconds':>7} {'terms':>5}  clients", *told])
