"""ETag, If-Match and If-None-Match: what is written only if nobody else has written."""

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.types import ASGIApp

from kvorum.errors import InvalidRequest
from kvorum.mvcc.command import Compact, Compare, Field, LeaseGrant, Relation
from kvorum.rest.headers import RequestHead
from kvorum.rest.preconditions import entity_tag, is_known, preconditions
from tests.unit.rest.asgi import JSON, Reply, call
from tests.unit.rest.fake_service import FakeService

Header = tuple[bytes, bytes]


async def write(app: ASGIApp, method: str, *headers: Header, body: bytes = b"") -> Reply:
    body = body or {"PATCH": b'{"oldValue":1,"newValue":2}', "DELETE": b""}.get(
        method, b'{"value":2}'
    )
    return await call(app, method, b"/key/k", headers=[JSON, *headers], body=body)


async def make(app: ASGIApp, value: bytes = b"1") -> None:
    body = b'{"value":%b}' % value
    assert (await call(app, "PUT", b"/key/k", headers=[JSON], body=body)).status == 200


def if_match(value: bytes) -> Header:
    return b"if-match", value


def if_none_match(value: bytes) -> Header:
    return b"if-none-match", value


async def test_the_etag_of_a_read_is_the_condition_of_a_write(app: ASGIApp) -> None:
    await make(app)
    etag = (await call(app, "GET", b"/key/k")).headers[b"etag"]
    assert (await write(app, "PUT", if_match(etag))).status == 200
    late = await write(app, "PUT", if_match(etag))
    assert late.status == 412
    assert late.json["type"] == "urn:kvorum:problem:precondition-failed"
    assert late.json["modRevision"] == 2
    assert late.json["success"] is False
    assert "revision 2" in late.json["detail"]


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE"])
async def test_every_write_heeds_if_match(app: ASGIApp, service: FakeService, method: str) -> None:
    await make(app)
    revision = service.machine.revision
    assert (await write(app, method, if_match(b'"77"'))).status == 412
    assert (service.value(b"k"), service.machine.revision) == (b"1", revision)
    assert (await write(app, method, if_match(b'"1"'))).status == 200
    assert service.value(b"k") == (None if method == "DELETE" else b"2")


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE"])
async def test_any_tag_matches_whatever_exists(app: ASGIApp, method: str) -> None:
    missing = await write(app, method, if_match(b"*"))
    assert (missing.status, missing.json["modRevision"]) == (412, 0)
    assert "does not exist" in missing.json["detail"]
    await make(app)
    assert (await write(app, method, if_match(b"*"))).status == 200


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_a_key_is_created_once(app: ASGIApp, service: FakeService, method: str) -> None:
    assert (await write(app, method, if_none_match(b"*"))).status == 200
    again = await write(app, method, if_none_match(b"*"), body=b'{"value":3}')
    assert (again.status, again.json["modRevision"]) == (412, 1)
    assert service.value(b"k") == b"2"


async def test_both_conditions_must_hold(app: ASGIApp) -> None:
    await make(app)
    assert (await write(app, "PUT", if_match(b"*"), if_none_match(b'"1"'))).status == 412
    assert (await write(app, "PUT", if_match(b'"1"'), if_none_match(b'"5", "6"'))).status == 200


async def test_a_conditional_deletion_of_nothing_is_a_missing_key(app: ASGIApp) -> None:
    reply = await write(app, "DELETE", if_none_match(b'"5"'))
    assert reply.status == 404
    assert reply.json["message"] == 'key "k" doesn\'t exist'


async def test_a_conditional_swap_tells_a_mismatch_from_a_failed_condition(app: ASGIApp) -> None:
    await make(app, b"5")
    mismatch = await write(app, "PATCH", if_match(b'"1"'))
    assert (mismatch.status, mismatch.json["message"]) == (409, "old value does not match")
    assert (await write(app, "PATCH", if_match(b'"2"'))).status == 412


async def test_a_conditional_swap_compares_values_not_texts(
    app: ASGIApp, service: FakeService
) -> None:
    await make(app, b"1.0")
    assert (await write(app, "PATCH", if_match(b'"1"'))).status == 200
    assert service.value(b"k") == b"2"


async def test_a_conditional_swap_leaves_the_key_in_its_lease(
    app: ASGIApp, service: FakeService
) -> None:
    service.append(LeaseGrant("grant", "worker", 60_000))
    await write(app, "PUT", body=b'{"value":1,"lease":"worker"}')
    revision = service.machine.revision
    assert (await write(app, "PATCH", if_match(b'"%d"' % revision))).status == 200
    record = service.machine.get(b"k")
    assert record is not None
    assert (record.value, record.lease) == (b"2", "worker")


async def test_no_swap_matches_bytes_that_look_like_the_value(
    app: ASGIApp, service: FakeService
) -> None:
    text = [(b"content-type", b"text/plain")]
    await call(app, "PUT", b"/key/k", headers=text, body=b"1")
    for headers in ([], [if_match(b'"1"')], [if_match(b"*")]):
        reply = await write(app, "PATCH", *headers)
        assert (reply.status, reply.json["message"]) == (409, "old value does not match"), headers
    assert service.value(b"k") == b"1"


