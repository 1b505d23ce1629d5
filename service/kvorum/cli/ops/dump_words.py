"""The lines of `kvorum wal-dump`, but for entries."""

from pathlib import Path

from kvorum.cli.ops.log_words import membership_fields
from kvorum.cli.sizes import size_text
from kvorum.raft.types import HardState, Index
from kvorum.storage.identity import FormerIdentity, Identity
from kvorum.storage.inspection import (
    Damage,
    FoundRecord,
    FoundSegment,
    FoundSnapshot,
    Verdict,
)
from kvorum.storage.record import Batch

Line = tuple[dict[str, object], list[str]]
"""One thing that was found: for programs, and for people."""


def directory_line(path: Path, identity: Identity | FormerIdentity | None, trouble: str) -> Line:
    fields: dict[str, object] = {"found": "directory", "path": str(path)}
    if identity is None:
        return fields | {"trouble": trouble}, [f"{path}: {trouble}"]
    lines = [
        f"{path}",
        f"  node       {identity.node_id}",
        f"  cluster    {identity.cluster_id}, formed by {_listed(identity.members)}",
    ]
    if isinstance(identity, Identity):
        lines.insert(2, f"  member     {identity.member_id}, directory {identity.uid}")
        fields |= {"member": identity.member_id, "uid": identity.uid}
        if identity.restoring or identity.rescue:
            what = "a restore" if identity.restoring else "a rescue"
            lines.append(f"  unfinished {what} was begun here, and not completed")
            fields["unfinished"] = what
    named = {"node": identity.node_id, "cluster": identity.cluster_id, "members": identity.members}
    return fields | named, lines


def _listed(members: tuple[str, ...]) -> str:
    return ", ".join(members) or "others (this node joined, was restored or recovered)"


def snapshot_line(snapshot: FoundSnapshot) -> Line:
    fields: dict[str, object] = {
        "found": "snapshot",
        "path": str(snapshot.path),
        "bytes": snapshot.size_bytes,
        "sound": not snapshot.damage,
    }
    lines = [f"snapshot {snapshot.path.name}, {size_text(snapshot.size_bytes)}"]
    head = snapshot.head
    if head is not None:
        fields |= {
            "index": head.last.index,
            "term": head.last.term,
            "cluster": head.cluster_id,
            "membership": membership_fields(head.membership),
            "blocks": snapshot.blocks,
        }
        lines.append(f"  covers entry {head.last.index} of term {head.last.term} and all before it")
        lines.append(f"  {head.membership.describe()}")
    if snapshot.damage:
        fields["damage"] = snapshot.damage
        lines.append(f"  DAMAGED {snapshot.damage}")
    else:
        lines.append(f"  sound: {snapshot.blocks} blocks")
    return fields, lines


def segment_line(segment: FoundSegment) -> Line:
    fields: dict[str, object] = {
        "found": "segment",
        "path": str(segment.path),
        "bytes": segment.size_bytes,
        "first": segment.first,
        "following": segment.following,
    }
    then = "the newest" if segment.following is None else f"full; then record {segment.following}"
    text = (
        f"segment {segment.path.name}, {size_text(segment.size_bytes)}, from record "
        f"{segment.first}, {then}"
    )
    return fields, [text]


def record_line(record: FoundRecord, log_end: int) -> Line:
    """``log_end``: the last entry that was stored before it."""
    batch = record.batch
    fields: dict[str, object] = {
        "found": "record",
        "sequence": record.sequence,
        "offset": record.offset,
        "bytes": record.size_bytes,
        "entries": len(batch.entries),
    }
    words = [_entries(len(batch.entries))] if batch.entries else []
    if batch.hard_state is not None:
        fields["hardState"] = batch.hard_state
        words.append(_state(batch.hard_state))
    if batch.base is not None:
        fields["base"] = {"term": batch.base.term, "index": batch.base.index}
        words.append(f"begins behind a snapshot of entry {batch.base.index}")
    replaces = _replaced(batch, log_end)
    if replaces:
        fields["replacesFrom"] = replaces
        words.append(f"replaces entries {replaces} to {log_end}")
    head = f"  record {record.sequence} at byte {record.offset}, {record.size_bytes} bytes"
    return fields, [f"{head}: {'; '.join(words) or 'empty'}"]


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"


def _state(state: HardState) -> str:
    vote = f"voted for {state.vote}" if state.vote else "no vote"
    return f"term {state.term}, {vote}, committed up to {state.commit}"


def _replaced(batch: Batch, log_end: int) -> Index | None:
    if not batch.entries or batch.entries[0].index > log_end or batch.base is not None:
        return None
    return batch.entries[0].index


def damage_line(damage: Damage) -> Line:
    fields: dict[str, object] = {
        "found": "damage",
        "path": str(damage.path),
        "offset": damage.offset,
        "reason": damage.reason,
    }
    return fields, [f"  DAMAGED {damage.path.name} at byte {damage.offset}: {damage.reason}"]


def verdict_line(verdict: Verdict) -> Line:
    """What a start would make of it."""
    fields: dict[str, object] = {"found": "verdict", "starts": verdict.recovered is not None}
    recovered = verdict.recovered
    if recovered is None:
        return fields | {"reason": verdict.refusal}, [
            f"a node would not start from it: {verdict.refusal}"
        ]
    last = recovered.entries[-1].id if recovered.entries else recovered.base
    fields |= {
        "warnings": recovered.warnings,
        "snapshotIndex": recovered.base.index,
        "lastIndex": last.index,
        "lastTerm": last.term,
        "hardState": recovered.hard_state,
    }
    told = f"{_entries(len(recovered.entries))}"
    if recovered.base.index:
        told = f"the snapshot of entry {recovered.base.index} and {told} behind it"
    return fields, [
        *(f"a start would warn: {warning}" for warning in recovered.warnings),
        f"a node would start from {told}, up to entry {last.index} of term {last.term}",
        f"  {_state(recovered.hard_state)}",
    ]
