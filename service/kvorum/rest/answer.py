"""A finished HTTP answer, independent of who sends it."""

from litestar.types import HTTPResponseBodyEvent, HTTPResponseStartEvent, Send
from msgspec import Struct

Headers = tuple[tuple[bytes, bytes], ...]

JSON_TYPE = b"application/json"
PROBLEM_TYPE = b"application/problem+json"
TEXT_TYPE = b"text/plain; charset=utf-8"

BODILESS = frozenset({204, 304})


class Answer(Struct, frozen=True, gc=False):
    """Status, body, its media type and whatever other headers there are."""

    status: int
    body: bytes
    media_type: bytes = JSON_TYPE
    headers: Headers = ()


def header_list(answer: Answer) -> list[tuple[bytes, bytes]]:
    if answer.status in BODILESS:
        return list(answer.headers)
    return [
        (b"content-type", answer.media_type),
        (b"content-length", b"%d" % len(answer.body)),
        *answer.headers,
    ]


async def send_answer(answer: Answer, send: Send) -> None:
    """Send it as the two messages of ASGI."""
    start: HTTPResponseStartEvent = {
        "type": "http.response.start",
        "status": answer.status,
        "headers": header_list(answer),
    }
    await send(start)
    end: HTTPResponseBodyEvent = {
        "type": "http.response.body",
        "body": answer.body,
        "more_body": False,
    }
    await send(end)
