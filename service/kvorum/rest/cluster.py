"""``/cluster/…``: where a node stands, and its log."""

from collections.abc import Iterator

import msgspec
from msgspec import UNSET, UnsetType

from kvorum.mvcc.command import Command
from kvorum.node.service import KvService
from kvorum.node.views import ClusterInfo, LogEntry, LogPage, StoreInfo
from kvorum.raft.membership import Membership
from kvorum.rest.answer import Answer
from kvorum.rest.log_commands import log_command
from kvorum.rest.schemas import (
    ClusterInfoAnswer,
    ClusterLogAnswer,
    LogItem,
    LogMembership,
    NodeInfo,
    Peer,
    StoreItem,
)

LOG_LIMIT_MAX = 1000
LOG_LIMIT = 100

_ITEM_BYTES = 200  # names and numbers around an item's key and values, roughly
_encode = msgspec.json.Encoder().encode


def info_answer(service: KvService) -> Answer:
    """The contract's fields and a few more."""
    leadership = service.leadership()
    body = ClusterInfoAnswer(
        is_leader=leadership.is_leader,
        leader_id=leadership.leader_id,
        info=_node_info(service.cluster_info(), leads=leadership.is_leader),
        store=_store(service.store_info()),
    )
    return Answer(200, _encode(body))


def log_answer(service: KvService, *, first_index: int, limit: int, bytes_max: int) -> Answer:
    """One page of the log, one item per command, from the first entry that is there.

    ``limit`` counts entries. A page ends early, but after one entry at least, once
    it has about ``bytes_max`` bytes.
    """
    leadership = service.leadership()
    page = service.cluster_log(first_index, limit)
    items, next_from = _items(page, bytes_max)
    body = ClusterLogAnswer(
        is_leader=leadership.is_leader,
        leader_id=leadership.leader_id,
        entries=items,
        first_index=page.first_index,
        last_index=page.last_index,
        next_from=next_from,
    )
    return Answer(200, _encode(body))


def _node_info(info: ClusterInfo, *, leads: bool) -> NodeInfo:
    next_index, match_index = _progress(info) if leads else ([], [])
    return NodeInfo(
        node_id=info.node_id,
        cluster_id=info.cluster_id,
        role=info.role,
        current_term=info.current_term,
        commit_index=info.commit_index,
        last_applied=info.last_applied,
        last_index=info.last_index,
        revision=info.revision,
        next_index=next_index,
        match_index=match_index,
        members=list(info.members),
        peers=[
            Peer(node=peer.node, next_index=peer.next_index, match_index=peer.match_index)
            for peer in info.peers
        ],
    )


def _store(store: StoreInfo) -> StoreItem:
    return StoreItem(
        keys=store.keys,
        size_bytes=store.size_bytes,
        quota_bytes=store.quota_bytes,
        is_full=store.is_full,
        revision=store.revision,
        compacted_revision=store.compacted_revision,
        history_revisions=store.history_revisions,
        history_bytes=store.history_bytes,
        leases=store.leases,
        watchers=store.watchers,
    )


def _progress(info: ClusterInfo) -> tuple[list[int], list[int]]:
    """Next and match index of every member, in order; the leader's own is its last entry."""
    peers = {peer.address: peer for peer in info.peers}
    next_index, match_index = [], []
    for member in info.members:
        peer = peers.get(member)
        next_index.append(peer.next_index if peer else info.last_index + 1)
        match_index.append(peer.match_index if peer else info.last_index)
    return next_index, match_index


def _items(page: LogPage, bytes_max: int) -> tuple[list[LogItem], int | None]:
    items: list[LogItem] = []
    size = 0
    for entry in page.entries:
        if items and size >= bytes_max:
            return items, entry.index
        for item in _entry_items(entry):
            items.append(item)
            size += _size(item)
    return items, page.next_index


def _entry_items(entry: LogEntry) -> Iterator[LogItem]:
    commands: tuple[Command | None, ...] = entry.commands or (None,)
    for command in commands:
        yield LogItem(
            index=entry.index,
            term=entry.term,
            committed=entry.committed,
            command=None if command is None else log_command(command),
            membership=_log_membership(entry.membership),
        )


def _log_membership(membership: Membership | None) -> LogMembership | UnsetType:
    if membership is None:
        return UNSET
    return LogMembership(
        voters=list(membership.voters),
        outgoing=list(membership.outgoing),
        learners=list(membership.learners),
        heirs=list(membership.heirs),
    )


def _size(item: LogItem) -> int:
    command = item.command
    if command is None:
        return _ITEM_BYTES
    values = len(bytes(command.old_value)) + len(bytes(command.new_value))
    return _ITEM_BYTES + len(command.key) + values