async def test_a_repeated_request_gets_the_first_outcome(app: ASGIApp) -> None:
    await make(app)
    ident = (b"idempotency-key", b"once")
    first = await write(app, "PUT", if_match(b'"1"'), ident)
    assert first.status == 200
    assert (await write(app, "PUT", if_match(b'"1"'), ident)) == first
    refused = await write(app, "PUT", if_match(b'"1"'), (b"idempotency-key", b"late"))
    await write(app, "DELETE")
    assert (await write(app, "PUT", if_match(b'"1"'), (b"idempotency-key", b"late"))) == refused


async def test_what_a_repeated_request_met_may_be_forgotten(
    app: ASGIApp, service: FakeService
) -> None:
    await make(app)
    for ident, headers in ((b"a", [if_match(b'"9"')]), (b"b", [])):
        await write(app, "PUT", *headers, (b"idempotency-key", ident))
    await make(app)
    service.append(Compact("compact", service.machine.revision))
    late = await write(app, "PUT", if_match(b'"9"'), (b"idempotency-key", b"a"))
    assert late.status == 412
    assert "modRevision" not in late.json
    again = await call(
        app,
        "PUT",
        b"/key/k?previous=true",
        headers=[JSON, (b"idempotency-key", b"b")],
        body=b'{"value":2}',
    )
    assert again.status == 200
    assert "previous" not in again.json


async def test_a_client_that_has_the_state_gets_304(app: ASGIApp) -> None:
    await make(app)
    for value in (b'"1"', b'W/"1"', b'"7", "1"', b"*"):
        reply = await call(app, "GET", b"/key/k", headers=[if_none_match(value)])
        assert (reply.status, reply.body) == (304, b""), value
        assert reply.headers == {b"etag": b'"1"'}
    for value in (b'"2"', b"1", b"rubbish", b'"', b""):
        reply = await call(app, "GET", b"/key/k", headers=[if_none_match(value)])
        assert reply.status == 200, value


async def test_several_header_lines_are_one_list(app: ASGIApp) -> None:
    await make(app)
    headers = [if_none_match(b'"7"'), if_none_match(b'"1"')]
    assert (await call(app, "GET", b"/key/k", headers=headers)).status == 304
    assert (await write(app, "PUT", *headers)).status == 412


@pytest.mark.parametrize("field", [b"42", b' "42" ', b'"42"'])
def test_a_bare_number_is_taken_for_a_tag(field: bytes) -> None:
    assert preconditions(RequestHead(if_match=field), b"k") == (
        Compare(b"k", Field.MOD_REVISION, Relation.EQUAL, 42),
    )


@pytest.mark.parametrize(
    "field",
    [b'"x"', b'""', b'"1', b"x", b'"0"', b'"1";"2"', b"-1", b'"9999999999999999999"', b"**", b","],
)
def test_what_is_no_tag_of_ours_is_refused_for_writes(field: bytes) -> None:
    for head in (RequestHead(if_match=field), RequestHead(if_none_match=field)):
        with pytest.raises(InvalidRequest, match="modRevision"):
            preconditions(head, b"k")


def test_a_weak_tag_and_a_list_cannot_be_required() -> None:
    with pytest.raises(InvalidRequest, match="weak"):
        preconditions(RequestHead(if_match=b'W/"1"'), b"k")
    with pytest.raises(InvalidRequest, match="give one"):
        preconditions(RequestHead(if_match=b'"1", "2"'), b"k")


async def test_patch_needs_the_key_and_says_so(app: ASGIApp) -> None:
    reply = await write(app, "PATCH", if_none_match(b"*"))
    assert reply.status == 400
    assert "If-Match" in reply.json["detail"]


def joined(revisions: list[int]) -> Iterator[bytes]:
    yield b", ".join(map(entity_tag, revisions))
    yield b",".join(b"W/" + entity_tag(revision) for revision in revisions)


@given(st.lists(st.integers(1, 99), min_size=1, max_size=5), st.integers(1, 99))
def test_a_list_knows_what_it_names(revisions: list[int], mod_revision: int) -> None:
    for field in joined(revisions):
        assert is_known(field, mod_revision) == (mod_revision in revisions)


@given(st.binary(max_size=40))
def test_any_bytes_are_conditions_or_refused(field: bytes) -> None:
    is_known(field, 1)
    for head in (RequestHead(if_match=field), RequestHead(if_none_match=field)):
        try:
            found = preconditions(head, b"k")
        except InvalidRequest:
            continue
        assert bool(found) == bool(field.strip())


@pytest.mark.parametrize(
    "piece", [b'"', b'""', b'"1"', b'"1",', b"1", b"1,", b" ", b", ", b"W/", b'W/"', b'"1" ,']
)
def test_a_hostile_condition_takes_linear_time(piece: bytes) -> None:
    field = piece * 20_000
    start_s = time.perf_counter()
    is_known(field, 1)
    for head in (
        RequestHead(if_none_match=field + b"x"),
        RequestHead(if_match=b'"1"' + field + b"x"),
    ):
        with pytest.raises(InvalidRequest):
            preconditions(head, b"k")
    assert time.perf_counter() - start_s < 1
