"""Both clients against a real node: every operation once, as its users meet it."""

from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import pytest

from kvorum.client import AsyncClient, Client
from kvorum.client.errors import (
    Compacted,
    Conflict,
    Forbidden,
    FutureRevision,
    InvalidRequest,
    LeaseNotFound,
    NotFound,
    PreconditionFailed,
    Taken,
    TooLarge,
    ValueMismatch,
)
from kvorum.client.txn import delete, delete_range, get, get_range, key, keys, put
from tests.unit.client.scripted import entered, first_of, is_set, listed, settled


@pytest.fixture
async def client(kind: str, url: str) -> AsyncIterator[Any]:
    made = Client(url) if kind == "sync" else AsyncClient(url)
    async with entered(made) as opened:
        yield opened


@pytest.fixture
def area() -> str:
    """Keys of this test alone."""
    return f"{uuid4().hex}/"


async def test_values_keep_their_bytes(client: Any, area: str) -> None:
    for name, value in {
        "json": {"a": [1, 2.5, None, "ü\u2028"]},
        "bytes": bytes(range(256)),
        "empty": b"",
        "null": None,
        "a//b/../%2F?#": "odd key",
    }.items():
        await settled(client.put(area + name, value))
        found = await settled(client.get(area + name))
        assert found.value == value
        assert found.key == area + name
    big = b"x" * 700_000
    await settled(client.put(area + "big", big, content_type="text/plain"))
    assert (await settled(client.get(area + "big"))).raw == big


async def test_conditions(client: Any, area: str) -> None:
    name = area + "k"
    first = await settled(client.put(name, 1, if_absent=True))
    with pytest.raises(PreconditionFailed) as caught:
        await settled(client.put(name, 2, if_absent=True))
    assert caught.value.mod_revision == first.revision
    second = await settled(client.put(name, 2, if_revision=first.revision, previous=True))
    assert second.previous.value == 1
    with pytest.raises(PreconditionFailed):
        await settled(client.delete(name, if_revision=first.revision))
    with pytest.raises(ValueMismatch):
        await settled(client.cas(name, 7, 8))
    await settled(client.cas(name, 2, 3))
    gone = await settled(client.delete(name, previous=True))
    assert (gone.previous.value, gone.changed) == (3, True)
    with pytest.raises(NotFound):
        await settled(client.delete(name))
    assert not (await settled(client.delete(name, missing_ok=True))).changed
    assert await settled(client.value(name, revision=first.revision)) == 1


async def test_the_same_request_id_applies_once(client: Any, area: str) -> None:
    name, request_id = area + "k", uuid4().hex
    first = await settled(client.put(name, 1, request_id=request_id))
    await settled(client.put(name, 2))
    again = await settled(client.put(name, 1, request_id=request_id))
    assert again.revision == first.revision
    assert await settled(client.value(name)) == 2
    outcome = await settled(client.outcome(request_id))
    assert (outcome.found, outcome.success, outcome.revision) == (True, True, first.revision)
    assert not (await settled(client.outcome(uuid4().hex))).found


async def test_what_a_node_refuses(client: Any, area: str) -> None:
    refused: list[tuple[Callable[[], Any], type[Exception]]] = [
        (lambda: client.get(area, revision=10**12), FutureRevision),
        (lambda: client.put("k" * 5000, 1), TooLarge),
        (lambda: client.put(area, "x" * 3_000_000), TooLarge),
        (lambda: client.put("_executed", 1), Forbidden),
        (lambda: client.put(area, 1, lease="nobody"), LeaseNotFound),
        (lambda: client.put(area, 1, ttl_s=0), InvalidRequest),
        (lambda: client.leases.grant(5, lease_id="no such id!"), InvalidRequest),
        (lambda: client.watch(heartbeat_s=1000).open(), InvalidRequest),
        (lambda: client.cluster.compact(10**12), FutureRevision),
    ]
    for call, error in refused:
        with pytest.raises(error):
            await settled(call())


async def test_ranges_are_of_one_revision(client: Any, area: str) -> None:
    names = [f"{area}{number:03}" for number in range(250)]
    await settled(client.batch([put(name, name) for name in names]))
    items = client.range(prefix=area, page_size=40)
    first = await first_of(items)
    await settled(client.delete_range(prefix=area))
    await settled(client.put(area + "new", 1))
    rest = await listed(items)
    assert [first.key, *(item.key for item in rest)] == names
    assert all(item.value == item.key for item in rest)
    assert await settled(client.count(prefix=area)) == 1
    assert await settled(client.count(prefix=area, revision=items.revision)) == 250
    backwards = client.range(prefix=area, revision=items.revision, reverse=True, page_size=100)
    assert [item.key for item in await listed(backwards)] == names[::-1]
    some = client.range(start=names[5], end=names[9], revision=items.revision, keys_only=True)
    assert [item.key for item in await listed(some)] == names[5:9]


