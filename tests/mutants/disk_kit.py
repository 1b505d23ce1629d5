"""Logs and snapshots on a disk that loses power and flips bits, from a seed."""

import asyncio
from collections.abc import Callable
from random import Random

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kvorum.errors import CorruptLog, DataDirectoryError
from kvorum.storage.snapshot_files import SUFFIX
from kvorum.storage.snapshot_format import snapshot_name
from tests.properties.test_wal_damage import changed_copies
from tests.properties.test_wal_storage import (
    Install,
    Model,
    Step,
    do,
    from_leader,
    is_as_told,
    lives,
    start,
    suffer,
)
from tests.support.raft_invariants import require
from tests.unit.storage.histories import histories
from tests.unit.storage.logs import Batch, contents, flipped, new_log, said, segments
from tests.unit.storage.snaps import SNAPSHOTS, new_fs, opened

EXAMPLES = 6
FLIPS = 24


def cut_power(seed: int) -> None:
    """A few lives of a node's disk, and damage to what they leave behind."""
    cuts = st.lists(st.integers(0, 60), min_size=1, max_size=4)
    numbers = st.integers(0, 2**32)
    _try(seed, _live, life=lives(), cuts=cuts, number=numbers)
    _try(seed, _damage_log, history=histories(), number=numbers)
    _try(seed, _damage_snapshot, life=lives(), number=numbers)
    asyncio.run(_receive(Random(seed)))


def _try(seed: int, check: Callable[..., None], **drawn: st.SearchStrategy[object]) -> None:
    """Examples that only the seed decides; the first that fails is good enough."""
    test = given(**drawn)(check)
    limits = settings(
        max_examples=EXAMPLES,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    hypothesis.seed(seed)(limits(test))()


def _live(life: list[Step], cuts: list[int], number: int) -> None:
    asyncio.run(suffer(life, cuts, Random(number)))


def _damage_log(history: list[Batch], number: int) -> None:
    """One bit of an acknowledged log: everything is there, or it is refused."""
    random, fs = Random(number), new_log(history)
    whole = contents(history)[-1]
    path = random.choice(segments(fs))
    data = fs.read(path)
    used = len(data.rstrip(b"\0"))
    variants = (flipped(data, random.randrange(used), random.randrange(8)) for _ in range(FLIPS))
    for _, outcome in changed_copies(fs, path, variants):
        if not isinstance(outcome, CorruptLog):
            require(said(outcome) == whole, "a damaged log is refused", path)


async def _receive(random: Random) -> None:
    """Pieces of a snapshot come twice and in any order: only what continues it is taken (§5.3)."""
    terms = (1,) * random.randint(1, 60)
    snapshot, content = await from_leader(Model(terms, len(terms), 1))
    store, here = opened(new_fs()), 0
    while here < len(content):
        at = here if random.random() < 0.5 else random.randrange(len(content))
        piece = content[at : at + random.randint(1, 40)]
        expected = here + len(piece) if at == here else here
        here = await store.receive(snapshot, at, piece)
        require(here == expected, "only bytes that continue the file are taken", at, here)
    await store.complete(snapshot)
    found = b"".join([block async for block in store.load(snapshot)])
    require(found == bytes(terms), "a received snapshot is what was sent")


def _damage_snapshot(life: list[Step], number: int) -> None:
    asyncio.run(_damage_one(life, Random(number)))


async def _damage_one(life: list[Step], random: Random) -> None:
    """One bit of the newest snapshot: the older one and the log say the same (§5.1)."""
    fs, model = new_fs(), Model()
    storage = await start(fs)
    for step in life:
        await do(storage, model, step)
        model = model.after(step)
    names = [snapshot_name(kept) + SUFFIX for kept in storage.snapshots.kept]
    await storage.close()
    if not names:
        return
    # What a leader sent stands in for a log that was never here: then there is no way back.
    may_refuse = any(isinstance(step, Install) for step in life)
    path = SNAPSHOTS / names[-1]
    data = fs.read(path)
    fs.replace(path, flipped(data, random.randrange(len(data)), random.randrange(8)))
    try:
        storage = await start(fs)
    except DataDirectoryError as refusal:
        require(may_refuse, "the older snapshot takes the place of a damaged one", refusal)
        return
    require(is_as_told(storage, model), "a damaged snapshot is not used", path)
    await storage.close()
