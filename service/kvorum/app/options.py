"""Settings into the options of each part."""

import secrets

from kvorum.node.options import INCARNATION_BITS, NodeOptions
from kvorum.raft.types import NodeId
from kvorum.rest.options import RestOptions
from kvorum.settings import Settings
from kvorum.storage.data_dir import Identity
from kvorum.transport.options import TransportOptions

_TICKS_PER_HEARTBEAT = 10


def node_options(settings: Settings, identity: Identity) -> NodeOptions:
    tick_ms = max(1.0, settings.broadcast_time_ms / _TICKS_PER_HEARTBEAT)
    return NodeOptions(
        node_id=settings.self_id,
        cluster_id=identity.cluster_id,
        member=NodeId(identity.member_id),
        uid=identity.uid,
        incarnation=secrets.randbits(INCARNATION_BITS),
        internal_key=settings.executed_commands_key.encode(),
        tick_s=tick_ms / 1000,
        heartbeat_ticks=round(settings.broadcast_time_ms / tick_ms),
        election_ticks_min=round(settings.min_election_timeout_ms / tick_ms),
        election_ticks_max=round(settings.max_election_timeout_ms / tick_ms),
        request_timeout_s=settings.request_timeout_ms / 1000,
        pending_writes_max=settings.pending_writes_max,
        pending_bytes_max=settings.pending_bytes_max,
        pending_reads_max=settings.pending_reads_max,
        outcomes_count_max=settings.outcomes_count_max,
        outcomes_age_s_max=settings.outcomes_age_s_max,
        history_revisions_max=settings.history_revisions_max,
        history_age_s_max=settings.history_age_s_max,
        history_bytes_max=settings.history_bytes_max,
        quota_bytes=settings.quota_bytes,
        lease_checkpoint_s=settings.lease_checkpoint_ms / 1000,
        watchers_max=settings.watchers_max,
        watch_buffer_events_max=settings.watch_buffer_events_max,
        key_bytes_max=settings.key_bytes_max,
        value_bytes_max=settings.value_bytes_max,
        snapshot_entries=settings.snapshot_entries,
        snapshot_bytes=settings.snapshot_bytes,
        snapshot_keep_entries=settings.snapshot_keep_entries,
        state_check_interval_s=settings.state_check_interval_s,
    )


def transport_options(
    settings: Settings, identity: Identity, members: tuple[NodeId, ...]
) -> TransportOptions:
    """``members``: those of the membership that the node starts with."""
    return TransportOptions(
        self_address=settings.self_address,
        listen_address=settings.listen_address,
        node_id=settings.self_id,
        member_id=NodeId(identity.member_id),
        uid=identity.uid,
        cluster_id=identity.cluster_id,
        members=members,
        executed_commands_key=settings.executed_commands_key,
        watch_streams_max=settings.watchers_max,
    )


def rest_options(settings: Settings, version: str) -> RestOptions:
    return RestOptions(
        version=version,
        key_bytes_max=settings.key_bytes_max,
        value_bytes_max=settings.value_bytes_max,
    )
