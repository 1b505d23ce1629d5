"""What a transport has to know, and its limits."""

from msgspec import Struct

from kvorum.raft.types import NodeId

PROTOCOL_VERSION = 2
"""Raised by a change of ``proto/raft.proto`` that an older node would misunderstand."""

Number = int | str
ChannelArgument = tuple[str, Number]


class TransportOptions(Struct, frozen=True, kw_only=True):
    """Identity, addresses and limits of one node's transport.

    ``node_id`` is SELF_ID, for people; ``member_id`` this node's id in the log; ``uid`` as
    old as its data directory. ``members`` are the first members, this node included, or
    nobody if it was told to join: ``Transport.set_members`` tells of others.
    A message that is larger than ``message_bytes_max`` is dropped, because the
    receiver would refuse it; one that is larger than ``frame_bytes_max`` travels
    alone. ``queue_*`` bound what waits for one connected peer; ``guests_max`` those callers
    of which this node, being behind, does not know whether they are members; ``watch_streams_max``
    clients that watch, beyond the ``concurrent_rpcs_max`` other calls. Whoever left is served
    for another ``leave_grace_ms``.
    """

    self_address: str
    listen_address: str
    node_id: str
    member_id: NodeId
    uid: str
    cluster_id: str
    members: tuple[NodeId, ...]
    executed_commands_key: str

    message_bytes_max: int = 16 << 20
    frame_bytes_max: int = 1 << 20
    queue_messages_max: int = 4096
    queue_bytes_max: int = 32 << 20
    concurrent_rpcs_max: int = 256
    watch_streams_max: int = 20_000
    unary_calls_max: int = 64
    guests_max: int = 16

    handshake_timeout_ms: int = 2000
    reconnect_min_ms: int = 50
    reconnect_max_ms: int = 1000
    refused_retry_ms: int = 2000
    keepalive_interval_ms: int = 1000
    keepalive_timeout_ms: int = 3000
    unary_timeout_ms: int = 2000
    stop_grace_ms: int = 200
    leave_grace_ms: int = 1000
    sweep_interval_ms: int = 200

    @property
    def rpcs_max(self) -> int:
        """Calls of everybody at once."""
        return self.concurrent_rpcs_max + self.watch_streams_max


def _common_arguments(options: TransportOptions) -> list[ChannelArgument]:
    return [
        ("grpc.max_send_message_length", options.message_bytes_max),
        ("grpc.max_receive_message_length", options.message_bytes_max),
        ("grpc.keepalive_time_ms", options.keepalive_interval_ms),
        ("grpc.keepalive_timeout_ms", options.keepalive_timeout_ms),
        # Otherwise gRPC waits a minute for the answer to a ping.
        ("grpc.http2.ping_timeout_ms", options.keepalive_timeout_ms),
        ("grpc.keepalive_permit_without_calls", 1),
        # gRPC would stop pinging a silent peer after two pings without data.
        ("grpc.http2.max_pings_without_data", 0),
    ]


def client_arguments(options: TransportOptions) -> list[ChannelArgument]:
    """Channel arguments of a link: one connection attempt, of its own, without detours."""
    return [
        *_common_arguments(options),
        # Peers are dialled directly, whatever http_proxy says.
        ("grpc.enable_http_proxy", 0),
        # No shared connection, hence no shared back-off: the link has its own.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_retries", 0),
        # No TXT look-ups for a service configuration that nobody publishes.
        ("grpc.service_config_disable_resolution", 1),
    ]


def server_arguments(options: TransportOptions) -> list[ChannelArgument]:
    """Server arguments: one process per port, and peers that ping often are welcome."""
    return [
        *_common_arguments(options),
        ("grpc.so_reuseport", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", options.keepalive_interval_ms // 2),
        ("grpc.http2.max_ping_strikes", 0),
        # All clients of a node that died come at once; gRPC would turn them away at random.
        ("grpc.server.max_pending_requests", options.rpcs_max),
        ("grpc.server.max_pending_requests_hard_limit", options.rpcs_max),
    ]
