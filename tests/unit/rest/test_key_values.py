"""Bytes beside JSON, leases, past revisions, and what a write replaced."""

from collections.abc import Callable

import pytest
from litestar.types import ASGIApp
from msgspec.structs import replace

from kvorum.mvcc.charge import KEY_BYTES
from kvorum.mvcc.command import Compact, LeaseGrant
from kvorum.mvcc.outcome import FULL_MESSAGE, Outcome, Status
from kvorum.node.views import StoreInfo
from kvorum.rest.fullness import full_detail
from tests.unit.rest.asgi import JSON, Reply, call
from tests.unit.rest.fake_service import FakeService

PNG = b"\x89PNG\r\n\x1a\n\x00"
BYTES = (b"accept", b"application/octet-stream")


async def put_bytes(
    app: ASGIApp, value: bytes = PNG, media_type: bytes = b"image/png", query: bytes = b""
) -> Reply:
    headers = [(b"content-type", media_type)]
    return await call(app, "PUT", b"/key/logo" + query, headers=headers, body=value)


async def put(app: ASGIApp, body: bytes, query: bytes = b"") -> Reply:
    return await call(app, "PUT", b"/key/k" + query, headers=[JSON], body=body)


# --- bytes -----------------------------------------------------------------------------


@pytest.mark.parametrize("value", [PNG, b"", b"null", bytes(range(256))])
async def test_bytes_are_given_back_as_they_came(app: ASGIApp, value: bytes) -> None:
    assert (await put_bytes(app, value)).status == 200
    reply = await call(app, "GET", b"/key/logo", headers=[BYTES])
    assert (reply.status, reply.body) == (200, value)
    assert reply.headers[b"content-type"] == b"image/png"
    assert reply.headers[b"etag"] == b'"1"'
    assert reply.headers[b"kvorum-revision"] == b"1"
    assert reply.headers[b"kvorum-mod-revision"] == b"1"
    assert reply.headers[b"kvorum-create-revision"] == b"1"
    assert reply.headers[b"kvorum-version"] == b"1"


async def test_a_json_answer_shows_bytes_in_base64(app: ASGIApp) -> None:
    await put_bytes(app)
    shown = (await call(app, "GET", b"/key/logo")).json
    assert (shown["valueBase64"], shown["contentType"]) == ("iVBORw0KGgoA", "image/png")
    assert "value" not in shown
    info = (await call(app, "GET", b"/command/" + shown["requestId"].encode())).json["info"]
    assert (info["value"], info["valueBase64"]) == (None, "iVBORw0KGgoA")


async def test_a_json_value_can_be_read_alone(app: ASGIApp) -> None:
    await put(app, b'{"value": [1, 2.50] }')
    reply = await call(app, "GET", b"/key/k", headers=[(b"accept", b"text/plain")])
    assert (reply.body, reply.headers[b"content-type"]) == (b"[1, 2.50]", b"application/json")


@pytest.mark.parametrize(
    ("accept", "raw"),
    [
        (b"*/*", False),
        (b"application/json", False),
        (b"application/*", False),
        (b"application/problem+json", False),
        (b"text/html, application/xhtml+xml, */*;q=0.8", False),
        (b"application/octet-stream, application/json", False),
        (b"", False),
        (b" , ", False),
        (b"application/octet-stream", True),
        (b"image/png", True),
        (b"application/octet-stream, */*;q=0.1", True),
        (b"application/json;q=0, */*;q=0", True),
        (b'text/plain;x="application/json, */*"', True),
    ],
)
async def test_accept_says_in_which_form(app: ASGIApp, accept: bytes, raw: bool) -> None:
    await put_bytes(app)
    reply = await call(app, "GET", b"/key/logo", headers=[(b"accept", accept)])
    assert (reply.body == PNG) == raw


async def test_two_accept_lines_are_one_list(app: ASGIApp) -> None:
    await put_bytes(app)
    headers = [(b"accept", b"image/png"), (b"accept", b"*/*")]
    assert (await call(app, "GET", b"/key/logo", headers=headers)).json["contentType"]


async def test_a_browser_runs_nothing_that_somebody_stored(app: ASGIApp) -> None:
    await put_bytes(app, b"<script>", b"text/html")
    reply = await call(app, "GET", b"/key/logo", headers=[(b"accept", b"text/html")])
    assert reply.body == b"<script>"
    assert b"sandbox" in reply.headers[b"content-security-policy"]
    assert reply.headers[b"x-content-type-options"] == b"nosniff"


