"""Large revisions and many ranges: how much is done at once, and what is told of it."""

import asyncio
from collections.abc import Callable
from random import Random

import pytest

from kvorum.errors import Overloaded
from kvorum.mvcc.query import KeyRange, prefix_range, single_key
from kvorum.node import watch_fanout, watch_hub, watch_places, watch_ranges
from kvorum.node.views import Change
from kvorum.node.watch_feed import Selector
from kvorum.node.watch_index import FeedIndex
from kvorum.node.watching import Watch
from tests.support.fake_history import HubKit

LONG_S = 30
ALL = prefix_range(b"")


def key_of(number: int) -> bytes:
    return b"k%06d" % number


def pair(number: int) -> KeyRange:
    """A range of two keys, which neighbours share."""
    return KeyRange(key_of(number), key_of(number + 2))


def write_many(kit: HubKit, keys: int) -> int:
    return kit.write(*((key_of(number), b"1") for number in range(keys)))


@pytest.fixture
async def kit() -> HubKit:
    return HubKit(watchers_max=10_000, buffer_events_max=100_000)


def counted(kit: HubKit, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many events were looked up since the last time."""
    looks = 0
    matching = kit.hub._feeds.matching

    def look(key: bytes) -> object:
        nonlocal looks
        looks += 1
        return matching(key)

    def since() -> int:
        nonlocal looks
        was, looks = looks, 0
        return was

    monkeypatch.setattr(kit.hub._feeds, "matching", look)
    return since


class TestLargeRevision:
    async def test_takes_many_turns_and_is_told_whole(
        self, kit: HubKit, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(watch_fanout, "WORK_MAX", 1000)
        watches = [kit.hub.open(pair(number)) for number in range(500)]
        wide = kit.hub.open(ALL)
        looks = counted(kit, monkeypatch)
        revision = write_many(kit, 500)
        turns = 0
        while kit.hub.level < revision:
            assert wide.progress == revision - 1 or wide.waiting.change is not None
            await asyncio.sleep(0)
            turns += 1
            assert looks() <= 50
        assert turns > 20
        (change,) = await wide.next(LONG_S)
        assert len(change.events) == 500
        for number, watch in enumerate(watches[:-1]):
            (change,) = await watch.next(LONG_S)
            assert [event.key for event in change.events] == [key_of(number), key_of(number + 1)]

    async def test_watches_that_come_and_go_meanwhile(
        self, kit: HubKit, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(watch_fanout, "WORK_MAX", 100)
        first, leaving = kit.hub.open(ALL), kit.hub.open(prefix_range(b"k"))
        write_many(kit, 100)
        await asyncio.sleep(0)
        assert kit.hub.level == 0
        assert first.progress == 0
        assert await first.next(0) == ()
        leaving.close()
        second, third = kit.hub.open(ALL), kit.hub.open(prefix_range(b"k"))
        kit.put(b"k")
        assert [len(change.events) for change in await take(first, 2)] == [100, 1]
        for watch in (second, third):
            assert [change.revision for change in await take(watch, 2)] == [2]
        third.close()
        second.close()
        first.close()
        assert kit.hub._fanout._waiting_bytes == 0

    async def test_the_first_watch_after_all_others_left(
        self, kit: HubKit, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(watch_fanout, "WORK_MAX", 100)
        leaving = kit.hub.open(ALL)
        write_many(kit, 100)
        await asyncio.sleep(0)
        leaving.close()
        watch = kit.hub.open(ALL)
        assert kit.hub.level == 1
        kit.put(b"a")
        assert [change.revision for change in await take(watch, 2)] == [2]

    @pytest.mark.parametrize("from_revision", [None, 1])
    async def test_few_readers_get_it_in_one_turn(
        self, kit: HubKit, monkeypatch: pytest.MonkeyPatch, from_revision: int | None
    ) -> None:
        monkeypatch.setattr(watch_hub, "EVENTS_PER_TURN", 10)
        if from_revision:
            write_many(kit, 100)
        told = 0

        async def read(watch: Watch) -> None:
            nonlocal told
            (change,) = await watch.next(LONG_S)
            assert len(change.events) == 100
            told += 1

        watches = [kit.hub.open(ALL, from_revision=from_revision) for _ in range(20)]
        readers = [asyncio.create_task(read(watch)) for watch in watches]
        await asyncio.sleep(0)
        if not from_revision:
            write_many(kit, 100)
        while told < 20:
            before = told
            await asyncio.sleep(0)
            assert told - before <= 1
        await asyncio.gather(*readers)


async def take(watch: Watch, revision: int) -> list[Change]:
    """Everything up to ``revision``, which must concern the watch."""
    changes = list[Change]()
    while not changes or changes[-1].revision < revision:
        more = await watch.next(LONG_S)
        assert more, "nothing came for a long time"
        changes += more
    return changes


class TestRanges:
    async def test_only_so_many_at_once(self, kit: HubKit, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(watch_places, "RANGES_MAX", 3)
        watches = [kit.hub.open(pair(number)) for number in range(3)]
        kit.hub.open(pair(0))  # what is watched already may be watched by more
        kit.put(b"a")
        for from_revision in (None, 1):
            with pytest.raises(Overloaded, match="3 different ranges already; watch a key or a"):
                kit.hub.open(pair(3), from_revision=from_revision)
        assert kit.hub.watchers == 4
        kit.hub.open(single_key(b"a"))
        kit.hub.open(prefix_range(b"a"))
        watches[0].close()
        with pytest.raises(Overloaded):
            kit.hub.open(pair(3))
        watches[1].close()
        kit.hub.open(pair(3))

    async def test_those_that_read_the_past_count_too(
        self, kit: HubKit, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(watch_places, "RANGES_MAX", 1)
        kit.put(b"a")
        behind = kit.hub.open(pair(0), from_revision=1)
        with pytest.raises(Overloaded):
            kit.hub.open(pair(1))
        behind.close()
        kit.hub.open(pair(1))

    async def test_prefixes_of_many_lengths_are_ranges(
        self, kit: HubKit, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(watch_places, "LENGTHS_MAX", 1)
        monkeypatch.setattr(watch_places, "RANGES_MAX", 1)
        short, long = kit.hub.open(prefix_range(b"a")), kit.hub.open(prefix_range(b"ab"))
        kit.hub.open(prefix_range(b"b"))
        with pytest.raises(Overloaded):
            kit.hub.open(prefix_range(b"abc"))
        kit.put(b"abc")
        for watch in (short, long):
            assert len(await watch.next(LONG_S)) == 1
        long.close()
        kit.hub.open(prefix_range(b"abc"))

    async def test_a_prefix_stays_where_it_was_put(
        self, kit: HubKit, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Although a place that would be cheaper becomes free."""
        monkeypatch.setattr(watch_places, "LENGTHS_MAX", 1)
        short, long = kit.hub.open(prefix_range(b"a")), kit.hub.open(prefix_range(b"ab"))
        short.close()
        again = kit.hub.open(prefix_range(b"ab"))
        kit.put(b"abc")
        for watch in (long, again):
            assert len(await watch.next(LONG_S)) == 1
            watch.close()
        assert not kit.hub._feeds.places._ranges
        assert kit.hub._feeds.matching(b"abc") == []

    async def test_an_event_does_not_ask_each_range(self) -> None:
        index = FeedIndex[Watch]()
        for number in range(1000):
            index.places.take(Selector(pair(number)))
            index.feed(Selector(pair(number)))
        index.matching(b"z")
        before = index.work
        for number in range(1000):
            assert index.matching(b"z%d" % number) == []
        assert index.work - before < 50 * 1000

    @pytest.mark.parametrize("known_max", [3, 100_000])
    def test_finds_what_asking_each_would_find(
        self, known_max: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(watch_ranges, "KNOWN_MAX", known_max)
        monkeypatch.setattr(watch_places, "LENGTHS_MAX", 2)
        random = Random(1)
        texts = [bytes(random.choices(b"ab\xff", k=random.randrange(4))) for _ in range(40)]
        index = FeedIndex[Watch]()
        there: dict[Selector, None] = {}
        for _ in range(3000):
            selector = Selector(
                random.choice(
                    (
                        KeyRange(random.choice(texts), random.choice((*texts, None))),
                        prefix_range(random.choice(texts)),
                        single_key(random.choice(texts)),
                    )
                ),
                puts=random.random() < 0.8,
            )
            if selector in there:
                index.drop(index.feed(selector))
                index.places.give_back(selector)
                del there[selector]
            elif len(there) < 40:
                index.places.take(selector)
                index.feed(selector)
                there[selector] = None
            key = random.choice(texts)
            found = [feed.selector for feed in index.matching(key)]
            assert len(found) == len(set(found))
            assert set(found) == {each for each in there if key in each.keys}
