"""The gRPC server: the protocol, clients' watches, health (``grpc.health.v1``), reflection.

``""`` is SERVING while the process is up. The other services are SERVING while the
node says that it is ready; all are NOT_SERVING once it stops.
"""

import asyncio
import errno
import os
import socket
from typing import Any

import grpc
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from kvorum.errors import StartError
from kvorum.transport.call_counter import CallCounter
from kvorum.transport.observer import CallObserver
from kvorum.transport.options import TransportOptions, server_arguments
from kvorum.transport.pb import raft_pb2 as pb
from kvorum.transport.reception import Reception
from kvorum.transport.unary import UnaryService
from kvorum.transport.watch_service import WATCH_SERVICE, WatchService

RAFT_SERVICE = pb.DESCRIPTOR.services_by_name["RaftService"].full_name

_SERVICES = (RAFT_SERVICE, WATCH_SERVICE)
_STATUS = health_pb2.HealthCheckResponse


def _peer_handlers(reception: Reception, unary: UnaryService) -> grpc.GenericRpcHandler:
    """Handlers of raw bytes: what cannot be parsed gets our answer, not a traceback."""
    return grpc.method_handlers_generic_handler(
        RAFT_SERVICE,
        {
            "Stream": grpc.stream_stream_rpc_method_handler(reception.stream),
            "RequestForVote": grpc.unary_unary_rpc_method_handler(unary.request_for_vote),
            "AppendEntries": grpc.unary_unary_rpc_method_handler(unary.append_entries),
        },
    )


def _watch_handlers(watches: WatchService) -> grpc.GenericRpcHandler:
    return grpc.method_handlers_generic_handler(
        WATCH_SERVICE, {"Watch": grpc.unary_stream_rpc_method_handler(watches.watch)}
    )


class PeerServer:
    """Binds, serves and stops. Must be created inside a running event loop."""

    def __init__(
        self,
        options: TransportOptions,
        reception: Reception,
        unary: UnaryService,
        watches: WatchService,
        calls: CallObserver,
    ) -> None:
        self._options = options
        self._reception = reception
        self._watches = watches
        self._health = health.aio.HealthServicer()
        self._ready = False
        self._ready_changed = asyncio.Event()
        self._server = aio.server(
            options=server_arguments(options),
            maximum_concurrent_rpcs=options.rpcs_max,
            interceptors=(CallCounter(calls),),
        )
        self._server.add_generic_rpc_handlers(
            (_peer_handlers(reception, unary), _watch_handlers(watches))
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            (*_SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server
        )

    async def start(self) -> int:
        """Bind and serve; the port. Raises StartError if the address cannot be had."""
        address = self._options.listen_address
        await check_free(address)
        try:
            port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise StartError(f"cannot listen on {address} for peers: {error}") from error
        await self._publish(is_serving=False)
        await self._server.start()
        return port

    def set_ready(self, ready: bool) -> None:
        if ready != self._ready:
            self._ready = ready
            self._ready_changed.set()

    async def report_health(self) -> None:
        """Publish what ``set_ready`` is told; runs until it is cancelled."""
        while True:
            await self._ready_changed.wait()
            self._ready_changed.clear()
            await self._publish(is_serving=self._ready)

    async def _publish(self, *, is_serving: bool) -> None:
        status = _STATUS.SERVING if is_serving else _STATUS.NOT_SERVING
        for service in _SERVICES:
            await self._health.set(service, status)

    async def stop(self) -> None:
        """Say NOT_SERVING, end the streams, then close; idempotent."""
        await self._health.enter_graceful_shutdown()
        self._reception.close()
        await self._server.stop(self._options.stop_grace_ms / 1000)


async def check_free(address: str) -> None:
    """Raise StartError, saying why, if ``address`` cannot be bound.

    gRPC is content if it gets one of the addresses that a name stands for, and says
    no more than "failed" otherwise. A second process on one port must be refused
    even if only its IPv4 half is taken.
    """
    try:
        found = await _resolve(address)
    except (OSError, ValueError) as error:
        raise StartError(
            f"cannot listen on {address} for peers: {error}; set LISTEN_ADDRESS (by default "
            "SELF_ADDRESS) to an address of this machine, for instance 0.0.0.0:8001"
        ) from error
    results = [_bind_error(family, where) for family, where in found]
    failures = [result for result in results if result is not None]
    for failure in failures:
        if failure.errno == errno.EADDRINUSE:
            raise StartError(
                f"SELF_ADDRESS {address} is already in use: is this node running already? "
                "Stop the other process, or change SELF_ADDRESS (or LISTEN_ADDRESS)"
            ) from failure
    if len(failures) == len(found):
        raise StartError(
            f"cannot listen on {address} for peers: {os.strerror(failures[0].errno or 0)}; set "
            "LISTEN_ADDRESS (by default SELF_ADDRESS) to an address of this machine"
        ) from failures[0]


async def _resolve(address: str) -> list[tuple[int, tuple[Any, ...]]]:
    """Family and socket address of everything that gRPC would bind for ``address``."""
    host, _, port = address.rpartition(":")
    # gRPC takes localhost for both loopback addresses, whatever /etc/hosts says.
    hosts = ("127.0.0.1", "::1") if host == "localhost" else (host.strip("[]"),)
    loop = asyncio.get_running_loop()
    return [
        (family, where)
        for each in hosts
        for family, *_, where in await loop.getaddrinfo(
            each or None, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    ]


def _bind_error(family: int, where: tuple[Any, ...]) -> OSError | None:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(where)
    except OSError as error:
        return error
    return None