async def test_a_media_type_cannot_carry_another_header(app: ASGIApp) -> None:
    for media_type in (b"a/b\r\nx: y", b"a/b; c=d\x00", "a/ü".encode(), b"a/" + b"b" * 200):
        assert (await put_bytes(app, media_type=media_type)).status == 400, media_type
    kept = b'text/plain; charset="utf-8"; x=y'
    assert (await put_bytes(app, media_type=kept)).status == 200
    reply = await call(app, "GET", b"/key/logo", headers=[BYTES])
    assert reply.headers[b"content-type"] == kept


async def test_a_form_is_taken_for_a_mistake(app: ASGIApp) -> None:
    for media_type in (b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x"):
        reply = await put_bytes(app, b'{"value":1}', media_type)
        assert reply.status == 415
        assert "curl" in reply.json["detail"]


async def test_json_of_any_kind_is_an_envelope_still(app: ASGIApp, service: FakeService) -> None:
    assert (await put_bytes(app, b'{"value":7}', b"application/vnd.api+json")).status == 200
    assert service.value(b"logo") == b"7"


async def test_bytes_in_base64_are_bytes(app: ASGIApp) -> None:
    assert (await put(app, b'{"valueBase64":"iVBORw0KGgoA"}')).status == 200
    reply = await call(app, "GET", b"/key/k", headers=[BYTES])
    assert reply.body == PNG
    assert reply.headers[b"content-type"] == b"application/octet-stream"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b'{"valueBase64":"iVB"}', "valueBase64"),
        (b'{"valueBase64":"iV B"}', "valueBase64"),
        (b'{"valueBase64":1}', "valueBase64 must be a string, not a whole number"),
        (b'{"valueBase64":"","contentType":"x"}', "contentType"),
        (b'{"valueBase64":"","contentType":"application/json"}', "contentType"),
        (b'{"value":1,"contentType":"image/png"}', "contentType goes with valueBase64"),
        (b'{"value":1,"valueBase64":""}', "exclude each other"),
        (b'{"contentType":"image/png"}', "contentType goes with valueBase64"),
        (b"{}", "missing 'value'"),
        (b'{"value":1,"lease":7}', "lease must be a string, not a whole number"),
        (b'{"value":1,"lease":""}', "lease"),
        (b'{"value":1,"ttlSeconds":"7"}', "ttlSeconds must be a number, not a string"),
        (b'{"value":1,"ttlSeconds":true}', "ttlSeconds must be a number"),
        (b'{"value":1,"ttlSeconds":31536001}', "ttlSeconds must be 1 to 31536000"),
        (b'{"value":1,"ttlSeconds":1e999}', "ttlSeconds"),
        (b'{"value":1,"ttlSeconds":5,"lease":"a"}', "exclude each other"),
        (b'{"value":1,"ttl":5}', "unknown 'ttl'"),
    ],
)
async def test_a_wrong_field_is_named(app: ASGIApp, body: bytes, named: str) -> None:
    reply = await put(app, body)
    assert reply.status == 400
    assert named in reply.json["detail"]


async def test_the_bound_is_on_the_value_not_on_its_base64(app: ASGIApp) -> None:
    assert (await put(app, b'{"valueBase64":"%b"}' % (b"AAAA" * 333))).status == 200
    assert (await put(app, b'{"valueBase64":"%b"}' % (b"AAAA" * 334))).status == 413


# --- leases ----------------------------------------------------------------------------


async def test_a_key_belongs_to_the_lease_it_is_put_with(
    app: ASGIApp, service: FakeService
) -> None:
    service.append(LeaseGrant("grant", "worker-7", 60_000))
    for reply in (
        await put(app, b'{"value":1,"lease":"worker-7"}'),
        await put_bytes(app, query=b"?lease=worker-7"),
        await call(app, "POST", b"/key/p?lease=worker-7", headers=[JSON], body=b'{"value":1}'),
    ):
        assert reply.status == 200
    for key in (b"k", b"logo", b"p"):
        assert (await call(app, "GET", b"/key/" + key)).json["lease"] == "worker-7"
    assert (await put(app, b'{"value":1}')).status == 200
    assert "lease" not in (await call(app, "GET", b"/key/k")).json


async def test_a_lease_that_is_not_there_is_named(app: ASGIApp, service: FakeService) -> None:
    reply = await put(app, b'{"value":1,"lease":"gone"}')
    assert (reply.status, reply.json["type"]) == (404, "urn:kvorum:problem:lease-not-found")
    assert "gone" in reply.json["detail"]
    assert service.value(b"k") is None


