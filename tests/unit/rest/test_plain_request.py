"""What is taken for a plain request is what an HTTP parser sees in it, and nothing special."""

from typing import Any

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvorum.rest.plain_request import HEAD_BYTES_MAX, HEADS_MAX, PlainRequest, PlainRequests

HOST = b"Host: k\r\n"
CURL = b"Host: localhost:8081\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n"
BODY = b'{"value":1}'
LENGTH = b"Content-Length: 11\r\n"
JSON = b"Content-Type: application/json\r\n"


def request(
    head: bytes, *, body: bytes = b"", method: bytes = b"PUT", target: bytes = b"/key/colour"
) -> bytes:
    return b"%s %s HTTP/1.1\r\n%s\r\n%s" % (method, target, head, body)


def of_key(method: str, key: bytes, body: bytes = b"", query: bytes = b"") -> PlainRequest:
    return PlainRequest(method, "/key/{key}", body, key, query)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (request(HOST, method=b"GET"), of_key("GET", b"colour")),
        (request(CURL, method=b"GET"), of_key("GET", b"colour")),
        (request(HOST + LENGTH, body=BODY), of_key("PUT", b"colour", BODY)),
        (request(CURL + JSON + LENGTH, body=BODY), of_key("PUT", b"colour", BODY)),
        (
            request(HOST + b"connection:keep-alive\r\n" + LENGTH, body=BODY, method=b"POST"),
            of_key("POST", b"colour", BODY),
        ),
        (request(HOST, method=b"GET", target=b"/key/a//b/"), of_key("GET", b"a//b/")),
        (request(HOST, method=b"DELETE"), of_key("DELETE", b"colour")),
        (request(HOST + LENGTH, body=BODY, method=b"PATCH"), of_key("PATCH", b"colour", BODY)),
        (
            request(HOST, method=b"GET", target=b"/key/colour?consistency=stale"),
            of_key("GET", b"colour", query=b"consistency=stale"),
        ),
        (
            request(HOST + LENGTH, body=BODY, method=b"POST", target=b"/txn"),
            PlainRequest("POST", "/txn", BODY),
        ),
        (
            request(CURL + JSON + LENGTH, body=BODY, method=b"POST", target=b"/batch"),
            PlainRequest("POST", "/batch", BODY),
        ),
        (request(HOST, method=b"GET", target=b"/keys"), PlainRequest("GET", "/keys", b"")),
        (request(HOST, method=b"GET", target=b"/keys?"), PlainRequest("GET", "/keys", b"")),
        (
            request(HOST, method=b"GET", target=b"/keys?prefix=a%2Fb/c&limit=3&reverse"),
            PlainRequest("GET", "/keys", b"", query=b"prefix=a%2Fb/c&limit=3&reverse"),
        ),
    ],
)
def test_plain_requests_are_read_also_when_their_head_is_known(
    data: bytes, expected: PlainRequest
) -> None:
    requests = PlainRequests()
    assert requests.read(data) == expected
    assert requests.read(data) == expected


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(request(HOST, method=b"HEAD"), id="another method"),
        pytest.param(request(HOST, target=b"/key/a?consistency=stale"), id="a stale write"),
        pytest.param(request(HOST, method=b"GET", target=b"/key/a?x=1"), id="a query"),
        pytest.param(request(HOST, method=b"GET", target=b"/key/a%2F"), id="an escape"),
        pytest.param(request(HOST, method=b"GET", target=b"/leases"), id="another route"),
        pytest.param(request(HOST, method=b"GET", target=b"/keys/"), id="a slash at the end"),
        pytest.param(request(HOST, method=b"GET", target=b"/keys?a#b"), id="a fragment"),
        pytest.param(request(HOST, method=b"DELETE", target=b"/keys?all"), id="many deletions"),
        pytest.param(request(HOST, method=b"PUT", target=b"/txn"), id="a method that is not there"),
        pytest.param(request(HOST, method=b"POST", target=b"/txn?a=1"), id="a query for nothing"),
        pytest.param(request(HOST, method=b"POST", target=b"/txns"), id="a longer route"),
        pytest.param(request(HOST, method=b"GET", target=b"/key/"), id="no key"),
        pytest.param(request(HOST, method=b"GET", target="/key/é".encode()), id="not ASCII"),
        pytest.param(request(HOST, method=b"GET").replace(b"/1.1", b"/1.0"), id="HTTP/1.0"),
        pytest.param(request(HOST + LENGTH, body=BODY[:-1]), id="half a body"),
        pytest.param(request(HOST + LENGTH, body=BODY + b"G"), id="another request behind it"),
        pytest.param(request(HOST + LENGTH * 2, body=BODY), id="a header twice"),
        pytest.param(request(HOST + b"Content-Length: +11\r\n", body=BODY), id="a strange length"),
        pytest.param(request(LENGTH, body=BODY), id="no host"),
        pytest.param(request(b"", method=b"GET"), id="no headers"),
        pytest.param(request(HOST + b"Transfer-Encoding: chunked\r\n"), id="chunks"),
        pytest.param(request(HOST + b"Expect: 100-continue\r\n" + LENGTH, body=BODY), id="expects"),
        pytest.param(request(HOST + b"Connection: close\r\n", method=b"GET"), id="the last"),
        pytest.param(request(HOST + b"Upgrade: h2c\r\n", method=b"GET"), id="an upgrade"),
        pytest.param(request(HOST + b'If-Match: "1"\r\n', method=b"GET"), id="a condition"),
        pytest.param(request(HOST + b"Idempotency-Key: a\r\n" + LENGTH, body=BODY), id="an id"),
        pytest.param(request(HOST + b"Prefer: respond-async\r\n", method=b"GET"), id="a wish"),
        pytest.param(request(HOST + b"Accept: image/png\r\n", method=b"GET"), id="another type"),
        pytest.param(request(HOST + b"Traceparent: 00\r\n", method=b"GET"), id="a trace"),
        pytest.param(request(HOST + b"X-What: ever\r\n", method=b"GET"), id="who knows"),
        pytest.param(request(HOST + b" folded: 1\r\n", method=b"GET"), id="a folded line"),
        pytest.param(request(HOST + b"Pragma : x\r\n", method=b"GET"), id="blank before the colon"),
        pytest.param(request(HOST + b"Pragma: a\x00b\r\n", method=b"GET"), id="a NUL"),
        pytest.param(request(HOST, method=b"GET").replace(b"\r\n", b"\n"), id="bare line feeds"),
        pytest.param(
            request(HOST + b"Pragma: %s\r\n" % (b"x" * HEAD_BYTES_MAX), method=b"GET"),
            id="a long head",
        ),
        pytest.param(request(HOST, method=b"GET")[:-2], id="half a head"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_whatever_is_special_is_left_to_others(data: bytes) -> None:
    requests = PlainRequests()
    assert requests.read(data) is None
    assert requests.read(data) is None


def test_more_heads_than_are_remembered_do_no_harm() -> None:
    requests = PlainRequests()
    for number in range(2 * HEADS_MAX + 1):
        head = HOST + b"User-Agent: %d\r\n" % number
        assert requests.read(request(head, method=b"GET")) is not None
    assert len(requests._lengths) <= HEADS_MAX


class _Seen:
    """What the parser of the general way makes of it."""

    def __init__(self) -> None:
        self.url = self.body = b""
        self.headers: dict[bytes, bytes] = {}
        self.complete = 0

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        assert name.lower() not in self.headers
        self.headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete += 1


_LINES = st.sampled_from(
    [
        *(b"Host: k", b"host:k", b"Host:", b"Content-Length: 3", b"Content-Length: 0"),
        *(
            b"content-length: 3 ",
            b"Content-Length: 03",
            b"Accept: */*",
            b"Accept: application/json",
        ),
        *(b"Accept:*/*, */*", b"Connection: keep-alive", b"Connection: close", b"Pragma:  no"),
        *(b"Transfer-Encoding: chunked", b"Cache-Control: a b"),
        *(b"Content-Type: application/json", b"Content-Type: text/plain", b"User-Agent: a:b: c"),
    ]
)
_STARTS = st.sampled_from(
    [
        *(b"GET /key/a", b"PUT /key/a/b", b"POST /key/a;b=c", b"GET /key/a#b", b"GET //key/a"),
        *(b"PUT /key/a?b", b"get /key/a", b"GET  /key/a", b"GET /key/..", b"GET /key/a b"),
        *(b"GET /key/a?consistency=stale", b"DELETE /key/a", b"PATCH /key/a", b"PATCHED /key/a"),
        *(b"GET /keys", b"GET /keys?", b"GET /keys?prefix=%61&limit=1", b"GET /keys?a#b"),
        *(b"POST /txn", b"POST /batch", b"POST /txn?a", b"POST //txn", b"POST /txn/"),
    ]
)
_ENDS = st.sampled_from([b" HTTP/1.1", b" HTTP/1.0", b" HTTP/1.1 ", b"", b" HTTP/11"])
_BODIES = st.sampled_from([b"", b"abc", b"ab", b"abcd", b"\r\n\r\n"])
_BREAKS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n"])


@given(_STARTS, _ENDS, st.lists(_LINES, max_size=4), _BREAKS, _BODIES)
def test_a_parser_agrees(
    start: bytes, end: bytes, lines: list[bytes], line_break: bytes, body: bytes
) -> None:
    data = line_break.join((start + end, *lines, b"", body))
    plain = PlainRequests().read(data)
    if plain is None:
        return
    seen = _Seen()
    parser: Any = httptools.HttpRequestParser(seen)
    parser.feed_data(data)
    assert seen.complete == 1
    assert parser.should_keep_alive()
    assert parser.get_http_version() == "1.1"
    path = plain.route.encode().replace(b"{key}", plain.key)
    url: Any = httptools.parse_url(seen.url)
    assert (parser.get_method().decode(), url.path, seen.body) == (plain.method, path, plain.body)
    assert (url.query or b"", url.fragment) == (plain.query, None)
    allowed = {b"host", b"content-length", b"accept", b"connection", b"pragma", b"cache-control"}
    assert seen.headers.keys() <= allowed | {b"user-agent", b"content-type"}


def test_the_property_above_meets_plain_requests() -> None:
    assert PlainRequests().read(b"PUT /key/a/b HTTP/1.1\r\nHost: k\r\nContent-Length: 3\r\n\r\nabc")
