"""Bodies that arrive in parts: bounded in size, each and all together."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from kvorum.errors import InvalidRequest, Overloaded, TooLarge
from kvorum.rest.options import RestOptions
from kvorum.rest.reader import BodyReader

LIMITS = RestOptions(version="0", unfinished_bytes_max=100)


class Client:
    """Sends parts, then either ends, leaves or says nothing more."""

    def __init__(self, parts: Sequence[bytes], last: str) -> None:
        self._messages = [
            {"type": "http.request", "body": part, "more_body": True} for part in parts
        ]
        if last == "end":
            self._messages.append({"type": "http.request", "body": b"", "more_body": False})
        elif last == "leave":
            self._messages.append({"type": "http.disconnect"})

    async def receive(self) -> Any:
        if self._messages:
            return self._messages.pop(0)
        return await asyncio.get_running_loop().create_future()


async def test_parts_become_one_body() -> None:
    reader = BodyReader(LIMITS)
    assert await reader.read(Client([b"ab", b"c", b"de"], "end").receive, None, 5) == b"abcde"


@pytest.mark.parametrize(
    ("client", "declared", "error"),
    [
        pytest.param(Client([b"abc", b"def"], "end"), None, TooLarge, id="too large in parts"),
        pytest.param(Client([], "silence"), 6, TooLarge, id="declared too large"),
        pytest.param(Client([b"ab"], "leave"), None, InvalidRequest, id="the client leaves"),
        pytest.param(Client([], "leave"), None, InvalidRequest, id="it leaves at once"),
    ],
)
async def test_what_never_becomes_a_body(
    client: Client, declared: int | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await BodyReader(LIMITS).read(client.receive, declared, 5)


async def test_unfinished_bodies_are_bounded_together_and_free_their_share() -> None:
    reader = BodyReader(LIMITS)
    slow = asyncio.create_task(reader.read(Client([b"x" * 90], "silence").receive, None, 1000))
    await asyncio.sleep(0)  # it has sent its first part
    with pytest.raises(Overloaded, match="unfinished requests hold 110 bytes"):
        await reader.read(Client([b"x" * 20], "silence").receive, None, 1000)
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    assert await reader.read(Client([b"x" * 90], "end").receive, None, 1000) == b"x" * 90
