"""One node of the model cluster, and what its driver does with snapshots."""

from collections.abc import Sequence

from kvorum.raft.core import Core
from kvorum.raft.membership import Membership, address_of
from kvorum.raft.messages import InstallSnapshot, InstallSnapshotResponse, Message
from kvorum.raft.ready import ChunkWanted, Event, Ready
from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import Entry, EntryId, EntryKind, Index, NodeId, Role, Ticket
from tests.support.raft_disk import CHUNK_BYTES, SNAPSHOT_BYTES, Disk


class Shelf:
    """What is in the snapshots of all nodes, found by their checksum."""

    def __init__(self) -> None:
        self._contents: list[tuple[Entry, ...]] = []

    def put(self, applied: Sequence[Entry], membership: Membership) -> Snapshot:
        self._contents.append(tuple(applied))
        return Snapshot(applied[-1].id, membership, SNAPSHOT_BYTES, len(self._contents) - 1)

    def content(self, snapshot: Snapshot) -> list[Entry]:
        return list(self._contents[snapshot.checksum])


class Member:
    """One node: its core (None while it is down), its disk, and what it was told."""

    def __init__(self, node: NodeId, disk: Disk, shelf: Shelf) -> None:
        self.node = node
        self.disk = disk
        self.core: Core | None = None
        self.applied: list[Entry] = []  # all since the first, those of a snapshot included
        self.receipts: dict[Ticket, EntryId | None] = {}
        self.refusals: dict[Ticket, str] = {}
        self.reads: dict[Ticket, Index | None] = {}
        self.events: list[Event] = []
        self.loads_slowly = False
        self.loading: Snapshot | None = None  # complete on disk, its state not in place yet
        self._shelf = shelf

    @property
    def number(self) -> int:
        return int(address_of(self.node))

    @property
    def running(self) -> Core:
        assert self.core is not None, f"{self.node} is down"
        return self.core

    @property
    def role(self) -> Role:
        return self.running.state.role

    @property
    def commit(self) -> int:
        return self.running.state.log.commit

    @property
    def terms(self) -> list[int]:
        """The terms of its log's entries."""
        log = self.running.state.log
        return [entry.term for entry in log.page(log.first_index, log.last_index)]

    @property
    def data(self) -> list[bytes]:
        """The commands that its state machine was given."""
        return [e.data for e in self.applied if e.kind is EntryKind.COMMANDS]

    def take(self, ready: Ready) -> None:
        self.applied += ready.committed
        self.events += ready.events
        self.receipts.update({receipt.ticket: receipt.entry for receipt in ready.receipts})
        self.refusals.update({r.ticket: r.refusal for r in ready.receipts if r.refusal})
        self.reads.update({read.ticket: read.index for read in ready.read_states})

    def stop(self) -> None:
        self.core = None
        self.loading = None

    # --- snapshots -----------------------------------------------------------------------

    def take_snapshot(self, keep: int) -> bool:
        """Of what is applied, ``keep`` entries staying in the log; false without any news."""
        core = self.running
        newest = self.disk.snapshot
        if len(self.applied) <= (newest.last.index if newest else 0) or self.loading is not None:
            return False
        index = Index(len(self.applied))
        snapshot = self._shelf.put(self.applied, core.membership_at(index))
        self.disk.keep(snapshot)
        core.offer(snapshot, Index(index + 1 - keep))
        return True

    def restore(self) -> None:
        """At a start: the state of the newest snapshot."""
        snapshot = self.disk.snapshot
        self.applied = self._shelf.content(snapshot) if snapshot else []
        if snapshot is not None:
            self.running.offer(snapshot, Index(0))

    def send_chunks(self, wanted: Sequence[ChunkWanted]) -> list[Message]:
        return [self._chunk(one) for one in wanted]

    def _chunk(self, wanted: ChunkWanted) -> InstallSnapshot:
        size = max(min(CHUNK_BYTES, wanted.snapshot.size_bytes - wanted.offset), 0)
        return InstallSnapshot(
            to=wanted.to,
            sender=self.node,
            term=wanted.term,
            snapshot=wanted.snapshot,
            offset=wanted.offset,
            data=b"." * size,
        )

    def collect(self, chunks: Sequence[InstallSnapshot]) -> list[Message]:
        """Store chunks; the answers, and ``loading`` once everything is here."""
        answers: list[Message] = []
        for chunk in chunks:
            have = self._receive(chunk)
            if self.loading is None and have >= chunk.snapshot.size_bytes:
                self.disk.keep(chunk.snapshot)
                self.loading = chunk.snapshot
            answers.append(
                InstallSnapshotResponse(
                    to=chunk.sender,
                    sender=self.node,
                    term=self.running.state.term,
                    last=chunk.snapshot.last,
                    checksum=chunk.snapshot.checksum,
                    offset=have,
                )
            )
        return answers

    def _receive(self, chunk: InstallSnapshot) -> int:
        if chunk.snapshot == self.loading:
            return chunk.snapshot.size_bytes
        return self.disk.receive(chunk.snapshot, chunk.offset, len(chunk.data))

    def finish_loading(self) -> bool:
        """The state of a complete snapshot takes the place of the present one, or is dropped."""
        snapshot, self.loading = self.loading, None
        if snapshot is None:
            return False
        if self.running.install(snapshot):
            self.applied = self._shelf.content(snapshot)
        else:
            self.running.offer(snapshot, Index(0))
        return True
