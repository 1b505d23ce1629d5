"""How a watch ends, what it may take, and what it costs."""

import asyncio

import pytest

from kvorum.errors import Compacted, InvalidRequest, Overloaded, Rejected, WatchEnded
from kvorum.mvcc.query import KeyRange, prefix_range, single_key
from kvorum.node.watch_feed import TAKE_CHANGES_MAX
from kvorum.node.watch_hub import WAKES_PER_TURN
from kvorum.node.watching import Watch
from tests.support.fake_history import HubKit
from tests.unit.node.watch_readers import ALL, LONG_S, ended, revisions, take


@pytest.fixture
async def kit() -> HubKit:
    return HubKit()


class TestEnds:
    async def test_closed_by_its_reader(self, kit: HubKit) -> None:
        watch = kit.hub.open(ALL)
        watch.close()
        watch.close()
        assert kit.hub.watchers == 0
        kit.put(b"a")
        with pytest.raises(WatchEnded):
            await watch.next(LONG_S)

    async def test_the_node_stops(self, kit: HubKit) -> None:
        kit.put(b"a")
        watch, behind = kit.hub.open(ALL), kit.hub.open(ALL, from_revision=1)
        reader = asyncio.create_task(watch.next(LONG_S))
        await asyncio.sleep(0)
        kit.hub.close()
        with pytest.raises(WatchEnded) as info:
            await reader
        assert (info.value.reason, info.value.resume_revision) == ("stopping", 2)
        assert (await ended(behind)).resume_revision == 1
        assert kit.hub.watchers == 0
        with pytest.raises(Rejected, match="stopping"):
            kit.hub.open(ALL)

    async def test_too_old_from_the_beginning(self, kit: HubKit) -> None:
        for _ in range(5):
            kit.put(b"a")
        kit.history.compact(3)
        with pytest.raises(Compacted, match="before revision 4") as info:
            kit.hub.open(ALL, from_revision=3)
        assert info.value.oldest_revision == 4
        assert revisions(await take(kit.hub.open(ALL, from_revision=4), 5)) == [4, 5]

    async def test_compacted_before_it_was_read(self, kit: HubKit) -> None:
        for _ in range(5):
            kit.put(b"a")
        watch = kit.hub.open(ALL, from_revision=2)
        kit.history.compact(4)
        end = await ended(watch)
        assert (end.reason, end.resume_revision) == ("compacted", 5)
        assert kit.hub.watchers == 0

    async def test_what_was_applied_is_told_although_it_is_compacted_at_once(
        self, kit: HubKit
    ) -> None:
        watch = kit.hub.open(ALL)
        kit.put(b"a")
        kit.put(b"a")
        kit.history.compact(2)
        kit.put(b"a")
        assert revisions(await take(watch, 3)) == [1, 2, 3]

    async def test_compacted_within_one_entry(self, kit: HubKit) -> None:
        watch, later = kit.hub.open(ALL), kit.hub.open(ALL, from_revision=3)
        kit.history.put(b"a")
        kit.history.put(b"a")
        kit.history.compact(2)
        kit.put(b"a")
        end = await ended(watch)
        assert (end.reason, end.resume_revision) == ("compacted", 3)
        assert revisions(await later.next(LONG_S)) == [3]

    async def test_too_slow(self) -> None:
        kit = HubKit(buffer_events_max=20)
        slow, quick = kit.hub.open(ALL), kit.hub.open(ALL)
        kit.put(b"a")
        assert len(await slow.next(LONG_S)) == 1
        for _ in range(20):
            kit.put(b"a")
            assert len(await quick.next(LONG_S)) >= 1
        assert slow.progress == 1
        assert kit.hub.watchers == 2
        kit.put(b"a")
        await quick.next(LONG_S)
        end = await ended(slow)
        assert (end.reason, end.resume_revision) == ("lagging", 2)
        assert kit.hub.watchers == 1
        assert revisions(await take(kit.hub.open(ALL, from_revision=2), 22)) == [*range(2, 23)]

    async def test_too_much_for_all_together(self) -> None:
        kit = HubKit(buffer_bytes_max=100_000)
        small, large = kit.hub.open(single_key(b"s")), kit.hub.open(single_key(b"l"))
        kit.put(b"s", b"x" * 1000)
        for _ in range(20):
            kit.put(b"l", b"x" * 4000)
            await asyncio.sleep(0)
        end = await ended(large)
        assert (end.reason, end.resume_revision) == ("lagging", 2)
        assert revisions(await small.next(LONG_S)) == [1]

    async def test_what_was_taken_does_not_count(self) -> None:
        kit = HubKit(buffer_bytes_max=20_000, buffer_events_max=20)
        watch = kit.hub.open(ALL)
        for _ in range(100):
            kit.put(b"a", b"x" * 1000)
            assert len(await watch.next(LONG_S)) == 1


