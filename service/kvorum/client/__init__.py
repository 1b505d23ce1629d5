"""Client for kvorum: :class:`Client` for threads, :class:`AsyncClient` for asyncio.

::

    from kvorum.client import Client

    with Client("http://localhost:8081,http://localhost:8082") as client:
        client.put("colour", "green")
        print(client.value("colour"))

What calls raise is in :mod:`kvorum.client.errors`, the words of transactions in
:mod:`kvorum.client.txn`. docs/client.md shows all of it at work.

Inside there is one core without I/O, which decides what to send, how to read an answer and what
to do next (``calls``, ``attempts``, ``routing``, ``feeds``, ``keeping``), and two thin shells
around it: ``sync`` and ``aio``.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kvorum.client.aio.client import AsyncClient
    from kvorum.client.sync.client import Client

__all__ = ["AsyncClient", "Client"]


def __getattr__(name: str) -> Any:
    """Each client is imported when it is used: a command needs only one, and that quickly."""
    if name == "Client":
        from kvorum.client.sync.client import Client  # noqa: PLC0415  # see above

        return Client
    if name == "AsyncClient":
        from kvorum.client.aio.client import AsyncClient  # noqa: PLC0415  # see above

        return AsyncClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
