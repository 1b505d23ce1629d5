"""How a node comes up from a simulated disk: by what the process itself does."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from kvorum.app.identity import bootstrap_cluster_id
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.loading import Origin, load_state, origin_of
from kvorum.raft.types import ORIGIN
from kvorum.storage.data_dir import DataDirectory, Identity
from kvorum.storage.opening import Storage, open_storage
from kvorum.storage.recovery import recover
from kvorum.storage.snapshot_files import SnapshotFiles
from kvorum.testing.checks import Durable
from kvorum.testing.sim_disk import SimulatedDisk
from kvorum.testing.virtual_time import Gate
from kvorum.transport.introduction import Assignment

DATA = Path("/data")
WAL, SNAPSHOTS = DATA / "wal", DATA / "snapshots"
SEGMENT_BYTES = 8 << 10
"""Small, so that segments are made and released all the time."""


class Tenant(Struct, frozen=True):
    """Who is to live on a machine: its settings, and the id it was given, if it was.

    ``members`` are those that it would form a cluster with, from its settings; all founders
    have the same.
    """

    name: str
    uid: str
    members: Sequence[str]
    is_founder: bool
    assigned: Assignment | None = None


class Booted(Struct, frozen=True):
    """What a node starts from, and the disk's parts that it goes on with."""

    identity: Identity
    origin: Origin
    storage: Storage[StateMachine]
    durable: Durable


async def boot(disk: SimulatedDisk, gate: Gate, tenant: Tenant) -> Booted:
    """Raises :class:`~kvorum.errors.StartError` or ``OSError`` if the node must not start."""
    fs = disk.boot()
    directory = DataDirectory.open(
        fs,
        DATA,
        node_id=tenant.name,
        address=tenant.name,
        cluster_id=bootstrap_cluster_id(tenant.members),
        members=tenant.members,
        uid=tenant.uid,
        segment_bytes=SEGMENT_BYTES,
    )
    assigned = tenant.assigned
    if assigned is not None and directory.identity.member_id != assigned.member_id:
        if assigned.begins_anew:
            directory.begin_anew(assigned.member_id, tenant.uid, segment_bytes=SEGMENT_BYTES)
        else:
            directory.adopt(assigned.member_id, assigned.cluster_id)
    storage = await open_storage(
        fs,
        directory,
        load_state,
        log_worker=disk.worker(gate),
        snapshot_worker=disk.worker(gate),
        segment_bytes=SEGMENT_BYTES,
    )
    recovered, loaded = storage.recovered, None
    if storage.snapshot is not None and storage.state is not None:
        loaded = storage.snapshot, storage.state
    origin = origin_of(directory.identity.members, loaded, recovered.hard_state, recovered.entries)
    terms = [entry.term for entry in recovered.entries]
    durable = Durable(recovered.hard_state, origin.base, terms)
    return Booted(directory.identity, origin, storage, durable)


def durable_on(disk: SimulatedDisk, cluster_id: str) -> Durable:
    """What would be found if the power went now and nothing unsynced were kept."""
    fs = disk.durable()
    kept = SnapshotFiles(fs, SNAPSHOTS, cluster_id).kept
    found = recover(fs, WAL, kept[-1].last if kept else ORIGIN)
    return Durable(found.hard_state, found.base, [entry.term for entry in found.entries])
