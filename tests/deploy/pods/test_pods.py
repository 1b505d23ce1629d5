"""The chart's pods as processes, through what Kubernetes does to them; `make pods` at length."""

from pathlib import Path

import pytest

from tests.chaos.waiting import eventually
from tests.deploy.pods import chapters
from tests.deploy.pods.asking import Nodes, voters
from tests.deploy.pods.cluster import Cluster
from tests.deploy.pods.image import Image
from tests.deploy.pods.probes import http_status
from tests.deploy.pods.releases import Release
from tests.deploy.pods.stage import HASTY, Row, Stage, staged

STORIES: dict[str, tuple[chapters.Play, ...]] = {
    "scaling": (chapters.scale_up, chapters.scale_down),
    "moving": (chapters.roll, chapters.drain, chapters.kill_leader),
}
"""What every release goes through; `make pods` plays the rarer chapters too."""


@pytest.mark.parametrize("story", STORIES)
async def test_nothing_acknowledged_is_lost_in(story: str, image: Image, rows: list[Row]) -> None:
    async with staged(image, rows) as stage:
        for play in STORIES[story]:
            await play(stage)


async def test_pods_wait_for_names_that_do_not_resolve_yet(image: Image) -> None:
    async with Cluster(image) as cluster:
        cluster.held |= {1, 2}
        release = Release(cluster)
        cluster.apply(await release.manifests(HASTY))
        first = "kvorum-1.kvorum-headless.shop.svc.cluster.local"

        async def asked_in_vain() -> bool:
            cluster.check()
            return cluster.names.asked[first, -1] > 1

        await eventually("pod 0 asks for names that do not exist", asked_in_vain)
        alone = cluster.pod(0)
        assert await http_status(alone.ip, 8081, "/livez") == 200
        assert await http_status(alone.ip, 8081, "/readyz") == 503
        cluster.held.clear()
        await cluster.settled(within_s=20.0)
        assert alone.restarts == 0
        assert await Nodes(cluster).members() == voters(3)


async def test_a_node_runs_without_privileges(image: Image) -> None:
    async with Cluster(image) as cluster:
        await Release(cluster).install({**HASTY, "replicaCount": 1})
        container = cluster.pod(0).container
        assert container is not None
        status = _status(container.pid)
        assert status["Name"] == "tini"
        assert status["Uid"].split() == status["Gid"].split() == ["10001"] * 4
        assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")} == {0}
        assert status["NoNewPrivs"] == "1"
        assert await container.execute(["touch", "/anywhere"]) != 0
        assert await container.execute(["touch", "/tmp/here", "/var/lib/kvorum/there"]) == 0


async def test_what_was_acknowledged_and_is_not_there_is_found(image: Image) -> None:
    async with Cluster(image) as cluster:
        stage = Stage(cluster, {**HASTY, "replicaCount": 1}, [])
        await stage.install()
        await stage.let_write()
        await stage.traffic.stop()
        stage.traffic.acknowledged["traffic/w0/lost"] = 1, 1
        with pytest.raises(AssertionError, match="traffic/w0/lost was acknowledged"):
            await stage.judge()


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
