"""Writes whose arguments are a JSON body."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from kvorum.client.call import Answer, Call, write_id
from kvorum.client.calls.keys import JSON_CONTENT
from kvorum.client.wire import encode

T = TypeVar("T")


def posting(
    operation: str,
    path: str,
    body: Mapping[str, object],
    read: Callable[[Answer], T],
    *,
    method: str = "POST",
    request_id: str = "",
    patience_s: float = 0.0,
) -> Call[T]:
    """Under a request id, so that it may be sent again."""
    return Call(
        operation,
        method,
        path,
        read,
        headers=JSON_CONTENT,
        content=encode(body),
        request_id=write_id(request_id),
        is_write=True,
        patience_s=patience_s,
    )
