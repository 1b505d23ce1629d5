"""Server-sent events: frames of ``text/event-stream`` (HTML Living Standard §9.2).

A reader that reconnects by itself, as ``EventSource`` does, repeats the last id that it was
sent in ``Last-Event-ID``.
"""

from kvorum.rest.answer import Headers

EVENT_STREAM_TYPE = b"text/event-stream"

HEADERS: Headers = (
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # a proxy that collects first would deliver too late
)

_RETRY_MS = 1000


def opening(event: bytes, data: bytes, *, last_id: int | None = None) -> bytes:
    """The first frame: says also how long to wait before connecting again."""
    return b"retry: %d\n%b" % (_RETRY_MS, frame(event, data, last_id=last_id))


def frame(event: bytes, data: bytes, *, last_id: int | None = None) -> bytes:
    """One event; ``data`` is JSON text.

    A line break, which would end the field, is white space between the tokens of JSON.
    """
    if b"\n" in data or b"\r" in data:
        data = data.replace(b"\n", b" ").replace(b"\r", b" ")
    if last_id is None:
        return b"event: %b\ndata: %b\n\n" % (event, data)
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (last_id, event, data)


def heartbeat(*, last_id: int | None = None) -> bytes:
    """A comment: no event, but a sign of life; an id alone is remembered without an event."""
    if last_id is None:
        return b": heartbeat\n\n"
    return b": heartbeat\nid: %d\n\n" % last_id
