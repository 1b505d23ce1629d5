"""What the reader of a watch sees."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from kvorum.errors import Compacted, InvalidRequest, Overloaded, Rejected, WatchEnded
from kvorum.mvcc.query import KeyRange, prefix_range, single_key
from kvorum.node.views import Change
from kvorum.node.watch_feed import TAKE_CHANGES_MAX
from kvorum.node.watch_hub import WAKES_PER_TURN
from kvorum.node.watching import Watch
from tests.support.fake_history import HubKit
from tests.support.virtual_time import in_virtual_time

ALL = prefix_range(b"")
SOON_S = 0.01
LONG_S = 30


def revisions(changes: Sequence[Change]) -> list[int]:
    return [change.revision for change in changes]


async def take(watch: Watch, revision: int) -> list[Change]:
    """Everything up to ``revision``, which must concern the watch."""
    changes = list[Change]()
    while not changes or changes[-1].revision < revision:
        more = await watch.next(LONG_S)
        assert more, f"nothing after {revisions(changes)}"
        changes += more
    return changes


async def ended(watch: Watch) -> WatchEnded:
    try:
        while await watch.next(LONG_S):
            pass
    except WatchEnded as end:
        return end
    raise AssertionError("nothing came for a long time, instead of the end")


@pytest.fixture
async def kit() -> HubKit:
    return HubKit()


class TestWhatIsTold:
    async def test_only_what_comes_after_the_present(self, kit: HubKit) -> None:
        kit.put(b"a")
        watch = kit.hub.open(ALL)
        assert watch.revision == 1
        kit.put(b"b")
        assert revisions(await watch.next(LONG_S)) == [2]

    async def test_what_was_applied_but_not_handed_out_when_it_began_is_not_told(
        self, kit: HubKit
    ) -> None:
        first = kit.hub.open(ALL)
        kit.put(b"a")  # the turn that hands it out has not come yet
        second = kit.hub.open(ALL)
        kit.put(b"b")
        assert revisions(await take(first, 2)) == [1, 2]
        assert revisions(await second.next(LONG_S)) == [2]

    async def test_from_a_revision_of_the_past_on_into_the_present(self, kit: HubKit) -> None:
        for _ in range(5):
            kit.put(b"a")
        watch = kit.hub.open(ALL, from_revision=3)
        assert revisions(await take(watch, 5)) == [3, 4, 5]
        kit.put(b"a")
        assert revisions(await watch.next(LONG_S)) == [6]

    async def test_a_revision_that_is_not_there_yet_is_waited_for(self, kit: HubKit) -> None:
        watch = kit.hub.open(ALL, from_revision=4)
        for _ in range(3):
            kit.put(b"a")
        assert await watch.next(SOON_S) == ()
        kit.put(b"a")
        assert revisions(await watch.next(LONG_S)) == [4]

    @pytest.mark.parametrize("from_revision", [None, 1])
    @pytest.mark.parametrize(
        ("keys", "told"),
        [
            (single_key(b"ab"), [2]),
            (single_key(b""), []),
            (prefix_range(b"a"), [1, 2, 3]),
            (prefix_range(b"abcd"), []),
            (prefix_range(b""), [1, 2, 3, 4, 5]),
            (prefix_range(b"\xff"), [5]),
            (KeyRange(b"ab", b"b"), [2, 3]),
            (KeyRange(b"abc", None), [3, 4, 5]),
            (KeyRange(b"b", b"a"), []),
        ],
    )
    async def test_of_its_keys_alone(
        self, kit: HubKit, keys: KeyRange, told: list[int], from_revision: int | None
    ) -> None:
        watch = kit.hub.open(keys) if from_revision is None else None
        for key in (b"a", b"ab", b"abc", b"b", b"\xff"):
            kit.put(key)
        watch = watch or kit.hub.open(keys, from_revision=from_revision)
        changes = await watch.next(LONG_S if told else SOON_S)
        assert revisions(changes) == told
        assert watch.progress == 5

    @pytest.mark.parametrize("from_revision", [None, 1])
    async def test_puts_or_deletes_alone(self, kit: HubKit, from_revision: int | None) -> None:
        def both() -> tuple[Watch, Watch]:
            hub = kit.hub
            return (
                hub.open(ALL, deletes=False, from_revision=from_revision),
                hub.open(ALL, puts=False, from_revision=from_revision),
            )

        watches = both() if from_revision is None else None
        kit.put(b"a")
        kit.write((b"a", None))
        kit.write((b"b", b"1"), (b"c", b"2"))
        kit.write((b"b", None), (b"c", b"3"))
        puts, deletes = watches or both()
        assert [len(change.events) for change in await take(puts, 4)] == [1, 2, 1]
        assert revisions(await take(deletes, 4)) == [2, 4]

    @pytest.mark.parametrize("from_revision", [None, 2])
    async def test_one_revision_is_one_change(self, kit: HubKit, from_revision: int | None) -> None:
        watch = kit.hub.open(prefix_range(b"k")) if from_revision is None else None
        kit.put(b"x")
        kit.write((b"k2", b"1"), (b"x", b"1"), (b"k1", b"1"))
        kit.write((b"k1", None), (b"k2", b"2"))
        watch = watch or kit.hub.open(prefix_range(b"k"), from_revision=from_revision)
        first, second = await take(watch, 3)
        assert [event.key for event in first.events] == [b"k2", b"k1"]
        assert [event.key for event in second.events] == [b"k1", b"k2"]
        assert second.events[0].record is None
        assert second.events[1].previous == first.events[0].record

    async def test_much_comes_in_pieces(self, kit: HubKit) -> None:
        watch = kit.hub.open(ALL)
        late = 700
        for _ in range(late):
            kit.put(b"a")
        first = await watch.next(LONG_S)
        assert 0 < len(first) < late
        assert revisions([*first, *await take(watch, late)]) == list(range(1, late + 1))

    async def test_a_large_value_comes_alone(self, kit: HubKit) -> None:
        watch = kit.hub.open(ALL)
        for _ in range(3):
            kit.put(b"a", b"x" * 300_000)
        assert revisions(await watch.next(LONG_S)) == [1]

    async def test_events_are_shared_not_copied(self, kit: HubKit) -> None:
        watches = [kit.hub.open(ALL), kit.hub.open(ALL), kit.hub.open(prefix_range(b"a"))]
        kit.put(b"a")
        changes = [(await watch.next(LONG_S))[0] for watch in watches]
        assert changes[0] is changes[1]
        assert changes[0].events[0] is changes[2].events[0] is kit.history.all[0]

    @pytest.mark.parametrize("from_revision", [None, 1])
    async def test_readers_at_the_same_place_are_given_the_same_changes(
        self, kit: HubKit, from_revision: int | None
    ) -> None:
        """So whoever encodes them can do it once for all."""
        kit.put(b"a")
        watches = [kit.hub.open(ALL, from_revision=from_revision) for _ in range(3)]
        readers = [asyncio.create_task(watch.next(LONG_S)) for watch in watches]
        await asyncio.sleep(0)
        kit.put(b"a")
        first, *others = await asyncio.gather(*readers)
        assert revisions(first) == ([2] if from_revision is None else [1, 2])
        assert all(changes is first for changes in others)

    async def test_whoever_comes_later_is_given_what_came_meanwhile(self, kit: HubKit) -> None:
        early, late, far_behind = (kit.hub.open(ALL) for _ in range(3))
        kit.put(b"a")
        assert revisions(await take(early, 1)) == [1]
        kit.put(b"a")
        assert revisions(await take(early, 2)) == [2]
        assert revisions(await late.next(LONG_S)) == [1, 2]
        for _ in range(TAKE_CHANGES_MAX):
            kit.put(b"a")
        assert revisions(await take(late, late.revision + 2 + TAKE_CHANGES_MAX))[-1] == 66
        assert len(await far_behind.next(LONG_S)) == TAKE_CHANGES_MAX, "a portion, not all"
        assert revisions(await far_behind.next(LONG_S)) == [65, 66]

    async def test_what_was_taken_is_not_kept(self, kit: HubKit) -> None:
        """A portion that others may be given must not hold on to all that comes after it."""
        watch = kit.hub.open(ALL)
        kit.put(b"a")
        await take(watch, 1)
        assert kit.hub._portion is not None
        kit.put(b"a")
        await asyncio.sleep(0)
        assert kit.hub._portion is None


class TestWaiting:
    async def test_nothing_in_time(self, kit: HubKit) -> None:
        watch = kit.hub.open(single_key(b"a"))
        kit.put(b"b")
        assert await watch.next(SOON_S) == ()
        assert await watch.next(0) == ()

    async def test_nothing_in_time_by_a_clock_that_rings_early(
        self, kit: HubKit, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As uvloop's timers do, which count in milliseconds."""
        loop = asyncio.get_running_loop()
        in_time = loop.call_at
        monkeypatch.setattr(
            loop, "call_at", lambda when_s, *rest, **more: in_time(when_s - 0.01, *rest, **more)
        )
        watch = kit.hub.open(single_key(b"a"))
        async with asyncio.timeout(LONG_S):
            assert await watch.next(2 * SOON_S) == ()

    @pytest.mark.parametrize("then_s", [LONG_S, LONG_S / 4, LONG_S * 2])
    @pytest.mark.parametrize("woken_s", [0, LONG_S / 3])
    def test_each_call_waits_its_own_time(self, woken_s: float, then_s: float) -> None:
        """However long an earlier one would have waited, that was woken."""

        @in_virtual_time
        async def waits() -> None:
            kit, loop = HubKit(), asyncio.get_running_loop()
            watch = kit.hub.open(ALL)
            loop.call_later(woken_s, kit.put, b"a")
            assert revisions(await watch.next(LONG_S)) == [1]
            for _ in range(2):
                began_s = loop.time()
                assert await watch.next(then_s) == ()
                assert loop.time() - began_s == pytest.approx(then_s)

        waits()

    async def test_no_timer_outlives_a_watch(
        self, kit: HubKit, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It would keep the watch, and thousands of them, for as long as a heartbeat takes."""
        loop = asyncio.get_running_loop()
        set_timer, timers = loop.call_later, list[asyncio.TimerHandle]()

        def call_later(delay_s: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
            timers.append(set_timer(delay_s, callback))
            return timers[-1]

        monkeypatch.setattr(loop, "call_later", call_later)
        watch = kit.hub.open(ALL)
        for _ in range(3):
            reader = asyncio.create_task(watch.next(LONG_S))
            await asyncio.sleep(0)
            kit.put(b"a")
            await reader
        assert len(timers) == 1, "to set one costs more than to wait"
        watch.close()
        assert timers[0].cancelled()

    async def test_woken_by_what_concerns_it(self, kit: HubKit) -> None:
        watch = kit.hub.open(single_key(b"a"))
        reader = asyncio.create_task(watch.next(LONG_S))
        await asyncio.sleep(0)
        kit.put(b"b")
        kit.put(b"a")
        assert revisions(await reader) == [2]

    @pytest.mark.parametrize("from_revision", [None, 1])
    async def test_a_reader_that_is_cancelled_has_taken_nothing(
        self, kit: HubKit, from_revision: int | None
    ) -> None:
        if from_revision:
            kit.put(b"a")
        watch = kit.hub.open(ALL, from_revision=from_revision)
        reader = asyncio.create_task(watch.next(LONG_S))
        await asyncio.sleep(0)
        if not from_revision:
            kit.put(b"a")
        await asyncio.sleep(0)
        assert not watch.is_waiting, "something is there for it"
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert watch.progress == 0
        assert revisions(await watch.next(LONG_S)) == [1]


class TestProgress:
    async def test_goes_on_with_what_does_not_concern_it(self, kit: HubKit) -> None:
        watch = kit.hub.open(single_key(b"a"))
        for _ in range(10):
            kit.put(b"b")
        await watch.next(SOON_S)
        assert watch.progress == 10

    async def test_stops_before_what_was_not_taken(self, kit: HubKit) -> None:
        watch = kit.hub.open(single_key(b"a"))
        kit.put(b"b")
        kit.put(b"b")
        kit.put(b"a")
        kit.put(b"b")
        await asyncio.sleep(0)
        assert watch.progress == 2
        await watch.next(LONG_S)
        assert watch.progress == 4

    async def test_of_a_watch_that_waits_for_the_future(self, kit: HubKit) -> None:
        watch = kit.hub.open(ALL, from_revision=7)
        kit.put(b"a")
        await watch.next(SOON_S)
        assert watch.progress == 6

    async def test_goes_on_while_it_reads_the_past(self, kit: HubKit) -> None:
        for _ in range(5000):
            kit.put(b"b")
        watch = kit.hub.open(single_key(b"a"), from_revision=10)
        assert watch.progress == 9
        while watch.progress < 5000:
            assert await watch.next(SOON_S) == ()


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