async def test_transactions(client: Any, area: str) -> None:
    name = area + "k"
    result = await settled(
        client.txn(
            when=[key(name).is_missing, keys(prefix=area).version == 1],
            then=[put(name, {"n": 1}), put(area + "bytes", b"\x00"), get(name)],
        )
    )
    assert result
    assert result.results[2].items == ()  # reads see the state before
    result = await settled(
        client.txn(
            when=[
                key(name).value == {"n": 2},
                key(name).exists,
                key(name).mod_revision < 10**9,
                key(area + "bytes").value == b"\x00",
            ],
            then=delete(name),
            otherwise=[get_range(prefix=area, limit=1), delete_range(prefix=area)],
        )
    )
    assert not result
    assert result.results[0].more
    assert result.results[0].item.value == b"\x00"
    assert result.results[1].deleted == 2
    with pytest.raises(InvalidRequest, match="already"):
        await settled(client.txn(then=[put(name, 1), delete(name)]))
    with pytest.raises(LeaseNotFound):
        await settled(client.txn(then=[put(name, 1, lease="nobody")]))


async def test_watches(client: Any, area: str) -> None:
    first = await settled(client.put(area + "a", 1))
    async with entered(client.watch(prefix=area, previous=True, heartbeat_s=1)) as changes:
        assert changes.revision is None or changes.revision >= first.revision
        await settled(
            client.batch([put(area + "a", 2), delete(area + "a1"), put(area + "b", b"b")])
        )
        change = await first_of(changes)
        assert [event.key for event in change.events] == [area + "a", area + "b"]
        assert change.events[0].previous.value == 1
        assert changes.revision == change.revision
        await settled(client.delete(area + "b"))
        (event,) = (await first_of(changes)).events
        assert (event.is_delete, event.previous.value) == (True, b"b")
    async with entered(client.watch(area + "a", from_revision=first.revision)) as changes:
        values = [(await first_of(changes)).events[0].item.value for _ in range(2)]
    assert values == [1, 2]


async def test_leases(client: Any, area: str) -> None:
    async with entered(client.lease(1)) as lease:
        await settled(client.put(area + "k", 1, lease=lease.id))
        shown = await settled(client.leases.show(lease.id, keys=True))
        assert shown.keys == (area + "k",)
        assert lease.id in [one.id for one in await listed(client.leases.list())]
        assert not await is_set(lease.lost, 1.5)  # longer than it would last by itself
        assert await settled(client.value(area + "k")) == 1
        await settled(client.leases.revoke(lease.id))
        assert await is_set(lease.lost)
    assert await settled(client.count(prefix=area)) == 0
    with pytest.raises(LeaseNotFound):
        await settled(client.leases.keep_alive(lease.id))
    granted = await settled(client.leases.grant(5, lease_id=lease.id))
    with pytest.raises(Conflict):
        await settled(client.leases.grant(5, lease_id=granted.id))


async def test_locks(client: Any, area: str) -> None:
    name = area + "lock"
    async with entered(client.lock(name, ttl_s=2, value={"who": 1})) as lock:
        shown = await settled(client.locks.show(name))
        assert (shown.holder.token, shown.holder.value) == (lock.token, {"who": 1})
        with pytest.raises(Taken):
            await settled(client.lock(name, wait_s=0).acquire())
        with pytest.raises(Taken):
            await settled(client.lock(name, wait_s=0.5).acquire())
        assert (await settled(client.locks.show(name))).queue == ()
        assert name in await listed(client.locks.names())
        await settled(client.put(area + "k", 1, lease=lock.lease_id))
    assert (await settled(client.locks.show(name))).holder is None
    async with entered(client.lock(name)) as later:
        assert later.token > lock_token(shown)


def lock_token(shown: Any) -> int:
    token: int = shown.holder.token
    return token


async def test_elections(client: Any, area: str) -> None:
    name = area + "e"
    async with entered(client.elections.observe(name)) as seen:
        assert (await first_of(seen)).leader is None
        async with entered(client.campaign(name, "a", ttl_s=2)) as leadership:
            assert (await first_of(seen)).leader.value == "a"
            await settled(leadership.proclaim("b"))
            told = (await first_of(seen)).leader
            assert (told.value, told.token) == ("b", leadership.token)
        assert (await first_of(seen)).leader is None


async def test_compaction_and_backup(client: Any, area: str) -> None:
    first = await settled(client.put(area + "k", 1))
    await settled(client.put(area + "k", 2))
    oldest = await settled(client.cluster.compact(keep_revisions=1))
    assert oldest > first.revision - 1
    with pytest.raises(Compacted) as caught:
        await settled(client.get(area + "k", revision=max(1, oldest - 1)))
    assert caught.value.oldest_revision == oldest
    watch = client.watch(area + "k", from_revision=1)
    with pytest.raises(Compacted) as caught:
        await first_of(watch)
    assert caught.value.oldest_revision == oldest + 1
    async with entered(client.cluster.snapshot()) as backup:
        size = sum(len(part) for part in await listed(backup))
        assert size == backup.head.size_bytes > 0
        assert backup.head.revision >= oldest


async def test_the_cluster(client: Any) -> None:
    (status,) = await settled(client.cluster.status())
    assert status.is_leader
    assert status.info["nodeId"] == "Node-1"
    assert status.store["keys"] >= 0
    members = await settled(client.cluster.members())
    assert [member.name for member in members.members] == ["Node-1"]
