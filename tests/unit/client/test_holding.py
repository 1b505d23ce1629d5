"""Leases, locks and leaderships of both clients over a small model of a cluster."""

import asyncio
import json
import threading
from typing import Any

import httpx
import pytest

from kvorum.client.errors import Conflict, InvalidRequest, LeaseNotFound, Taken
from tests.unit.client.scripted import (
    entered,
    is_set,
    listed,
    make_client,
    ok,
    refusal,
    settled,
)


class FakeCluster:
    """Leases without time, and queues; counts what is asked."""

    def __init__(self) -> None:
        self.leases: dict[str, int] = {}  # id → keepalives
        self.queues: dict[str, list[tuple[str, int, Any]]] = {}
        self.revision = 100
        self.is_out = False
        self._lock = threading.Lock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            if self.is_out:
                raise httpx.ConnectError("refused", request=request)
            area, _, rest = request.url.raw_path.decode().partition("?")[0][1:].partition("/")
            if area == "leases":
                return self._lease(request, rest)
            return self._claim(request, f"{area}/{rest}")

    def _lease(self, request: httpx.Request, rest: str) -> httpx.Response:
        lease, _, action = rest.partition("/")
        if not lease:
            body = json.loads(request.content)
            self.leases[body["id"]] = 0
            return ok(id=body["id"], ttlSeconds=body["ttlSeconds"], revision=1)
        if lease not in self.leases:
            return refusal(404, "lease-not-found")
        if action:
            self.leases[lease] += 1
            return ok(id=lease, ttlSeconds=0.6, remainingSeconds=0.6)
        self.end(lease)
        return ok(revision=1, deleted=1)

    def end(self, lease: str) -> None:
        self.leases.pop(lease, None)
        for name, queue in self.queues.items():
            self.queues[name] = [entry for entry in queue if entry[0] != lease]

    def _claim(self, request: httpx.Request, name: str) -> httpx.Response:
        queue = self.queues.setdefault(name, [])
        if request.method == "DELETE":
            lease = request.url.params["lease"]
            self.queues[name] = [entry for entry in queue if entry[0] != lease]
            return ok(released=len(queue) != len(self.queues[name]))
        if request.method == "GET":
            claims = [
                {"lease": lease, "token": token, "value": value, "position": at}
                for at, (lease, token, value) in enumerate(queue)
            ]
            return ok(name=name, holder=claims[0] if claims else None, queue=claims[1:])
        body = json.loads(request.content)
        if request.method == "PUT":
            if not queue or queue[0][0] != body["lease"]:
                return refusal(409, "conflict", detail="it does not lead")
            queue[0] = (body["lease"], queue[0][1], body["value"])
            return ok()
        return self._acquire(queue, body)

    def _acquire(self, queue: list[tuple[str, int, Any]], body: dict[str, Any]) -> httpx.Response:
        lease = body["lease"]
        if lease not in self.leases:
            return refusal(404, "lease-not-found")
        if lease not in [entry[0] for entry in queue]:
            if queue and not body["queue"]:
                return refusal(409, "conflict", detail=f"lease {queue[0][0]} holds it")
            self.revision += 1
            queue.append((lease, self.revision, body["value"]))
        at = [entry[0] for entry in queue].index(lease)
        return ok(lease=lease, token=queue[at][1], position=at, held=at == 0, value=queue[at][2])


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


async def until(condition: Any) -> None:
    """The other side of a test that waits: a poll of it costs no connection."""
    pause = threading.Event()
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.to_thread(pause.wait, 0.01)


async def test_a_lease_lives_within_its_block(kind: str, cluster: FakeCluster) -> None:
    async with entered(make_client(kind, cluster)) as client:
        async with entered(client.lease(0.6)) as lease:
            assert lease.id in cluster.leases
            assert 0 < lease.remaining_s <= 0.6
            await until(lambda: cluster.leases[lease.id] >= 3)
            assert not lease.lost.is_set()
        assert cluster.leases == {}