@pytest.mark.parametrize(
    ("body", "query"),
    [(b'{"value":1,"ttlSeconds":1.5}', b""), (b'{"value":1}', b"?ttlSeconds=1.5")],
)
async def test_a_key_with_a_time_to_live_has_a_lease_of_its_own(
    app: ASGIApp, service: FakeService, body: bytes, query: bytes
) -> None:
    await put(app, body, query)
    lease = service.lease((await call(app, "GET", b"/key/k")).json["lease"])
    assert (lease.ttl_ms, lease.key_count) == (1500, 1)


async def test_a_condition_and_a_lease_go_together(app: ASGIApp, service: FakeService) -> None:
    service.append(LeaseGrant("grant", "worker-7", 60_000))
    headers = [JSON, (b"if-none-match", b"*")]
    body = b'{"value":1,"lease":"worker-7"}'
    reply = await call(app, "PUT", b"/key/k", headers=headers, body=body)
    assert reply.status == 200
    assert (await call(app, "GET", b"/key/k")).json["lease"] == "worker-7"


# --- revisions -------------------------------------------------------------------------


async def test_the_past_is_readable_until_it_is_compacted(
    app: ASGIApp, service: FakeService
) -> None:
    for number in (1, 2, 3):
        await put(app, b'{"value":%d}' % number)
    for number in (1, 2, 3):
        reply = await call(app, "GET", b"/key/k?revision=%d" % number)
        assert (reply.json["value"], reply.json["revision"]) == (number, number)
        assert reply.headers[b"etag"] == b'"%d"' % number
    service.append(Compact("compact", 2))
    gone = await call(app, "GET", b"/key/k?revision=1")
    assert (gone.status, gone.json["type"]) == (410, "urn:kvorum:problem:compacted")
    assert gone.json["oldestRevision"] == 2
    assert (await call(app, "GET", b"/key/k?revision=2")).json["value"] == 2


async def test_the_future_is_not_readable(app: ASGIApp) -> None:
    reply = await call(app, "GET", b"/key/k?revision=1")
    assert (reply.status, reply.json["type"]) == (400, "urn:kvorum:problem:future-revision")


async def test_a_stale_read_of_the_past_says_so(app: ASGIApp) -> None:
    await put(app, b'{"value":1}')
    reply = await call(app, "GET", b"/key/k?revision=1&consistency=stale")
    assert reply.json["appliedIndex"] == 2


@pytest.mark.parametrize("value", [b"", b"0", b"-1", b"1.5", b"x", b"9" * 19, b"9" * 30, b"%31%"])
async def test_what_is_no_revision_is_refused(app: ASGIApp, value: bytes) -> None:
    reply = await call(app, "GET", b"/key/k?revision=" + value)
    assert reply.status == 400
    assert "revision" in reply.json["detail"]


@pytest.mark.parametrize(
    ("method", "query", "advice"),
    [
        ("GET", b"previous=true", "write"),
        ("GET", b"lease=a", "write"),
        ("PUT", b"revision=1", "If-Match"),
        ("DELETE", b"revision=1", "If-Match"),
        ("DELETE", b"lease=a", "PUT"),
        ("PATCH", b"ttlSeconds=1", "PUT"),
    ],
)
async def test_a_parameter_of_another_method_is_not_ignored(
    app: ASGIApp, method: str, query: bytes, advice: str
) -> None:
    body = b'{"oldValue":1,"newValue":1}' if method == "PATCH" else b'{"value":1}'
    reply = await call(app, method, b"/key/k?" + query, headers=[JSON], body=body)
    assert reply.status == 400
    assert advice in reply.json["detail"]


@pytest.mark.parametrize(
    ("method", "query", "told"),
    [
        (
            "GET",
            b"consistensy=stale",
            "'consistensy' is no parameter of this request; there are con",
        ),
        ("HEAD", b"prefix=true", ""),
        (
            "PUT",
            b"ttlSecond=1",
            "'ttlSecond' is no parameter of this request; there are previous, l",
        ),
        ("POST", b"previous&x", "'x' is no parameter of this request; there are previous, lease"),
        ("PATCH", b"prevoius", "'prevoius' is no parameter of this request; there is previous"),
        ("DELETE", b"prefix=true", "'prefix' is no parameter of this request; there is previous"),
    ],
)
async def test_a_parameter_that_nobody_knows_is_refused(
    app: ASGIApp, method: str, query: bytes, told: str
) -> None:
    await put(app, b'{"value":1}')
    body = b'{"oldValue":1,"newValue":2}' if method == "PATCH" else b'{"value":2}'
    reply = await call(app, method, b"/key/k?" + query, headers=[JSON], body=body)
    assert reply.status == 400
    assert method == "HEAD" or reply.json["detail"].startswith(told)
    assert (await call(app, "GET", b"/key/k")).json["value"] == 1


# --- what a write replaced -------------------------------------------------------------


