"""The transport of one node, put together: a link per peer and one server."""

import asyncio
import logging
import time
from collections.abc import Sequence
from random import Random

from kvorum.raft.messages import Message
from kvorum.raft.types import Index, NodeId
from kvorum.telemetry.spans import FrameTraces
from kvorum.transport.complaints import Complaints
from kvorum.transport.directory import Directory
from kvorum.transport.handshake import Handshake
from kvorum.transport.identity import Registrar
from kvorum.transport.link import Link
from kvorum.transport.links import Links
from kvorum.transport.observer import (
    CallObserver,
    DropReason,
    NoObserver,
    TransportObserver,
)
from kvorum.transport.options import TransportOptions
from kvorum.transport.reception import Deliver, Reception
from kvorum.transport.server import PeerServer
from kvorum.transport.standing import Standing
from kvorum.transport.unary import UnaryCalls, UnaryService
from kvorum.transport.watch_service import OpenWatch, WatchService


class Transport:
    """Implements ``node.ports.Peers``.

    ``start`` binds and serves; ``run`` keeps the links until ``stop`` (or its own
    cancellation), and stops the server when it ends. Create it inside the event
    loop that runs it. ``deliver`` gets each frame's messages, in order; ``open_watch`` is
    asked for what clients watch. ``traces`` has notes to add to frames, and takes those of others.
    """

    def __init__(
        self,
        options: TransportOptions,
        deliver: Deliver,
        registrar: Registrar,
        open_watch: OpenWatch,
        *,
        observer: TransportObserver | None = None,
        calls: CallObserver | None = None,
        logger: logging.Logger | None = None,
        random: Random | None = None,
        traces: FrameTraces | None = None,
    ) -> None:
        self._options = options
        self._registrar = registrar
        self._observer = observer or NoObserver()
        self._logger = logger or logging.getLogger("kvorum.transport")
        self._traces = traces
        self._random = random or Random()  # noqa: S311 - jitter, not a secret
        self._complaints = Complaints(self._logger, time.monotonic)
        self._standing = Standing(options, registrar)
        self.directory = Directory(options.member_id, options.node_id)
        self._handshake = Handshake(options, self.directory, self._standing, registrar)
        self._links = Links(self._dial, farewell_s=options.stop_grace_ms / 1000)
        self._links.keep(self._standing.peers)
        self._calls = UnaryCalls(options.unary_calls_max)
        self._reception = self._make_reception(deliver)
        self._server = PeerServer(
            options,
            self._reception,
            UnaryService(
                options=options,
                standing=self._standing,
                calls=self._calls,
                deliver=deliver,
                observer=self._observer,
            ),
            WatchService(open_watch, streams_max=options.watch_streams_max),
            calls or NoObserver(),
        )
        self._stopping = asyncio.Event()

    def send(self, messages: Sequence[Message]) -> None:
        """Queue each message for the member it names; never blocks, never raises."""
        if self._standing.disowned:
            self._observer.dropped("", len(messages), DropReason.DISOWNED)
            return
        links, calls = self._links.by_member, self._calls
        for message in messages:
            if calls.waiting and calls.resolve(message):
                continue
            link = links.get(message.to)
            if link is None:
                self._observer.dropped("", 1, DropReason.UNKNOWN_PEER)
            else:
                link.send(message)

    def set_members(self, index: Index, members: Sequence[NodeId]) -> None:
        """Keep links to ``members``, those of the log's entry ``index``, committed or not.

        New ones are dialled at once; those who left are let go of a moment after the entry
        is committed. The first call says what the disk remembers.
        """
        self._standing.set(index, members)
        self._review()

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
                    tasks.create_task(self._links.run(), name="links"),
                    tasks.create_task(self._server.report_health(), name="health"),
                    tasks.create_task(self._sweep(), name="membership of peers"),
                ]
                await self._stopping.wait()
                for task in running:
                    task.cancel()
        finally:
            await self.stop()

    async def stop(self) -> None:
        """End links, streams and server within a bound; idempotent."""
        self._stopping.set()
        await self._server.stop()

    # --- who is a peer -----------------------------------------------------------------

    async def _sweep(self) -> None:
        """What the log decides changes who may talk to us; look now and then, not per frame."""
        while True:
            await asyncio.sleep(self._options.sweep_interval_ms / 1000)
            self._review()

    def _review(self) -> None:
        self._standing.release(time.monotonic())
        self._reception.review()
        self._keep_links()
        self.directory.keep(self._links.by_member.keys())
        for member, link in self._links.by_member.items():
            link.expect(self._registrar.uid_of(member))

    def _keep_links(self) -> None:
        self._links.keep(dict.fromkeys((*self._standing.peers, *self._reception.guests)))

    def _on_caller(self, member: NodeId) -> None:
        """A peer that calls us can be called; a guest gets answers that way."""
        self._keep_links()
        self._links.by_member[member].nudge()

    # --- parts -------------------------------------------------------------------------

    def _dial(self, peer: NodeId) -> Link:
        return Link(
            peer,
            options=self._options,
            handshake=self._handshake,
            directory=self.directory,
            observer=self._observer,
            complaints=self._complaints,
            logger=self._logger,
            random=self._random,
            traces=self._traces,
        )

    def _make_reception(self, deliver: Deliver) -> Reception:
        return Reception(
            options=self._options,
            handshake=self._handshake,
            directory=self.directory,
            standing=self._standing,
            registrar=self._registrar,
            deliver=deliver,
            observer=self._observer,
            complaints=self._complaints,
            on_caller=self._on_caller,
            traces=self._traces,
        )