async def test_a_lease_that_ends_is_reported_lost_once(kind: str, cluster: FakeCluster) -> None:
    told: list[str] = []
    async with (
        entered(make_client(kind, cluster)) as client,
        entered(client.lease(0.6, on_lost=lambda: told.append("lost"))) as lease,
    ):
        cluster.end(lease.id)
        assert await is_set(lease.lost)
        await until(lambda: told)
        assert lease.remaining_s == 0
    assert told == ["lost"]


async def test_a_lease_out_of_reach_is_lost_when_its_time_is_over(
    kind: str, cluster: FakeCluster
) -> None:
    async with entered(make_client(kind, cluster, timeout_s=0.3)) as client:
        async with entered(client.lease(0.6)) as lease:
            cluster.is_out = True
            assert await is_set(lease.lost)
        assert lease.id in cluster.leases  # nobody could tell the cluster: its own time ends it


async def test_a_short_outage_loses_no_lease(kind: str, cluster: FakeCluster) -> None:
    async with (
        entered(make_client(kind, cluster)) as client,
        entered(client.lease(3)) as lease,
    ):
        await until(lambda: cluster.leases[lease.id] >= 1)
        cluster.is_out = True
        assert not await is_set(lease.lost, 0.3)
        cluster.is_out = False
        before = cluster.leases[lease.id]
        await until(lambda: cluster.leases[lease.id] > before)
        assert not lease.lost.is_set()


async def test_leaving_a_block_out_of_reach_is_no_error(kind: str, cluster: FakeCluster) -> None:
    client = make_client(kind, cluster, timeout_s=0.2)
    async with entered(client), entered(client.lease(30)):
        cluster.is_out = True


async def test_a_closed_client_keeps_no_lease_alive(kind: str, cluster: FakeCluster) -> None:
    client = make_client(kind, cluster)
    lease = await settled(client.lease(0.6).grant())
    await settled(client.close())
    seen = cluster.leases[lease.id]
    assert not await is_set(lease.lost, 0.5)
    assert cluster.leases[lease.id] <= seen + 1


async def test_a_lease_is_granted_once(kind: str, cluster: FakeCluster) -> None:
    async with entered(make_client(kind, cluster)) as client:
        async with entered(client.lease(3)) as lease:
            with pytest.raises(RuntimeError, match="make another"):
                await settled(lease.grant())
        with pytest.raises(RuntimeError, match="is over"):
            async with entered(lease):
                pass


async def test_leases_by_hand(kind: str, cluster: FakeCluster) -> None:
    async with entered(make_client(kind, cluster)) as client:
        assert (await settled(client.leases.grant(5, lease_id="l"))).ttl_s == 5
        assert (await settled(client.leases.keep_alive("l"))).remaining_s == 0.6
        assert await settled(client.leases.revoke("l")) == 1
        for call in (client.leases.keep_alive, client.leases.revoke, client.leases.show):
            with pytest.raises(LeaseNotFound):
                await settled(call("l"))


async def test_all_leases_are_listed_page_by_page(kind: str) -> None:
    def node(request: httpx.Request) -> httpx.Response:
        after = request.url.params.get("after", "")
        lease = {"": "a", "a": "b", "b": "c"}[after]
        item = {"id": lease, "ttlSeconds": 5, "remainingSeconds": 4, "keyCount": 1}
        return ok(leases=[item], more=lease != "c")

    async with entered(make_client(kind, node)) as client:
        assert [lease.id for lease in await listed(client.leases.list())] == ["a", "b", "c"]


async def test_a_lock_gives_a_token_and_is_released(kind: str, cluster: FakeCluster) -> None:
    async with entered(make_client(kind, cluster)) as client:
        lock = client.lock("jobs/nightly", ttl_s=0.6, value="me")
        with pytest.raises(RuntimeError, match="acquire"):
            lock.token  # noqa: B018  # reading it is the point
        async with entered(lock):
            assert (lock.token, lock.is_held) == (101, True)
            queue = await settled(client.locks.show("jobs/nightly"))
            assert (queue.holder.lease, queue.holder.value) == (lock.lease_id, "me")
        assert not lock.is_held
        assert cluster.leases == {}
        async with entered(lock):  # it can be used again
            assert lock.token == 102


