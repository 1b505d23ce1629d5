"""Prefer, Idempotency-Key, Content-Type, Content-Length."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvorum.errors import InvalidRequest
from kvorum.rest.faults import UnsupportedMediaType
from kvorum.rest.headers import (
    RequestHead,
    check_json_body,
    declared_length,
    parse_idempotency_key,
    parse_media_type,
    prefers_async,
    prefers_raw,
    read_head,
)


@pytest.mark.parametrize(
    "fields",
    [
        [b"respond-async"],
        [b"Respond-Async"],
        [b"respond-async, wait=10"],
        [b"wait=10 , respond-async"],
        [b"wait=10", b"respond-async"],
        [b"respond-async; foo=bar"],
        [b'respond-async=""'],
        [b'foo="a, b;c\\"", , respond-async'],
        [b"return=minimal;x=y,\trespond-async\t"],
    ],
)
def test_respond_async_is_found(fields: list[bytes]) -> None:
    assert prefers_async(fields)


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [b""],
        [b"wait=10"],
        [b"respond-asynchronously"],
        [b"foo=respond-async"],
        [b"foo;respond-async"],
        [b'foo="x, respond-async, y"'],
        [b"respond-async=no"],
        [b",,,"],
    ],
)
def test_other_preferences_are_not_taken_for_it(fields: list[bytes]) -> None:
    assert not prefers_async(fields)


@given(st.binary(max_size=200))
def test_no_preference_is_an_error(field: bytes) -> None:
    assert prefers_async([field]) in (True, False)


@pytest.mark.parametrize("piece", [b"\t ", b'"', b'\\"', b",", b'"\\', b";=", b'" "'])
def test_a_hostile_preference_takes_linear_time(piece: bytes) -> None:
    start_s = time.perf_counter()
    prefers_async([piece * 50_000])
    assert time.perf_counter() - start_s < 1


@pytest.mark.parametrize(
    ("field", "request_id"),
    [
        (b"a", "a"),
        (b'"a"', "a"),
        (b'"a\\"b\\\\"', 'a"b\\'),
        (b'a"b', 'a"b'),
        (b"~" * 128, "~" * 128),
        (b" padded ", "padded"),
    ],
)
def test_an_idempotency_key_is_quoted_or_bare(field: bytes, request_id: str) -> None:
    assert parse_idempotency_key((field,)) == request_id


@pytest.mark.parametrize(
    "field",
    [b"", b'""', b'"a', b'"a"b', b'"a";p=1', b"a b", b'"a b"', b"\xc3\xa4", b"x" * 129, b"a\x00"],
)
def test_other_idempotency_keys_are_refused(field: bytes) -> None:
    with pytest.raises(InvalidRequest, match="Idempotency-Key"):
        parse_idempotency_key((field,))


def test_two_idempotency_keys_must_agree() -> None:
    assert parse_idempotency_key((b"a", b"a")) == "a"
    with pytest.raises(InvalidRequest, match="twice"):
        parse_idempotency_key((b"a", b"b"))


@pytest.mark.parametrize(
    "content_type",
    [
        b"",
        b"application/json",
        b"Application/JSON; charset=utf-8",
        b"application/merge-patch+json",
        b"application/vnd.api+json;v=1",
    ],
)
def test_json_is_understood(content_type: bytes) -> None:
    check_json_body(RequestHead(content_type=content_type))


@pytest.mark.parametrize("content_type", [b"text/plain", b"application/jsonp", b"json", b";"])
def test_anything_else_is_not(content_type: bytes) -> None:
    with pytest.raises(UnsupportedMediaType, match="application/json"):
        check_json_body(RequestHead(content_type=content_type))


def test_encoded_bodies_are_not_understood() -> None:
    check_json_body(RequestHead(content_encoding=b"identity"))
    with pytest.raises(UnsupportedMediaType, match="gzip"):
        check_json_body(RequestHead(content_encoding=b"gzip"))


def test_a_length_is_a_number() -> None:
    assert declared_length(RequestHead()) is None
    assert declared_length(RequestHead(content_length=b"12")) == 12
    for wrong in (b"-1", b"1e3", b"many"):
        with pytest.raises(InvalidRequest, match="Content-Length"):
            declared_length(RequestHead(content_length=wrong))


def test_the_head_collects_repeated_fields() -> None:
    head = read_head(
        [(b"prefer", b"a"), (b"x", b"y"), (b"prefer", b"b"), (b"content-length", b"1")]
    )
    assert head.preferences == (b"a", b"b")
    assert head.content_length == b"1"


@given(st.binary(max_size=100))
def test_no_accept_is_an_error(field: bytes) -> None:
    assert prefers_raw(field) in (True, False)


@pytest.mark.parametrize(
    "piece", [b"\t ", b'"', b",", b";", b";q=", b";q=0.5", b"a/b,", b"a/b; q=1 ", b"*/*;q=0,"]
)
def test_a_hostile_accept_takes_linear_time(piece: bytes) -> None:
    start_s = time.perf_counter()
    prefers_raw(piece * 20_000)
    prefers_raw(b"a/b" + piece * 20_000)
    assert time.perf_counter() - start_s < 1


@pytest.mark.parametrize(
    "text", [b"a/b", b"image/png", b"text/plain; charset=utf-8", b'a/b;c="d e"', b" a/b ; c=d "]
)
def test_a_media_type_is_kept_without_the_space_around_it(text: bytes) -> None:
    assert parse_media_type(text, "Content-Type") == text.strip().decode()


@pytest.mark.parametrize(
    "text", [b"a/b;\r\n c=d", b"a/b;\nc=d", b"a/b\t;c=d", b'a/b;c="\r\nx: y"', b"a/b\r\n", b"\na/b"]
)
def test_a_media_type_cannot_begin_another_line(text: bytes) -> None:
    with pytest.raises(InvalidRequest, match="media type"):
        parse_media_type(text, "contentType")


pieces = st.sampled_from([b"a", b"/", b";", b" ", b"=", b'"', b"\\", b"\r", b"\n", b"\t", b"a/b;"])


@given(st.binary(max_size=60) | st.lists(pieces, max_size=12).map(b"".join))
def test_any_bytes_are_a_media_type_fit_for_a_header_or_refused(text: bytes) -> None:
    try:
        media_type = parse_media_type(text, "Content-Type")
    except InvalidRequest:
        return
    assert media_type.isascii()
    assert media_type.isprintable()


@pytest.mark.parametrize("piece", [b"a", b"/", b";", b"a/b;", b"; a=b", b' ;a="', b'\\"'])
def test_a_hostile_media_type_takes_linear_time(piece: bytes) -> None:
    start_s = time.perf_counter()
    with pytest.raises(InvalidRequest):
        parse_media_type(b"a/b" + piece * 50_000, "Content-Type")
    assert time.perf_counter() - start_s < 1
