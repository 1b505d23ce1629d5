"""``/compact``, ``/snapshot``, and what ``/cluster/…`` tells of the store and its commands."""

from typing import cast

import pytest
from litestar.types import ASGIApp

from kvorum.errors import NoLeader
from kvorum.mvcc.charge import KEY_BYTES
from kvorum.mvcc.command import (
    Compact,
    Compare,
    DeleteOp,
    Field,
    LeaseGrant,
    LeaseKeepAlive,
    LeaseRevoke,
    Put,
    PutOp,
    Relation,
    Txn,
)
from kvorum.node.backup import Backup
from tests.unit.rest.asgi import JSON, Reply, call
from tests.unit.rest.fake_service import FakeService
from tests.unit.rest.stream_client import StreamClient


def write(service: FakeService, times: int) -> None:
    for _ in range(times):
        service.append(Put(service.new_request_id(), b"k", b"1"))


async def compact(app: ASGIApp, body: bytes, *headers: tuple[bytes, bytes]) -> Reply:
    return await call(app, "POST", b"/compact", headers=[JSON, *headers], body=body)


# Compaction ----------------------------------------------------------------------------------


async def test_history_is_forgotten_up_to_a_revision(app: ASGIApp, service: FakeService) -> None:
    write(service, 5)
    reply = await compact(app, b'{"revision":3}')
    assert reply.status == 200
    assert reply.json["compactedRevision"] == 3
    assert reply.json["requestId"]
    assert service.machine.compacted_revision == 3


async def test_some_revisions_can_be_kept(app: ASGIApp, service: FakeService) -> None:
    write(service, 5)
    assert (await compact(app, b'{"keepRevisions":2}')).json["compactedRevision"] == 3
    assert (await compact(app, b'{"keepRevisions":100}')).json["compactedRevision"] == 3
    assert (await compact(app, b'{"keepRevisions":0}')).json["compactedRevision"] == 5
    assert (await compact(app, b'{"keepRevisions":0}')).json["compactedRevision"] == 5


async def test_an_empty_store_has_nothing_to_forget(app: ASGIApp) -> None:
    assert (await compact(app, b'{"keepRevisions":0}')).json["compactedRevision"] == 0


async def test_what_is_forgotten_cannot_be_forgotten_again(
    app: ASGIApp, service: FakeService
) -> None:
    write(service, 5)
    await compact(app, b'{"revision":4}')
    reply = await compact(app, b'{"revision":3}')
    assert (reply.status, reply.json["type"]) == (410, "urn:kvorum:problem:compacted")
    assert reply.json["oldestRevision"] == 4


async def test_the_future_cannot_be_forgotten(app: ASGIApp, service: FakeService) -> None:
    write(service, 5)
    reply = await compact(app, b'{"revision":6}')
    assert (reply.status, reply.json["type"]) == (400, "urn:kvorum:problem:future-revision")


async def test_a_repeated_compaction_is_the_first_one(app: ASGIApp, service: FakeService) -> None:
    write(service, 5)
    named = (b"idempotency-key", b"once")
    for _ in range(2):
        assert (await compact(app, b'{"revision":3}', named)).json["compactedRevision"] == 3


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"{}", "keepRevisions"),
        (b'{"revision":1,"keepRevisions":1}', "keepRevisions"),
        (b'{"revision":0}', "revision"),
        (b'{"revision":1.5}', "revision"),
        (b'{"revision":99999999999999999999}', "revision"),
        (b'{"keepRevisions":-1}', "keepRevisions"),
        (b'{"keepRevisions":"1"}', "keepRevisions"),
        (b'{"keep":1}', "keep"),
    ],
)
async def test_a_wrong_compaction_names_the_field(app: ASGIApp, body: bytes, name: str) -> None:
    reply = await compact(app, body)
    assert reply.status == 400
    assert name in reply.json["error"]


# Backups -------------------------------------------------------------------------------------


class FakeBackup:
    """A file in memory; ``missing`` bytes at its end cannot be read."""

    name = "kvorum-118.snapshot"
    revision = 42

    def __init__(self, data: bytes, missing: int = 0) -> None:
        self.size_bytes = len(data)
        self.is_closed = False
        self._data = data[: len(data) - missing]

    async def read(self, offset: int, size_bytes: int) -> bytes:
        return self._data[offset : offset + size_bytes]

    def close(self) -> None:
        self.is_closed = True


def give(service: FakeService, backup: FakeBackup, monkeypatch: pytest.MonkeyPatch) -> None:
    async def open_backup() -> Backup:
        await service.catch_up()
        return cast("Backup", backup)

    monkeypatch.setattr(service, "open_backup", open_backup)


