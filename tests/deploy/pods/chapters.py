"""What befalls a release: each chapter does one thing to it and checks what must hold.

The clients write all the time. A chapter begins and ends with all pods ready.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable

import pytest

from tests.chaos.waiting import eventually
from tests.deploy.pods.asking import voters
from tests.deploy.pods.cluster import JobFailed
from tests.deploy.pods.objects import Refused
from tests.deploy.pods.stage import Stage

Play = Callable[[Stage], Awaitable[None]]


async def selftest(stage: Stage) -> None:
    async with stage.chapter("helm test") as chapter:
        assert "passed" in await stage.release.test()
    assert chapter.elections == 0


async def scale_up(stage: Stage) -> None:
    """New members come as learners before their pods, and vote in the end; nobody restarts."""
    before = stage.pids()
    async with stage.chapter(f"scale {len(before)} to 5") as chapter:
        await stage.upgrade(replicaCount=5)
    assert stage.pids()[: len(before)] == before, "pods restarted to make room for others"
    assert await stage.nodes.members() == voters(5)
    assert chapter.elections <= 1, "at most the hand-over to pod 0"


async def scale_up_over_old_disks(stage: Stage) -> None:
    """Disks of former members are there, and Helm does not wait: the hook does."""
    before = stage.pids()
    assert {"data-kvorum-3", "data-kvorum-4"} <= stage.cluster.claims.names()
    async with stage.chapter("scale 3 to 5 over old disks") as chapter:
        await stage.upgrade(replicaCount=5, wait=False)
        assert await stage.nodes.members() == voters(5)
        await stage.cluster.settled()
    assert stage.pids()[: len(before)] == before, "pods restarted to make room for others"
    assert chapter.elections <= 1, "at most the hand-over to pod 0"


async def scale_down(stage: Stage) -> None:
    """Members leave before their pods go, and their disks stay."""
    before = stage.pids()
    last = stage.cluster.pod(4)
    async with stage.chapter("scale 5 to 3") as chapter:
        await stage.upgrade(replicaCount=3)
    assert stage.pids() == before[:3], "pods restarted because others left"
    assert await stage.nodes.members() == voters(3)
    assert last.exit_codes[-1] == 0, f"a removed pod ended with {last.exit_codes}"
    assert {"data-kvorum-3", "data-kvorum-4"} <= stage.cluster.claims.names()
    assert chapter.elections <= 1, "at most the hand-over to pod 0"


async def roll(stage: Stage) -> None:
    """A changed setting: one pod at a time from the highest on, the leader last."""
    pods = stage.pods()
    count = len(pods)
    stage.cluster.stateful_set.created.clear()
    entries = 100_000 + len(stage.rows)
    async with stage.chapter(f"rolling upgrade of {count}") as chapter:
        await stage.upgrade(config={**_config(stage), "SNAPSHOT_ENTRIES": entries})
    expected = [f"kvorum-{ordinal}" for ordinal in reversed(range(count))]
    assert stage.cluster.stateful_set.created == expected
    assert {pod.exit_codes[-1] for pod in pods} == {0}, "a pod did not end in order"
    assert chapter.elections <= 2, "one hand-over to pod 0, and one from it"
    assert await stage.nodes.members() == voters(count)


def _config(stage: Stage) -> dict[str, int]:
    return dict(stage.values.get("config", {}))


async def drain(stage: Stage) -> None:
    """One pod may be evicted, not two; it comes back under its name with another address."""
    ordinal = await stage.nodes.leader()
    pod = stage.cluster.pod(ordinal)
    async with stage.chapter("drain of the leader's machine") as chapter:
        stage.cluster.held.add(ordinal)
        stage.cluster.evict(ordinal)
        for other in stage.cluster.stateful_set.pods.keys() - {ordinal}:
            with pytest.raises(Refused):
                stage.cluster.evict(other)
        await stage.gone(pod)
        await stage.progress(20)
        stage.cluster.held.discard(ordinal)
        await stage.cluster.settled()
    assert stage.cluster.pod(ordinal).ip != pod.ip
    assert pod.exit_codes == [0]
    assert chapter.elections == 1, "the hand-over"


async def kill_leader(stage: Stage) -> None:
    """``kill -9`` of the process: the container starts again in the same pod."""
    pod = stage.cluster.pod(await stage.nodes.leader())
    assert pod.container is not None
    async with stage.chapter("kill -9 of the leader"):
        pod.container.send_to_program(signal.SIGKILL)
        await _ended(stage, pod.exit_codes, 1)
        await stage.cluster.settled()
    assert pod.exit_codes == [137]
    assert pod.restarts == 1


async def _ended(stage: Stage, exit_codes: list[int], count: int) -> None:
    async def ended() -> bool:
        stage.cluster.check()
        return len(exit_codes) >= count

    await eventually("the container has ended", ended)


async def lose_disk(stage: Stage) -> None:
    """Machine and disk are gone: the pod comes back empty, and votes again by itself."""
    ordinal = (await stage.nodes.leader() + 1) % len(stage.pods())
    async with stage.chapter("loss of a pod and its disk"):
        await stage.cluster.lose_claim(ordinal)
        await stage.cluster.settled()
        await stage.nodes.become(voters(len(stage.pods())))


async def refused_upgrade(stage: Stage) -> None:
    """While a member is down an upgrade would take the majority: the hook refuses it."""
    ordinal = len(stage.pods()) - 1
    pod = stage.cluster.pod(ordinal)
    async with stage.chapter("upgrade while a member is down"):
        stage.cluster.held.add(ordinal)
        stage.cluster.evict(ordinal)
        await stage.gone(pod)
        before = stage.pids()
        with pytest.raises(JobFailed, match=pod.name):
            await stage.upgrade(config={**_config(stage), "SNAPSHOT_ENTRIES": 90_000})
        assert stage.pids() == before, "the upgrade was refused and went on"
        stage.cluster.held.discard(ordinal)
        await stage.cluster.settled()


async def bad_upgrade(stage: Stage) -> None:
    """New pods do not start: the first of them stops the upgrade, and a rollback ends it."""
    last = len(stage.pods()) - 1
    old, before = stage.cluster.pod(last), stage.pids()
    async with stage.chapter("bad upgrade, rolled back") as chapter:
        wrong = [{"name": "QUOTA_BYTES", "value": "much"}]
        upgrade = asyncio.create_task(stage.upgrade(extraEnv=wrong))

        async def crashed() -> bool:
            pod = stage.cluster.stateful_set.pods.get(last, old)
            return pod is not old and bool(pod.exit_codes)

        await eventually("the new pod has crashed", crashed)
        assert stage.pids()[:last] == before[:last], "an upgrade went on past a broken pod"
        upgrade.cancel()
        await asyncio.gather(upgrade, return_exceptions=True)
        await stage.roll_back()
    assert stage.pids()[:last] == before[:last]
    assert chapter.elections <= 1, "at most the hand-over to pod 0"


async def reinstall(stage: Stage) -> None:
    """`helm uninstall` keeps the disks, and an install over them goes on with what they hold."""
    await stage.traffic.stop()
    count = len(stage.pods())
    revision = max([await stage.nodes.revision(ordinal) for ordinal in range(count)])
    pods = stage.pods()
    await stage.release.uninstall()
    assert {pod.exit_codes[-1] for pod in pods} == {0}, "a pod did not end in order"
    assert {f"data-kvorum-{ordinal}" for ordinal in range(count)} <= stage.cluster.claims.names()
    await stage.install()
    assert await stage.nodes.members() == voters(count)
    assert min([await stage.nodes.revision(ordinal) for ordinal in range(count)]) >= revision
