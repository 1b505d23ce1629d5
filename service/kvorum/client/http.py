"""What both shells need of httpx: limits of the pool, requests, and what its errors mean."""

import re

import httpx

from kvorum.client.attempts import NoAnswer, Send
from kvorum.client.call import Answer
from kvorum.client.errors import InvalidRequest
from kvorum.client.tracing import context_headers

POOL = httpx.Limits(max_connections=1000, max_keepalive_connections=20, keepalive_expiry=4.0)
"""Watches and waiting locks hold a connection each. A node closes idle ones after 5 s."""

ANSWER_BYTES_MAX = 256 << 20
"""More than any page or value can have: what is longer does not come from a node."""

USER_AGENT = "kvorum-client"

_NO_HTTP = "illegal request line"
"""What h11 says of an answer that begins with a control character (h11/_readers.py)."""

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def request_of(client: httpx.Client | httpx.AsyncClient, step: Send) -> httpx.Request:
    """As httpx will send it; raises ``InvalidRequest`` for what no URL or header can hold."""
    call = step.call
    try:
        return client.build_request(
            call.method,
            step.endpoint + call.target,
            headers=[*call.header_list(), *context_headers()],
            content=call.content,
            timeout=httpx.Timeout(step.total_s, connect=step.connect_s, pool=step.connect_s),
        )
    except (httpx.InvalidURL, UnicodeEncodeError) as error:
        raise InvalidRequest(str(error)) from error


def no_answer(error: httpx.RequestError) -> NoAnswer:
    """Only what failed before a connection stood was certainly not sent.

    Nor can it be taken by what speaks no HTTP/1.1: another node's gRPC port, or TLS.
    """
    words = re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__
    if isinstance(error, httpx.RemoteProtocolError) and words == _NO_HTTP:
        told = "this is no REST port (REST_ADDRESS of a node), it speaks no plain HTTP"
        return NoAnswer(told, was_sent=False, is_nobody=True)
    if not isinstance(error, _NEVER_SENT):
        return NoAnswer(words, was_sent=True)
    is_nobody = isinstance(error, httpx.ConnectError)
    return NoAnswer(f"cannot be reached: {words}", was_sent=False, is_nobody=is_nobody)


def out_of_time(step: Send) -> NoAnswer:
    return NoAnswer(f"no answer within {step.total_s:.3g} s", was_sent=True)


def head_of(response: httpx.Response, endpoint: str, body: bytes = b"") -> Answer:
    return Answer(response.status_code, dict(response.headers), body, endpoint)


def allow_silence(request: httpx.Request, seconds: float) -> None:
    """From now on each read of the stream may take so long; the head had a limit of its own."""
    request.extensions["timeout"]["read"] = seconds


def needs_tls(endpoints: tuple[str, ...]) -> bool:
    """Loading the trusted certificates takes longer than most commands."""
    return any(endpoint.startswith("https:") for endpoint in endpoints)
