"""The hot paths: keys, transactions and batches straight from the server's ASGI call.

No routing, no middleware, no request object; a framework's share would be more
than half of a request's time.
"""

from collections.abc import Awaitable, Callable
from time import perf_counter

from litestar.types import HTTPScope, Receive, Send

from kvorum.rest.answer import Answer, send_answer
from kvorum.rest.keys import KeyApi
from kvorum.rest.locations import KEY_PREFIX
from kvorum.rest.observer import (
    BATCH_ROUTE,
    KEY_ROUTE,
    KEYS_ROUTE,
    TXN_ROUTE,
    RestObserver,
    method_label,
)
from kvorum.rest.ranges import RangeApi
from kvorum.rest.txn import TxnApi

Handler = Callable[[HTTPScope, Receive], Awaitable[Answer]]


class HotPath:
    """ASGI callable for the requests of one route."""

    def __init__(self, route: str, handler: Handler, observer: RestObserver) -> None:
        self._route = route
        self._handler = handler
        self._observer = observer

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        start_s = perf_counter()
        answer = await self._handler(scope, receive)
        await send_answer(answer, send)
        seconds = perf_counter() - start_s
        self._observer.request(self._route, method_label(scope["method"]), answer.status, seconds)


class HotPaths:
    """Of them all; what is written otherwise, or asked by other methods, is the framework's."""

    def __init__(
        self, keys: KeyApi, ranges: RangeApi, txns: TxnApi, observer: RestObserver
    ) -> None:
        self._key = HotPath(KEY_ROUTE, keys.answer, observer)
        self._exact = {
            ("GET", b"/keys"): HotPath(KEYS_ROUTE, ranges.list, observer),
            ("DELETE", b"/keys"): HotPath(KEYS_ROUTE, ranges.delete, observer),
            ("POST", b"/txn"): HotPath(TXN_ROUTE, txns.txn, observer),
            ("POST", b"/batch"): HotPath(BATCH_ROUTE, txns.batch, observer),
        }

    def find(self, scope: HTTPScope) -> HotPath | None:
        path = scope["raw_path"]
        if path.startswith(KEY_PREFIX):
            return self._key
        return self._exact.get((scope["method"], path))