async def test_a_backup_is_streamed(
    app: ASGIApp, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytes(range(256)) * 4000
    backup = FakeBackup(data)
    give(service, backup, monkeypatch)
    client = StreamClient(app, "GET", b"/snapshot")
    assert await client.end() == data
    assert client.headers == {
        b"content-type": b"application/octet-stream",
        b"content-length": b"1024000",
        b"content-disposition": b'attachment; filename="kvorum-118.snapshot"',
        b"cache-control": b"no-store",
        b"kvorum-revision": b"42",
    }
    assert backup.is_closed


async def test_a_backup_that_breaks_off_is_no_complete_answer(
    app: ASGIApp, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = FakeBackup(b"x" * 1000, missing=1)
    give(service, backup, monkeypatch)
    client = StreamClient(app, "GET", b"/snapshot")
    with pytest.raises(OSError, match="ends at byte 999 of 1000"):
        await client.done()
    assert not client.is_complete
    assert backup.is_closed


async def test_a_client_that_leaves_ends_the_backup(
    app: ASGIApp, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = FakeBackup(b"x" * 10_000_000)
    give(service, backup, monkeypatch)
    client = StreamClient(app, "GET", b"/snapshot")
    client.stop_reading()
    client.leave()
    client.read_on()
    await client.done()
    assert backup.is_closed


async def test_head_tells_the_size_of_a_backup(
    app: ASGIApp, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = FakeBackup(b"x" * 1000)
    give(service, backup, monkeypatch)
    reply = await call(app, "HEAD", b"/snapshot")
    assert (reply.status, reply.body, reply.headers[b"content-length"]) == (200, b"", b"1000")
    assert backup.is_closed


async def test_a_backup_needs_a_leader(
    app: ASGIApp, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(service, FakeBackup(b""), monkeypatch)
    service.failure = NoLeader("no leader is known")
    reply = await call(app, "GET", b"/snapshot")
    assert (reply.status, reply.json["error"]) == (503, "no leader is known")


async def test_a_disk_that_fails_is_logged_and_not_shown(
    app: ASGIApp,
    service: FakeService,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def open_backup() -> Backup:
        raise OSError("disk on fire")

    monkeypatch.setattr(service, "open_backup", open_backup)
    reply = await call(app, "GET", b"/snapshot")
    assert (reply.status, reply.json["type"]) == (500, "urn:kvorum:problem:internal-error")
    assert b"fire" not in reply.body
    assert "disk on fire" in caplog.text


# What the cluster's routes tell --------------------------------------------------------------


async def test_the_store_is_told_of(app: ASGIApp, service: FakeService) -> None:
    write(service, 3)
    service.append(LeaseGrant("g", "l", 10_000))
    await compact(app, b'{"revision":2}')
    store = (await call(app, "GET", b"/cluster/info")).json["store"]
    assert {name: store[name] for name in ("keys", "sizeBytes", "isFull", "revision")} == {
        "keys": 1,
        "sizeBytes": KEY_BYTES + 2,
        "isFull": False,
        "revision": 3,
    }
    assert (store["compactedRevision"], store["leases"], store["watchers"]) == (2, 1, 0)
    assert set(store) >= {"quotaBytes", "historyRevisions", "historyBytes"}


async def test_the_log_shows_what_every_command_does(app: ASGIApp, service: FakeService) -> None:
    service.append(
        Put("1", b"k", b"\x89", content_type="image/png", ttl_ms=1500),
        Put("2", b"k", b"1", lease="l"),
        LeaseGrant("3", "l", 10_000),
        LeaseKeepAlive("4", "l"),
        LeaseRevoke("5", "l"),
        Compact("6", 1),
    )
    *_, first, second, third, fourth, fifth, sixth = [
        item["command"] for item in (await call(app, "GET", b"/cluster/log")).json["entries"]
    ]
    assert (first["type"], first["key"]) == ("put", "k")
    assert first["newValue"] == {
        "valueBase64": "iQ==",
        "contentType": "image/png",
        "ttlSeconds": 1.5,
    }
    assert (second["type"], second["newValue"]) == ("put", {"value": 1, "lease": "l"})
    assert (third["type"], third["newValue"]) == ("lease_grant", {"lease": "l", "ttlSeconds": 10})
    assert (fourth["type"], fourth["newValue"]) == ("lease_keepalive", {"lease": "l"})
    assert (fifth["type"], fifth["newValue"]) == ("lease_revoke", {"lease": "l"})
    assert (sixth["type"], sixth["newValue"]) == ("compact", {"revision": 1})


async def test_the_log_shows_transactions(app: ASGIApp, service: FakeService) -> None:
    compares = (
        Compare(b"a", Field.VALUE, Relation.EQUAL, b'{"x":1}'),
        Compare(b"b", Field.VALUE, Relation.LESS, b"\xff"),
        Compare(b"c", Field.MOD_REVISION, Relation.GREATER, 7, b""),
        Compare(b"d", Field.LEASE, Relation.NOT_EQUAL, b"l"),
    )
    then = PutOp(b"a", b"2", ttl_ms=1000), DeleteOp(b"p", b"q", limit=3), DeleteOp(b"x")
    service.append(Txn("t", compares, then, (PutOp(b"y", b"0", content_type="text/plain"),)))
    *_, item = (await call(app, "GET", b"/cluster/log")).json["entries"]
    assert item["command"] == {
        "id": "t",
        "key": "",
        "subKey": "",
        "oldValue": None,
        "type": "txn",
        "newValue": {
            "compare": [
                {"key": "a", "target": "value", "op": "=", "value": {"x": 1}},
                {"key": "b", "target": "value", "op": "<", "valueBase64": "/w=="},
                {"start": "c", "end": "", "target": "modRevision", "op": ">", "value": 7},
                {"key": "d", "target": "lease", "op": "!=", "value": "l"},
            ],
            "then": [
                {"put": {"key": "a", "value": 2, "ttlSeconds": 1}},
                {"delete": {"start": "p", "end": "q", "limit": 3}},
                {"delete": {"key": "x"}},
            ],
            "else": [{"put": {"key": "y", "valueBase64": "MA==", "contentType": "text/plain"}}],
        },
    }


async def test_the_log_shows_what_is_nested_too_deep_to_be_read(
    app: ASGIApp, service: FakeService
) -> None:
    deep = b"[" * 10_000 + b"]" * 10_000
    service.append(Txn("t", (Compare(b"a", Field.VALUE, Relation.EQUAL, deep),), (), ()))
    reply = await call(app, "GET", b"/cluster/log")
    assert reply.status == 200
    [compare] = reply.json["entries"][-1]["command"]["newValue"]["compare"]
    assert compare["valueBase64"]
