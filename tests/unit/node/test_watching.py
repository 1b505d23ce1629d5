"""What the reader of a watch sees."""

import asyncio
from collections.abc import Callable

import pytest

from kvorum.mvcc.query import KeyRange, prefix_range, single_key
from kvorum.node.watch_feed import TAKE_CHANGES_MAX
from kvorum.node.watching import Watch
from tests.support.fake_history import HubKit
from tests.support.virtual_time import in_virtual_time
from tests.unit.node.watch_readers import ALL, LONG_S, SOON_S, revisions, take


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
