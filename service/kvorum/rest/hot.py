"""The hot path: ``/key/…`` straight from the server's ASGI call to :class:`KeyApi`.

No routing, no middleware, no request object; a framework's share would be more
than half of a request's time.
"""

from time import perf_counter

from litestar.types import HTTPScope, Receive, Send

from kvorum.rest.answer import send_answer
from kvorum.rest.keys import KeyApi
from kvorum.rest.observer import KEY_ROUTE, RestObserver, method_label


class HotPath:
    """ASGI callable for HTTP requests whose path begins with ``/key``."""

    def __init__(self, keys: KeyApi, observer: RestObserver) -> None:
        self._keys = keys
        self._observer = observer

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        start_s = perf_counter()
        answer = await self._keys.answer(scope, receive)
        await send_answer(answer, send)
        seconds = perf_counter() - start_s
        self._observer.request(KEY_ROUTE, method_label(scope["method"]), answer.status, seconds)
