"""A node as a process: start, serve until told to stop, stop in order."""

import asyncio
import gc
import logging
import secrets
import signal
import socket
import sys
from asyncio import Event, Task, TaskGroup
from collections.abc import Iterator, Sequence
from contextlib import closing
from importlib.metadata import version
from typing import TYPE_CHECKING

import uvloop
from prometheus_client import CollectorRegistry, disable_created_metrics

from kvorum.app.disk import DiskWatch
from kvorum.app.identity import bootstrap_cluster_id
from kvorum.app.node import Node
from kvorum.app.options import node_options, rest_options, transport_options
from kvorum.app.tracing import open_tracing
from kvorum.app.web import WebServer, allow_descriptors, bind, web_server
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.loading import Origin, load_state, origin_of
from kvorum.rest.app import create_app
from kvorum.rest.direct import Direct
from kvorum.rest.tracing import TracedApp
from kvorum.settings import Settings, split_address
from kvorum.storage.data_dir import DataDirectory
from kvorum.storage.fs import OsFileSystem
from kvorum.storage.opening import Storage, open_storage
from kvorum.storage.worker import ThreadWorker
from kvorum.telemetry.metrics import ServiceMetrics
from kvorum.transport.introduction import Assignment

if TYPE_CHECKING:
    from kvorum.telemetry.tracing import Tracing

_log = logging.getLogger("kvorum.node")

STOPPED, FAILED = 0, 1

_PATIENCE_S = 0.5
"""How long requests may go on after a signal to stop."""

_UID_BYTES = 8

_MIDDLE_COLLECTIONS_PER_FULL = 1000
"""Of the garbage collector: about seven million objects more than were freed."""

_SWITCH_INTERVAL_S = 0.0005
"""How long the event loop may hold the interpreter while the log's thread, its sync done,
waits to say so. The interpreter's 5 ms would be many syncs long."""


def run(settings: Settings) -> int:
    """Run one node until SIGTERM or SIGINT; the process's exit code.

    A new node that the cluster knows under another id than its address begins again as that
    one; so does one that was removed and whose address was added anew. Raises
    :class:`~kvorum.errors.StartError` if the node must not start.
    """
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    # Otherwise every counter has a second series, with the time when it was made.
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the package's own omission
    while True:
        code, assignment = _run_once(settings)
        if assignment is None:
            return code
        _log.info(
            "joining the cluster",
            extra={"member": assignment.member_id, "cluster": assignment.cluster_id},
        )


def _run_once(settings: Settings) -> tuple[int, Assignment | None]:
    sockets = bind(*split_address(settings.rest_address))
    try:
        with closing(_open_directory(settings)) as directory:
            process = _Process(settings, directory, sockets)
            code = uvloop.run(process.run())
            if process.assignment is not None:
                _take_up(directory, process.assignment, settings)
            return code, None if process.is_told_to_stop else process.assignment
    finally:
        for listening in sockets:
            listening.close()


def _take_up(directory: DataDirectory, assignment: Assignment, settings: Settings) -> None:
    """The directory becomes that of the member which the cluster knows this node as."""
    if not assignment.begins_anew:
        directory.adopt(assignment.member_id, assignment.cluster_id)
        return
    former = directory.identity.member_id
    directory.begin_anew(assignment.member_id, _new_uid(), segment_bytes=settings.wal_segment_bytes)
    _log.warning(
        "this node was removed from the cluster and added anew: it begins anew, and what it had "
        "is put aside",
        extra={"member": assignment.member_id, "former": former, "aside": f"former-{former}"},
    )


def _new_uid() -> str:
    return secrets.token_hex(_UID_BYTES)


def _open_directory(settings: Settings) -> DataDirectory:
    return DataDirectory.open(
        OsFileSystem(),
        settings.data_dir,
        node_id=settings.self_id,
        address=settings.self_address,
        cluster_id=bootstrap_cluster_id(settings.members),
        members=settings.members,
        uid=_new_uid(),
        segment_bytes=settings.wal_segment_bytes,
    )


