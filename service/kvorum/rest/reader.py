"""Request bodies from the connection: bounded in size, each and all together.

How long they may take is the server's business: it knows when a request begins.
"""

from litestar.types import Receive, ReceiveMessage

from kvorum.errors import InvalidRequest, Overloaded, TooLarge
from kvorum.rest.options import RestOptions


class BodyReader:
    """Counts what unfinished bodies hold, so that many slow clients cannot fill the memory."""

    def __init__(self, options: RestOptions) -> None:
        self._unfinished_bytes_max = options.unfinished_bytes_max
        self._unfinished_bytes = 0

    async def read(self, receive: Receive, declared: int | None, bytes_max: int) -> bytes:
        """The whole body; holds at most ``bytes_max`` and what one message brings.

        Raises ``TooLarge``, without reading on; ``InvalidRequest`` if the client leaves;
        ``Overloaded`` if unfinished bodies hold too much already.
        """
        if declared is not None and declared > bytes_max:
            raise _too_large(bytes_max)
        body, more = _part(await receive())
        if more:
            body = await self._read_rest(receive, body, bytes_max)
        if len(body) > bytes_max:
            raise _too_large(bytes_max)
        return body

    async def _read_rest(self, receive: Receive, first: bytes, bytes_max: int) -> bytes:
        collected, more = bytearray(first), True
        self._unfinished_bytes += len(first)
        try:
            while more:
                self._check(len(collected), bytes_max)
                part, more = _part(await receive())
                collected += part
                self._unfinished_bytes += len(part)
        finally:
            self._unfinished_bytes -= len(collected)
        return bytes(collected)

    def _check(self, size_bytes: int, bytes_max: int) -> None:
        if size_bytes > bytes_max:
            raise _too_large(bytes_max)
        if self._unfinished_bytes > self._unfinished_bytes_max:
            raise Overloaded(
                f"unfinished requests hold {self._unfinished_bytes} bytes on this node; "
                "nothing was applied, try again shortly"
            )


def _part(message: ReceiveMessage) -> tuple[bytes, bool]:
    """A part of the body, and whether there is more."""
    if message["type"] != "http.request":
        raise InvalidRequest("the connection was closed before the whole body had arrived")
    return message["body"], message.get("more_body", False)


def _too_large(bytes_max: int) -> TooLarge:
    return TooLarge(f"the body is larger than {bytes_max} bytes, the most this node reads")
