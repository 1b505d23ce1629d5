"""Snapshots, log and crashes together: what was acknowledged comes back.

A node's life on a disk: batches, snapshots taken and received, segments released. The
power goes at any operation of the disk. Whatever is then found must be the whole history up
to the last thing that was done, or with the one that was being done.
"""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from kvorum.raft.snapshot import Snapshot
from kvorum.raft.types import EntryId, HardState, Index, Term
from kvorum.storage.data_dir import DataDirectory
from kvorum.storage.opening import Storage, open_storage
from kvorum.storage.wal import LogWriteError
from kvorum.testing.memory_fs import MemoryFileSystem
from tests.unit.storage.inline_worker import InlineWorker
from tests.unit.storage.logs import PowerCut, cut_after, entry
from tests.unit.storage.snaps import CLUSTER, DATA, MEMBERSHIP, new_fs, opened

SEGMENT_BYTES = 2048
OPERATIONS_MAX = 60

Terms = tuple[int, ...]
"""A history: the term of each entry, from entry 1 on. It is the state that snapshots hold, too."""


class Append(Struct, frozen=True):
    """Entries from ``first`` on; all before ``commit`` are committed."""

    first: int
    terms: Terms
    commit: int


class Take(Struct, frozen=True):
    """A snapshot of everything committed, then segments that are not needed any more go."""


class Install(Struct, frozen=True):
    """A snapshot of a leader, ``terms`` behind what is committed here."""

    terms: Terms


Step = Append | Take | Install


class Model(Struct, frozen=True):
    """What must be found."""

    terms: Terms = ()
    commit: int = 0
    hard_term: int = 0

    def after(self, step: Step) -> "Model":
        match step:
            case Append(first, terms, commit):
                whole = self.terms[: first - 1] + terms
                return Model(whole, commit, max((self.hard_term, *terms)))
            case Take():
                return self
            case Install(terms):
                whole = self.terms[: self.commit] + terms
                return Model(whole, len(whole), max(self.hard_term, terms[-1]))

    @property
    def committed(self) -> EntryId:
        return EntryId(Term(self.terms[self.commit - 1]), Index(self.commit))

    def hard_state(self) -> HardState:
        return HardState(Term(self.hard_term), None, Index(self.commit))


@st.composite
def lives(draw: st.DrawFn) -> list[Step]:
    steps: list[Step] = []
    model, term = Model(), 1
    for _ in range(draw(st.integers(1, 14))):
        term += draw(st.integers(0, 1))
        kind = draw(st.sampled_from(["append", "append", "append", "take", "install"]))
        step: Step
        if kind == "take" and model.commit:
            step = Take()
        elif kind == "install":
            step = Install((term,) * draw(st.integers(1, 8)))
        else:
            first = draw(st.integers(model.commit + 1, len(model.terms) + 1))
            new = (term,) * draw(st.integers(0 if first > len(model.terms) else 1, 6))
            end = first - 1 + len(new)
            step = Append(first, new, draw(st.integers(model.commit, end)))
        steps.append(step)
        model = model.after(step)
    return steps


# --- a node ------------------------------------------------------------------------------


async def load(_snapshot: Snapshot, blocks: AsyncIterator[bytes]) -> Terms:
    return tuple(b"".join([block async for block in blocks]))


async def start(fs: MemoryFileSystem) -> Storage[Terms]:
    worker = InlineWorker()
    directory = DataDirectory.open(
        fs,
        DATA,
        node_id="n",
        address="a:1",
        cluster_id=CLUSTER,
        members=("a:1",),
        uid="u",
        segment_bytes=SEGMENT_BYTES,
    )
    directory.close()
    return await open_storage(
        fs,
        directory,
        load,
        log_worker=worker,
        snapshot_worker=worker,
        segment_bytes=SEGMENT_BYTES,
    )


def blocks_of(terms: Terms) -> list[bytes]:
    return [bytes(terms[i : i + 3]) for i in range(0, len(terms), 3)]


async def do(storage: Storage[Terms], model: Model, step: Step) -> None:
    """One step, to its end; ``model`` is what was before it."""
    after = model.after(step)
    match step:
        case Append(first, terms, _):
            new = [entry(i, term=t, data=b"d" * 150) for i, t in enumerate(terms, first)]
            await storage.log.append(after.hard_state(), new)
        case Take():
            sink = storage.snapshots.create(model.committed, MEMBERSHIP)
            for block in blocks_of(model.terms[: model.commit]):
                await sink.write(block)
            await sink.finish()
            oldest = storage.snapshots.oldest
            if oldest is not None:
                await storage.log.release(oldest.last.index)
        case Install():
            snapshot, content = await from_leader(after)
            here = await storage.snapshots.received(snapshot)
            while here < snapshot.size_bytes:
                data = content[here : here + 64]
                here = await storage.snapshots.receive(snapshot, here, data)
            await storage.snapshots.complete(snapshot)
            await storage.snapshots.adopt(snapshot)
            await storage.log.append(after.hard_state(), (), snapshot.last)


async def from_leader(model: Model) -> tuple[Snapshot, bytes]:
    store = opened(new_fs())
    sink = store.create(model.committed, MEMBERSHIP)
    for block in blocks_of(model.terms):
        await sink.write(block)
    snapshot = await sink.finish()
    return snapshot, await store.read(snapshot, 0, snapshot.size_bytes)


def found_in(storage: Storage[Terms]) -> Terms:
    """The whole history: what the snapshot says, and what the log adds to it."""
    terms = storage.state or ()
    assert len(terms) == storage.recovered.base.index
    for one in storage.recovered.entries:
        assert one.index == len(terms) + 1
        terms += (one.term,)
    return terms


def is_as_told(storage: Storage[Terms], model: Model) -> bool:
    state = storage.recovered.hard_state
    assert state.commit >= storage.recovered.base.index
    return found_in(storage) == model.terms and state.term >= model.hard_term


async def live(fs: MemoryFileSystem, model: Model, steps: list[Step]) -> tuple[Model, list[Step]]:
    """Until the power goes; what is certain then, and what was not done to the end."""
    left = list(steps)
    try:
        storage = await start(fs)
        assert is_as_told(storage, model)
        while left:
            await do(storage, model, left[0])
            model = model.after(left.pop(0))
    except PowerCut:
        return model, left
    except LogWriteError as failure:
        if not isinstance(failure.__cause__, PowerCut):
            raise
    return model, left


@settings(max_examples=150, deadline=None)
@given(
    life=lives(),
    cuts=st.lists(st.integers(0, OPERATIONS_MAX), min_size=1, max_size=4),
    seed=st.integers(0, 2**32),
)
def test_nothing_acknowledged_is_lost_by_power_cuts(
    life: list[Step], cuts: list[int], seed: int
) -> None:
    asyncio.run(suffer(life, cuts, Random(seed)))


def _happens(random: Random, likely: float) -> bool:
    return random.random() < likely


async def suffer(life: list[Step], cuts: list[int], random: Random) -> None:
    fs, model, left = new_fs(), Model(), life
    await (await start(fs)).close()
    for count in cuts:
        likely = random.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        fs.fault = cut_after(count)
        model, left = await live(fs, model, left)
        fs = fs.after_crash(partial(_happens, random, likely))
        storage = await start(fs)
        if left and not is_as_told(storage, model):
            model = model.after(left.pop(0))
        assert is_as_told(storage, model)
        await storage.close()
    storage = await start(fs)
    for step in left:
        await do(storage, model, step)
        model = model.after(step)
    await storage.close()
    assert is_as_told(await start(fs), model)