class _Process:
    """What lives as long as the event loop."""

    def __init__(
        self, settings: Settings, directory: DataDirectory, sockets: Sequence[socket.socket]
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._identity = directory.identity
        self._sockets = sockets
        self._registry = CollectorRegistry()
        self._metrics = ServiceMetrics(self._registry, version=version("kvorum"))
        self._tracing: Tracing | None = None
        self._stop = Event()
        self.assignment: Assignment | None = None  # under which this node has to begin again
        self.is_told_to_stop = False  # and must not

    async def run(self) -> int:
        self._tracing = open_tracing(self._settings, version("kvorum"), self._metrics.spans)
        workers = ThreadWorker("log"), ThreadWorker("snapshots")
        try:
            storage = await self._open_storage(*workers)
            try:
                return await self._run_node(storage)
            finally:
                await storage.close()
        finally:
            for worker in workers:
                await worker.close()
            if self._tracing is not None:
                await asyncio.to_thread(self._tracing.close)

    async def _open_storage(
        self, log_worker: ThreadWorker, snapshot_worker: ThreadWorker
    ) -> Storage[StateMachine]:
        return await open_storage(
            OsFileSystem(),
            self._directory,
            load_state,
            log_worker=log_worker,
            snapshot_worker=snapshot_worker,
            segment_bytes=self._settings.wal_segment_bytes,
            observe=self._metrics.disk.synced,
        )

    async def _run_node(self, storage: Storage[StateMachine]) -> int:
        for warning in storage.warnings:
            _log.warning(warning)
        if self._identity.members not in ((), self._settings.members):
            _log.info(
                "OTHER_NODES is not what this node first started with: the members of the cluster "
                "are those in its log (kvorum member list)"
            )
        recovered, loaded = storage.recovered, None
        if storage.snapshot is not None and storage.state is not None:
            loaded = storage.snapshot, storage.state
        origin = origin_of(self._identity.members, loaded, recovered.hard_state, recovered.entries)
        node = Node(
            node_options(self._settings, self._identity),
            origin,
            transport_options(self._settings, self._identity, origin.membership.members),
            log=storage.log,
            snapshots=storage.snapshots,
            metrics=self._metrics,
            assigned=self._on_assigned,
            spans=self._tracing,
        )
        watch = DiskWatch(self._directory, storage.log, storage.snapshots)
        self._metrics.disk.sample_from(watch.sample)
        await node.transport.start()
        self._tell_start(origin)
        return await self._serve(node)

    def _on_assigned(self, assignment: Assignment) -> None:
        self.assignment = assignment
        self._stop.set()

    def _on_signal(self) -> None:
        self.is_told_to_stop = True
        self._stop.set()

    def _tell_start(self, origin: Origin) -> None:
        _log.info(
            "started",
            extra={
                "node_id": self._identity.node_id,
                "member": self._identity.member_id,
                "cluster": self._identity.cluster_id,
                "rest": self._settings.rest_address,
                "term": origin.hard_state.term,
                "snapshot": origin.base.index,
                "entries": len(origin.entries),
            },
        )

    async def _serve(self, node: Node) -> int:
        """Until a signal, or until a part fails: then the others are cancelled."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        web = self._web(node)
        pauses = self._metrics.gc_pauses
        pauses.start()
        _keep_collector_off_long_lived_objects()
        code = FAILED
        try:
            async with TaskGroup() as tasks:
                serving = tasks.create_task(web.serve(sockets=list(self._sockets)), name="rest")
                others = self._background(node, tasks)
                await self._stop.wait()
                _log.info("stopping")
                await _stop(web, serving, node, others)
        except* Exception as failures:  # noqa: BLE001 - whatever it is, it ends the process
            for failure in _causes(failures):
                _log.critical("this node stops: %s", failure, exc_info=failure)
        else:
            code = STOPPED
        finally:
            pauses.stop()
        _log.info("stopped")
        return code

    def _web(self, node: Node) -> WebServer:
        options = rest_options(self._settings, version("kvorum"))
        observer = self._metrics.rest
        rest = create_app(node.service, options, registry=self._registry, observer=observer)
        if self._tracing is not None:
            rest = TracedApp(rest, self._tracing)
        call_soon = asyncio.get_running_loop().call_soon
        direct = Direct(node.service, options, observer, call_soon, self._tracing)
        return web_server(rest, connections_max=allow_descriptors(), direct=direct)

    def _background(self, node: Node, tasks: TaskGroup) -> list[Task[None]]:
        return [
            tasks.create_task(node.member.run(), name="member"),
            tasks.create_task(node.transport.run(), name="transport"),
            tasks.create_task(node.report_readiness(), name="readiness"),
            tasks.create_task(self._metrics.loop_lag.run(), name="loop lag"),
        ]


def _causes(failures: ExceptionGroup[Exception]) -> Iterator[Exception]:
    """Those at the bottom of groups within groups: they say what happened."""
    for failure in failures.exceptions:
        if isinstance(failure, ExceptionGroup):
            yield from _causes(failure)
        else:
            yield failure


async def _stop(web: WebServer, serving: Task[None], node: Node, others: list[Task[None]]) -> None:
    """Not ready any more, and watches end: they can go on elsewhere, and would last for ever.

    Then leadership, so that nobody waits for it; then clients, peers, and the core.
    """
    node.announce_stop()
    await node.hand_over()
    web.should_exit = True
    await asyncio.wait([serving], timeout=_PATIENCE_S)
    node.give_up_requests()  # those left are told what is known, before the server cuts them off
    await serving
    await node.transport.stop()
    for task in others:
        task.cancel()


def _keep_collector_off_long_lived_objects() -> None:
    """What exists now lives until the end: looking at it again would only cost pauses.

    Full collections come seldom from here on: with thousands of connections each takes long
    enough to cost a leader its office. Cycles that live briefly go with the younger ones.
    """
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, _MIDDLE_COLLECTIONS_PER_FULL)
