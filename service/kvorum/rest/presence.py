"""Whether the client is still there, while a request takes long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar.types import Receive


@asynccontextmanager
async def while_connected(receive: Receive) -> AsyncIterator[None]:
    """End the body where it waits, and go on behind it, as soon as the client leaves.

    To be entered once the request's body was read: nothing but the end comes then.
    """
    loop = asyncio.get_running_loop()
    listener = loop.create_task(_left(receive), name="client")
    presence = asyncio.timeout(None)
    try:
        async with presence:

            def end(_: object) -> None:
                if inside:
                    presence.reschedule(loop.time())

            inside = True
            listener.add_done_callback(end)
            try:
                yield
            finally:
                inside = False
    except TimeoutError:
        if not presence.expired():
            raise
    finally:
        if listener.done():
            listener.result()  # raises what it failed with
        else:
            listener.cancel()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