class TestRestored:
    async def test_goes_on_where_the_history_reaches_back(self, kit: HubKit) -> None:
        watch = kit.hub.open(ALL)
        kit.put(b"a")
        for _ in range(4):
            kit.history.put(b"a")
        kit.history.compact(1)
        kit.hub.restored()
        assert revisions(await take(watch, 5)) == [1, 2, 3, 4, 5]

    async def test_ends_where_it_does_not(self, kit: HubKit) -> None:
        watch, late = kit.hub.open(ALL), kit.hub.open(ALL, from_revision=4)
        kit.put(b"a")
        for _ in range(4):
            kit.history.put(b"a")
        kit.history.compact(3)
        kit.hub.restored()
        end = await ended(watch)
        assert (end.reason, end.resume_revision) == ("compacted", 4)
        assert revisions(await take(late, 5)) == [4, 5]


class TestLimits:
    async def test_number_of_watches(self) -> None:
        kit = HubKit(watchers_max=2)
        first, _second = kit.hub.open(ALL), kit.hub.open(ALL)
        with pytest.raises(Overloaded, match="2 watches"):
            kit.hub.open(ALL)
        first.close()
        kit.hub.open(ALL)

    async def test_neither_puts_nor_deletes(self, kit: HubKit) -> None:
        with pytest.raises(InvalidRequest, match="neither"):
            kit.hub.open(ALL, puts=False, deletes=False)


async def test_is_counted(kit: HubKit) -> None:
    watch, other = kit.hub.open(ALL), kit.hub.open(single_key(b"b"))
    kit.write((b"a", b"1"), (b"b", b"1"))
    await watch.next(LONG_S)
    await other.next(LONG_S)
    assert kit.sample("kvorum_watchers") == 2
    assert kit.sample("kvorum_watch_events_sent_total") == 3
    watch.close()
    kit.hub.close()
    assert kit.sample("kvorum_watchers") == 0
    assert kit.sample("kvorum_watches_ended_total", reason="closed") == 1
    assert kit.sample("kvorum_watches_ended_total", reason="stopping") == 1


class TestCosts:
    @pytest.mark.parametrize(
        ("keys", "kind"),
        [
            (single_key(b"a"), "key"),
            (prefix_range(b"a"), "prefix"),
            (KeyRange(b"a", b"abc"), "range"),
        ],
    )
    async def test_nothing_is_left_of_closed_watches(
        self, kit: HubKit, keys: KeyRange, kind: str
    ) -> None:
        watches = [kit.hub.open(keys, puts=number % 2 == 0) for number in range(10)]
        assert len(kit.hub._feeds) == 2
        for watch in watches:
            watch.close()
        assert len(kit.hub._feeds) == 0
        assert kit.hub._feeds.matching(b"ab") == []
        assert kit.hub._feeds.places.kind(watches[0].selector) == kind
        assert not kit.hub._feeds.places._lengths
        assert not kit.hub._feeds.places._ranges

    async def test_taken_changes_are_not_kept(self, kit: HubKit) -> None:
        quick, slow = kit.hub.open(ALL), kit.hub.open(ALL)
        for _ in range(3):
            kit.put(b"a")
        await take(quick, 3)
        assert quick.waiting.change is None, "an empty place that waits"
        assert slow.waiting.change is not None
        assert slow.waiting.change.revision == 1

    async def test_without_watches_the_history_is_not_looked_at(self, kit: HubKit) -> None:
        for _ in range(10):
            kit.put(b"a")
        await asyncio.sleep(0)
        assert kit.history.slices_read == 0

    async def test_few_readers_go_on_in_one_turn_of_the_loop(self, kit: HubKit) -> None:
        """A hundred readers of much data, and yet others get their turns in between."""
        watches = [kit.hub.open(ALL) for _ in range(100)]
        most, reads = 0, 0

        async def read(watch: Watch) -> None:
            nonlocal reads
            while watch.progress < 500:
                await watch.next(LONG_S)
                reads += 1

        readers = [asyncio.create_task(read(watch)) for watch in watches]
        await asyncio.sleep(0)
        for _ in range(500):
            kit.put(b"a")
        while not all(reader.done() for reader in readers):
            before = reads
            await asyncio.sleep(0)
            most = max(most, reads - before)
        assert reads >= 100 * 500 / TAKE_CHANGES_MAX
        assert 0 < most <= 2 * WAKES_PER_TURN

    async def test_a_burst_wakes_a_reader_once(self, kit: HubKit) -> None:
        watch = kit.hub.open(ALL)
        reader = asyncio.create_task(watch.next(LONG_S))
        await asyncio.sleep(0)
        for _ in range(20):
            kit.put(b"a")
        assert len(await reader) == 20