async def test_a_write_shows_what_it_replaced(app: ASGIApp) -> None:
    first = await put(app, b'{"value":1}', b"?previous=true")
    assert first.json["previous"] is None
    await put_bytes(app)
    second = await put(app, b'{"value":2}', b"?previous")
    assert second.json["previous"] == {
        "key": "k",
        "value": 1,
        "createRevision": 1,
        "modRevision": 1,
        "version": 1,
    }
    third = await put_bytes(app, query=b"?previous=true")
    assert third.json["previous"]["valueBase64"] == "iVBORw0KGgoA"
    swapped = await call(app, "PATCH", b"/key/k?previous=true", body=b'{"oldValue":2,"newValue":3}')
    assert swapped.json["previous"]["value"] == 2
    deleted = await call(app, "DELETE", b"/key/k?previous=true")
    assert deleted.json["previous"]["value"] == 3
    assert "previous" not in (await put(app, b'{"value":1}', b"?previous=false")).json


async def test_a_full_store_refuses_with_507(app: ASGIApp, service: FakeService) -> None:
    service.quota_bytes = KEY_BYTES + 100
    assert (await put(app, b'{"value":"%b"}' % (b"x" * 50))).status == 200
    reply = await call(app, "PUT", b"/key/l", headers=[JSON], body=b'{"value":"%b"}' % (b"x" * 80))
    assert (reply.status, reply.json["type"]) == (507, "urn:kvorum:problem:full")
    assert (await call(app, "DELETE", b"/key/k")).status == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", b"/key/l", b'{"value":"%b"}' % (b"x" * 398)),
        ("PATCH", b"/key/zero", b'{"oldValue":0,"newValue":"%b"}' % (b"x" * 398)),
    ],
)
async def test_a_value_that_does_not_fit_is_told_how_much_is_used(
    app: ASGIApp, service: FakeService, method: str, path: bytes, body: bytes
) -> None:
    service.quota_bytes = 1500
    await call(app, "PUT", b"/key/zero", headers=[JSON], body=b'{"value":0}')
    assert (await put(app, b'{"value":"%b"}' % (b"x" * 598))).status == 200
    used = 2 * KEY_BYTES + len(b"zero0") + len(b"k") + 600
    reply = await call(app, method, path, headers=[JSON], body=body)
    assert reply.status == 507
    assert reply.json["detail"] == (
        f"a value of 400 bytes does not fit: {used:,} of 1,500 bytes are used (QUOTA_BYTES); "
        "write less, delete keys, or raise the store's quota"
    )
    assert (await put(app, b'{"value":"%b"}' % (b"x" * 608))).status == 200


async def test_a_full_store_says_how_much_must_go(app: ASGIApp, service: FakeService) -> None:
    service.quota_bytes = KEY_BYTES + 500
    await put(app, b'{"value":"%b"}' % (b"x" * 490))
    reply = await call(app, "PUT", b"/key/l", headers=[JSON], body=b'{"value":1}')
    assert reply.json["detail"] == (
        "the store is full: 749 of 756 bytes are used (QUOTA_BYTES); "
        "delete keys until at most 90 % are, or raise its quota"
    )
    assert reply.json["message"] == "the store is full: delete keys, or raise its quota"


@pytest.mark.parametrize(
    ("size_bytes", "quota_bytes", "told"),
    [
        (150_257, 200_000, "147 of 195 KiB"),
        (3 << 20, 100 << 20, "3 of 100 MiB"),
        (1 << 31, 1 << 31, "2,048 of 2,048 MiB"),
        (12 << 30, 16 << 30, "12 of 16 GiB"),
    ],
)
async def test_the_numbers_are_in_the_quotas_unit(
    service: FakeService, size_bytes: int, quota_bytes: int, told: str
) -> None:
    store = replace(service.store_info(), size_bytes=size_bytes, quota_bytes=quota_bytes)
    outcome = Outcome("id", Status.FULL, FULL_MESSAGE, 1, 1, 0)
    detail = full_detail(outcome, store)
    assert detail.startswith(f"the write does not fit: {told} are used (QUOTA_BYTES)")


async def test_without_a_quota_of_its_own_a_node_tells_no_numbers(
    app: ASGIApp, service: FakeService
) -> None:
    service.quota_bytes = KEY_BYTES
    service.store_info = _without_quota(service.store_info)  # type: ignore[method-assign] # only here
    reply = await put(app, b'{"value":1}')
    assert reply.json["detail"] == "the store is full: delete keys, or raise its quota"


def _without_quota(store_info: Callable[[], StoreInfo]) -> Callable[[], StoreInfo]:
    return lambda: replace(store_info(), quota_bytes=0)
