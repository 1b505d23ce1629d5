"""Watches against the full list of events: ordered, unique, complete, resumable.

Whatever is written, compacted and replaced by snapshots, and however slowly anyone reads: what
a watch has told, up to its progress, is exactly what happened to its keys; it ends only with a
reason, and going on from the revision that it names leaves no gap but what was compacted.
"""

import asyncio
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvorum.errors import Compacted, WatchEnded
from kvorum.mvcc.query import KeyRange, prefix_range, single_key
from kvorum.mvcc.record import Event
from kvorum.node import watch_fanout, watch_feed, watch_history, watch_places
from kvorum.node.watch_feed import Selector
from tests.support.fake_history import HubKit

BUFFER_EVENTS = 12
BUFFER_BYTES = 40_000
KEYS = (b"a", b"ab", b"abc", b"b", b"ba", b"c\xff", b"c\xff\xff")
RANGES = (
    *map(single_key, KEYS),
    *map(prefix_range, (b"", b"a", b"ab", b"c", b"c\xff")),
    KeyRange(b"ab", b"b"),
    KeyRange(b"abc", None),
    KeyRange(b"b", b"a"),
)


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that few events make many slices, turns and full buffers."""
    monkeypatch.setattr(watch_fanout, "PENDING_EVENTS_MAX", 8)
    monkeypatch.setattr(watch_fanout, "COLLECT_EVENTS", 3)
    monkeypatch.setattr(watch_fanout, "WORK_MAX", 30)
    monkeypatch.setattr(watch_places, "LENGTHS_MAX", 2)
    monkeypatch.setattr(watch_history, "SLICE_EVENTS", 4)
    monkeypatch.setattr(watch_history, "SLICES_MAX", 3)
    monkeypatch.setattr(watch_history, "LOOKS_MAX", 2)
    monkeypatch.setattr("kvorum.node.watch_feed.TAKE_CHANGES_MAX", 3)
    monkeypatch.setattr("kvorum.node.watch_hub.WAKES_PER_TURN", 2)
    monkeypatch.setattr("kvorum.node.watch_hub.READS_PER_TURN", 1)


class Reader:
    """Watches some keys, on and on: whenever a watch ends it opens the next one."""

    def __init__(self, kit: HubKit, selector: Selector, from_revision: int | None) -> None:
        self._kit = kit
        self._selector = selector
        self._told: list[Event] = []
        self._begin = 0  # nothing at or below it was asked for, or it was compacted
        self.ends: list[str] = []
        self._open(from_revision)

    def _open(self, from_revision: int | None) -> None:
        keys, history = self._selector.keys, self._kit.history
        puts, deletes = self._selector.puts, self._selector.deletes
        present, oldest = history.revision, history.compacted_revision + 1
        if from_revision is not None and from_revision < oldest:
            with pytest.raises(Compacted) as info:
                self._kit.hub.open(keys, from_revision=from_revision, puts=puts, deletes=deletes)
            assert info.value.oldest_revision == oldest
            from_revision = oldest
        self._watch = self._kit.hub.open(
            keys, from_revision=from_revision, puts=puts, deletes=deletes
        )
        assert self._watch.revision == present
        self._told.clear()
        self._begin = present if from_revision is None else from_revision - 1

    @property
    def progress(self) -> int:
        return self._watch.progress

    async def read(self) -> bool:
        """Once; whether there was anything."""
        try:
            changes = await self._watch.next(0)
        except WatchEnded as end:
            self._ended(end)
            return True
        for change in changes:
            assert {event.revision for event in change.events} == {change.revision}
            self._told += change.events
        if changes:
            assert changes[-1].revision <= self._watch.progress
        self.check()
        return bool(changes)

    def close(self) -> None:
        """And go on later from where it was."""
        progress = self._watch.progress
        self._watch.close()
        self._go_on(progress + 1)

    def _ended(self, end: WatchEnded) -> None:
        self.check()
        self.ends.append(end.reason)
        if end.reason == "compacted":
            compacted = self._kit.history.compacted_revision  # by now; more than when it ended
            assert self._watch.progress + 1 < end.resume_revision <= compacted + 1
            self._open(end.resume_revision)
        else:
            assert end.reason == "lagging"
            assert end.resume_revision == self._watch.progress + 1
            waiting = self._expected(self._watch.progress, self._kit.history.revision)
            size_bytes = sum(map(watch_feed.event_bytes, waiting))
            size_bytes += len(waiting) * watch_feed.CHANGE_OVERHEAD_BYTES
            assert len(waiting) > BUFFER_EVENTS or size_bytes > BUFFER_BYTES // 20
            self._go_on(end.resume_revision)

    def _go_on(self, from_revision: int) -> None:
        told, begin = list(self._told), self._begin
        self._open(from_revision)
        if self._begin == from_revision - 1:  # nothing was compacted: one stream without a gap
            self._told, self._begin = told, begin

    def check(self) -> None:
        assert self._told == self._expected(self._begin, self._watch.progress)

    def _expected(self, after: int, upto: int) -> list[Event]:
        return [
            event
            for event in self._kit.history.all
            if after < event.revision <= upto
            and event.key in self._selector.keys
            and self._selector.wants(event)
        ]


class World:
    """A random sequence of everything that may happen."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.kit = HubKit(
            watchers_max=1000, buffer_events_max=BUFFER_EVENTS, buffer_bytes_max=BUFFER_BYTES
        )
        self.readers: list[Reader] = []

    def step(self) -> Callable[[], None]:
        return self._random.choices(
            (self._write, self._compact, self._busy_entry, self._restore, self._open, self._close),
            (60, 5, 3, 2, 8, 2),
        )[0]

    async def run(self, steps: int) -> None:
        for _ in range(steps):
            self.step()()
            if self._random.random() < 0.3:
                await asyncio.sleep(0)
            reading = [reader for reader in self.readers if self._random.random() < 0.2]
            await asyncio.gather(*(reader.read() for reader in reading))
        await self._finish()

    async def _finish(self) -> None:
        """Everybody reads to the end, and nobody's watch ends any more but for good reason."""
        for reader in self.readers:
            patience = 10_000
            while await reader.read() or reader.progress < self.kit.history.revision:
                patience -= 1
                assert patience, f"stuck at {reader.progress} of {self.kit.history.revision}"
            reader.check()

    def _change(self) -> tuple[bytes, bytes | None]:
        value = b"x" * self._random.choice((1, 1, 1, 3000))
        return self._random.choice(KEYS), value if self._random.random() < 0.7 else None

    def _put(self) -> None:
        changes = dict(self._change() for _ in range(self._random.choice((1, 1, 1, 2, 5))))
        self.kit.history.write(*changes.items())

    def _applied(self) -> None:
        self.kit.hub.applied(0, 0)

    def _write(self) -> None:
        self._put()
        self._applied()

    def _compact(self) -> None:
        """An entry of its own."""
        self._forget()
        self._applied()

    def _forget(self) -> None:
        revision = self.kit.history.revision
        self.kit.history.compact(revision - self._random.choice((0, 1, 3, 10, 30)))

    def _busy_entry(self) -> None:
        """One entry makes many revisions, and the history may forget some of these at once."""
        for _ in range(self._random.randrange(20)):
            self._put()
        self._forget()
        self._applied()

    def _restore(self) -> None:
        for _ in range(self._random.randrange(1, 30)):
            self._put()
        self._forget()
        self.kit.hub.restored()

    def _open(self) -> None:
        selector = Selector(
            self._random.choice(RANGES),
            *self._random.choice(((True, True), (True, False), (False, True))),
        )
        from_revision = self.kit.history.revision + self._random.randrange(-20, 10)
        chosen = max(1, from_revision) if self._random.random() < 0.7 else None
        self.readers.append(Reader(self.kit, selector, chosen))

    def _close(self) -> None:
        if self.readers:
            self._random.choice(self.readers).close()


async def run(seed: int, steps: int) -> World:
    world = World(Random(seed))
    await world.run(steps)
    return world


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 200))
def test_every_watch_tells_exactly_what_happened(seed: int, steps: int) -> None:
    asyncio.run(run(seed, steps))


def test_the_worlds_contain_every_end() -> None:
    """Else the property above would say little."""
    ends = set[str]()
    for seed in range(20):
        world = asyncio.run(run(seed, 200))
        ends.update(end for reader in world.readers for end in reader.ends)
    assert ends == {"compacted", "lagging"}
