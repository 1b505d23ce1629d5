"""A node as a process: start, serve until told to stop, stop in order."""

import asyncio
import gc
import logging
import secrets
import signal
import socket
import sys
from asyncio import Event, Task, TaskGroup
from collections.abc import Sequence
from contextlib import closing
from importlib.metadata import version

import uvloop
from prometheus_client import CollectorRegistry, disable_created_metrics

from kvorum.app.identity import bootstrap_cluster_id
from kvorum.app.node import Node
from kvorum.app.options import node_options, rest_options, transport_options
from kvorum.app.web import WebServer, allow_descriptors, bind, web_server
from kvorum.errors import DataDirectoryError
from kvorum.raft.membership import Membership
from kvorum.raft.types import NodeId
from kvorum.rest.app import create_app
from kvorum.settings import Settings, split_address
from kvorum.storage.data_dir import DataDirectory
from kvorum.storage.fs import OsFileSystem
from kvorum.storage.recovery import Recovered
from kvorum.storage.wal import Wal, open_log
from kvorum.storage.worker import ThreadWorker, Worker
from kvorum.telemetry.loop_lag import LoopLag
from kvorum.telemetry.metrics import RestMetrics, WalMetrics
from kvorum.telemetry.process_metrics import GcPauses, register_process_metrics

_log = logging.getLogger("kvorum.node")

STOPPED, FAILED = 0, 1

_PATIENCE_S = 0.5
"""How long requests may go on after a signal to stop."""

_SWITCH_INTERVAL_S = 0.0005
"""How long the event loop may hold the interpreter while the log's thread, its sync done,
waits to say so. The interpreter's 5 ms would be many syncs long."""


def run(settings: Settings) -> int:
    """Run one node until SIGTERM or SIGINT; the process's exit code.

    Raises :class:`~kvorum.errors.StartError` if the node must not start.
    """
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    # Otherwise every counter has a second series, with the time when it was made.
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the package's own omission
    sockets = bind(*split_address(settings.rest_address))
    try:
        with closing(_open_directory(settings)) as directory:
            return uvloop.run(_Process(settings, directory, sockets).run())
    finally:
        for listening in sockets:
            listening.close()


def _open_directory(settings: Settings) -> DataDirectory:
    return DataDirectory.open(
        OsFileSystem(),
        settings.data_dir,
        node_id=settings.self_id,
        address=settings.self_address,
        uid=secrets.token_hex(16),
        cluster_id=bootstrap_cluster_id(settings.members),
        members=settings.members,
        segment_bytes=settings.wal_segment_bytes,
    )


class _Process:
    """What lives as long as the event loop."""

    def __init__(
        self, settings: Settings, directory: DataDirectory, sockets: Sequence[socket.socket]
    ) -> None:
        self._settings = settings
        self._identity = directory.identity
        self._wal_path = directory.wal_path
        self._sockets = sockets
        self._registry = CollectorRegistry()

    async def run(self) -> int:
        worker = ThreadWorker("kvorum-wal")
        wal, recovered = self._open_log(worker)
        try:
            for warning in recovered.warnings:
                _log.warning(warning)
            node = self._node(wal, recovered)
            await node.transport.start()
            self._tell_start(recovered)
            return await self._serve(node)
        finally:
            await wal.close()
            await worker.close()

    def _open_log(self, worker: Worker) -> tuple[Wal, Recovered]:
        try:
            return open_log(
                OsFileSystem(),
                self._wal_path,
                worker,
                segment_bytes=self._settings.wal_segment_bytes,
                observe=WalMetrics(self._registry).synced,
            )
        except OSError as error:
            raise DataDirectoryError(
                f"the log in {self._wal_path} cannot be opened: {error.strerror} "
                f"({error.filename or self._wal_path}). Restore it from a copy."
            ) from error

    def _node(self, wal: Wal, recovered: Recovered) -> Node:
        identity = self._identity
        return Node(
            node_options(self._settings, identity.cluster_id),
            Membership(tuple(map(NodeId, identity.members))),
            transport_options(self._settings, identity.cluster_id, identity.members),
            hard_state=recovered.hard_state,
            entries=recovered.entries,
            log=wal,
            registry=self._registry,
        )

    def _tell_start(self, recovered: Recovered) -> None:
        _log.info(
            "started",
            extra={
                "node_id": self._identity.node_id,
                "cluster": self._identity.cluster_id,
                "members": len(self._identity.members),
                "rest": self._settings.rest_address,
                "term": recovered.hard_state.term,
                "entries": len(recovered.entries),
            },
        )

    async def _serve(self, node: Node) -> int:
        """Until a signal, or until a part fails: then the others are cancelled."""
        stop = Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        web = self._web(node)
        pauses = GcPauses(self._registry)
        pauses.start()
        _keep_collector_off_long_lived_objects()
        code = FAILED
        try:
            async with TaskGroup() as tasks:
                serving = tasks.create_task(web.serve(sockets=list(self._sockets)), name="rest")
                others = self._background(node, tasks)
                await stop.wait()
                _log.info("stopping")
                await _stop(web, serving, node, others)
        except* Exception as failures:  # noqa: BLE001 - whatever it is, it ends the process
            for failure in failures.exceptions:
                _log.critical("this node stops: %s", failure, exc_info=failure)
        else:
            code = STOPPED
        finally:
            pauses.stop()
        _log.info("stopped")
        return code

    def _web(self, node: Node) -> WebServer:
        options = rest_options(self._settings, version("kvorum"))
        register_process_metrics(self._registry, version=version("kvorum"))
        observer = RestMetrics(self._registry)
        rest = create_app(node.service, options, registry=self._registry, observer=observer)
        return web_server(rest, connections_max=allow_descriptors())

    def _background(self, node: Node, tasks: TaskGroup) -> list[Task[None]]:
        return [
            tasks.create_task(node.driver.run(), name="driver"),
            tasks.create_task(node.transport.run(), name="transport"),
            tasks.create_task(node.report_readiness(), name="readiness"),
            tasks.create_task(LoopLag(self._registry).run(), name="loop lag"),
        ]


async def _stop(web: WebServer, serving: Task[None], node: Node, others: list[Task[None]]) -> None:
    """Clients first, so that their requests end; then peers; then the core."""
    web.should_exit = True
    await asyncio.wait([serving], timeout=_PATIENCE_S)
    node.give_up_requests()  # those left are told what is known, before the server cuts them off
    await serving
    await node.transport.stop()
    for task in others:
        task.cancel()


def _keep_collector_off_long_lived_objects() -> None:
    """What exists now lives until the end: looking at it again would only cost pauses."""
    gc.collect()
    gc.freeze()
