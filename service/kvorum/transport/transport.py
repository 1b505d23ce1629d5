"""The transport of one node, put together: a link per peer and one server."""

import asyncio
import logging
import time
from collections.abc import Sequence
from random import Random

from kvorum.raft.messages import Message
from kvorum.transport.complaints import Complaints
from kvorum.transport.directory import Directory
from kvorum.transport.handshake import Handshake
from kvorum.transport.link import Link
from kvorum.transport.observer import DropReason, NoObserver, TransportObserver
from kvorum.transport.options import TransportOptions
from kvorum.transport.reception import Deliver, Reception
from kvorum.transport.server import PeerServer
from kvorum.transport.unary import UnaryCalls, UnaryService


class Transport:
    """Implements ``node.ports.Peers``.

    ``start`` binds and serves; ``run`` keeps the links until ``stop`` (or its own
    cancellation), and stops the server when it ends. Create it inside the event
    loop that runs it. ``deliver`` gets each frame's messages, in order.
    """

    def __init__(
        self,
        options: TransportOptions,
        deliver: Deliver,
        *,
        observer: TransportObserver | None = None,
        logger: logging.Logger | None = None,
        random: Random | None = None,
    ) -> None:
        assert options.self_address in options.members, "a node is a member of its cluster"
        logger = logger or logging.getLogger("kvorum.transport")
        complaints = Complaints(logger, time.monotonic)
        self.directory = Directory(options.self_address, options.node_id)
        self._observer = observer or NoObserver()
        self._calls = UnaryCalls(options.unary_calls_max)
        handshake = Handshake(options, self.directory)
        self._links = {
            peer: Link(
                peer,
                options=options,
                handshake=handshake,
                directory=self.directory,
                observer=self._observer,
                complaints=complaints,
                logger=logger,
                random=random or Random(),  # noqa: S311 - jitter, not a secret
            )
            for peer in options.peers
        }
        self._server = PeerServer(
            options,
            Reception(
                options=options,
                handshake=handshake,
                directory=self.directory,
                deliver=deliver,
                observer=self._observer,
                complaints=complaints,
                on_caller=self._on_caller,
            ),
            UnaryService(
                options=options, calls=self._calls, deliver=deliver, observer=self._observer
            ),
        )
        self._stopping = asyncio.Event()

    def send(self, messages: Sequence[Message]) -> None:
        """Queue each message for the member it names; never blocks, never raises."""
        links, calls = self._links, self._calls
        for message in messages:
            if calls.waiting and calls.resolve(message):
                continue
            link = links.get(message.to)
            if link is None:
                self._observer.dropped("", 1, DropReason.UNKNOWN_PEER)
            else:
                link.send(message)

    def set_ready(self, ready: bool) -> None:
        """Health of the Raft service: a leader is known and this node has caught up."""
        self._server.set_ready(ready)

    async def start(self) -> int:
        """Bind before any peer is resolved; the port. Raises StartError."""
        return await self._server.start()

    async def run(self) -> None:
        """Dial the peers, again and again, until ``stop``."""
        try:
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(link.run(), name=f"link to {peer}")
                    for peer, link in self._links.items()
                ]
                running.append(tasks.create_task(self._server.report_health(), name="health"))
                await self._stopping.wait()
                for task in running:
                    task.cancel()
        finally:
            await self.stop()

    async def stop(self) -> None:
        """End links, streams and server within a bound; idempotent."""
        self._stopping.set()
        await self._server.stop()

    def _on_caller(self, address: str) -> None:
        """A peer that calls us can be called."""
        self._links[address].nudge()