async def test_the_next_one_gets_a_greater_token(kind: str, cluster: FakeCluster) -> None:
    async with entered(make_client(kind, cluster)) as client:
        first, second = client.lock("l", ttl_s=3), client.lock("l", ttl_s=0.6)
        await settled(first.acquire())
        waiting = asyncio.create_task(_acquire(second))
        await until(lambda: len(cluster.queues["locks/l"]) == 2)
        await settled(first.release())
        await waiting
        assert second.token > 101
        await settled(second.release())


async def _acquire(lock: Any) -> None:
    if asyncio.iscoroutinefunction(lock.acquire):
        await lock.acquire()
    else:
        await asyncio.to_thread(lock.acquire)


async def test_whoever_waits_in_vain_leaves_nothing_behind(kind: str, cluster: FakeCluster) -> None:
    async with entered(make_client(kind, cluster)) as client, entered(client.lock("l")) as held:
        for wait_s in (0, 0.2):
            with pytest.raises(Taken):
                await settled(client.lock("l", wait_s=wait_s).acquire())
        assert list(cluster.leases) == [held.lease_id]
        assert len(cluster.queues["locks/l"]) == 1


async def test_a_waiter_who_is_cancelled_leaves_nothing_behind(cluster: FakeCluster) -> None:
    async with make_client("async", cluster) as client, client.lock("l") as held:
        waiting = asyncio.create_task(client.lock("l").acquire())
        await until(lambda: len(cluster.queues["locks/l"]) == 2)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert list(cluster.leases) == [held.lease_id]
        assert len(cluster.queues["locks/l"]) == 1


async def test_a_lock_is_lost_with_its_lease(kind: str, cluster: FakeCluster) -> None:
    told: list[str] = []
    async with entered(make_client(kind, cluster)) as client:
        lock = client.lock("l", ttl_s=0.6, on_lost=lambda: told.append("lost"))
        async with entered(lock):
            cluster.end(lock.lease_id)
            assert await is_set(lock.lost)
            assert not lock.is_held
        await until(lambda: told)
        async with entered(lock):
            assert lock.is_held
            assert not lock.lost.is_set()


async def test_locks_can_share_a_lease(kind: str, cluster: FakeCluster) -> None:
    async with entered(make_client(kind, cluster)) as client, entered(client.lease(3)) as lease:
        async with entered(client.lock("a", lease=lease)) as a:
            async with entered(client.lock("b", lease=lease.id)) as b:
                assert (a.lease_id, b.lease_id) == (lease.id, lease.id)
                assert a.lost is lease.lost
            assert cluster.queues["locks/b"] == []
            assert len(cluster.queues["locks/a"]) == 1
        assert lease.id in cluster.leases


async def test_a_lock_cannot_be_acquired_twice(kind: str, cluster: FakeCluster) -> None:
    async with entered(make_client(kind, cluster)) as client, entered(client.lock("l")) as lock:
        with pytest.raises(RuntimeError, match="release"):
            await settled(lock.acquire())
        assert lock.is_held


def test_impossible_locks_are_refused_at_once(kind: str, cluster: FakeCluster) -> None:
    client = make_client(kind, cluster)
    with pytest.raises(InvalidRequest):
        client.lock("")
    with pytest.raises(InvalidRequest):
        client.lock("l", wait_s=-1)


async def test_a_leader_proclaims_and_resigns(kind: str, cluster: FakeCluster) -> None:
    async with entered(make_client(kind, cluster)) as client:
        async with entered(client.campaign("e", {"at": 1}, ttl_s=3)) as leadership:
            await settled(leadership.proclaim({"at": 2}))
            leader = (await settled(client.elections.show("e"))).holder
            assert (leader.value, leader.token) == ({"at": 2}, leadership.token)
            cluster.end(leadership.lease_id)
            with pytest.raises(Conflict):
                await settled(leadership.proclaim(3))
        assert (await settled(client.elections.show("e"))).holder is None
