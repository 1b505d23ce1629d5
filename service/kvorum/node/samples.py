"""Where a member stands at the moment of a scrape."""

from collections.abc import Callable

import msgspec

from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.leader_view import active_voters, quorum_margin, replication_sample
from kvorum.node.member import Member
from kvorum.telemetry.metrics import MemberMetrics
from kvorum.telemetry.node_metrics import NodeSample
from kvorum.telemetry.replication_metrics import ReplicationSample
from kvorum.telemetry.store_metrics import BackupSample, StoreSample

BACKUP_KEY = b"_backups/last"
"""An ordinary key, where whoever makes backups notes the last one."""

_backup_decoder = msgspec.json.Decoder(BackupSample)


def show_member(member: Member, metrics: MemberMetrics, name_of: Callable[[str], str]) -> None:
    """Let a scrape read what ``member`` knows; ``name_of``: SELF_ID of a member, or its id."""

    def replication() -> ReplicationSample:
        return replication_sample(member.core.state, name_of)

    metrics.node.sample_from(lambda: _node_sample(member, name_of))
    metrics.store.sample_from(lambda: _store_sample(member))
    metrics.replication.sample_from(replication)


def _node_sample(member: Member, name_of: Callable[[str], str]) -> NodeSample:
    state, leadership = member.core.state, member.leadership
    membership, leader = member.core.membership, leadership.leader
    return NodeSample(
        term=state.term,
        commit_index=state.log.commit,
        applied_index=member.machine.applied_index,
        first_index=state.log.first_index,
        last_index=state.log.last_index,
        leader="" if leader is None else name_of(leader),
        is_leader=leadership.is_leader,
        is_learner=state.node in membership.learners,
        has_leader=leader is not None,
        is_serving=member.fence.reason is None,
        voters=len(membership.voters),
        learners=len(membership.learners),
        active_voters=active_voters(state),
        quorum_margin=quorum_margin(state),
        proposals_pending=member.proposals.pending,
        reads_pending=member.reads.pending,
    )


def _store_sample(member: Member) -> StoreSample:
    machine = member.machine
    return StoreSample(
        keys=machine.key_count,
        store_bytes=machine.size_bytes,
        revision=machine.revision,
        outcomes=machine.outcome_count,
        store_is_full=machine.is_full,
        store_quota_bytes=member.options.quota_bytes,
        leases=machine.lease_count,
        compacted_revision=machine.compacted_revision,
        history_revisions=machine.history_revisions,
        history_bytes=machine.history_bytes,
        backup=last_backup(machine),
    )


def last_backup(machine: StateMachine) -> BackupSample | None:
    """None without one, and for what is no such note: any client may write there."""
    record = machine.get(BACKUP_KEY)
    if record is None or record.content_type:
        return None
    try:
        return _backup_decoder.decode(record.value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # the last: nested too deep
        return None
