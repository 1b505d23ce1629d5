"""What ten thousand watches cost: to open, at each event, to read, to close.

python -m tests.unit.node.watch_bench
"""

import asyncio
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kvorum.mvcc.query import KeyRange, prefix_range, single_key
from kvorum.node.watching import Watch
from tests.support.fake_history import HubKit

WATCHES = 10_000
EVENTS = 20_000


@contextmanager
def timed(what: str, count: int) -> Iterator[None]:
    start_s = time.perf_counter()
    yield
    print(f"  {what:<58}{(time.perf_counter() - start_s) / count * 1e6:9.2f} µs")


def key_of(number: int) -> bytes:
    return b"/service/%06d/state" % number


def ranges(number: int) -> KeyRange:
    return KeyRange(key_of(number), key_of(number + 1))


async def apply(kit: HubKit, what: str, events: int) -> None:
    """So many puts, each concerning one watch, in passes of 100 as a busy node applies."""
    applying_s = 0.0
    longest_s = 0.0
    start_s = time.perf_counter()
    for number in range(events):
        kit.history.put(key_of(number * 7 % WATCHES))
        begin_s = time.perf_counter()
        kit.hub.applied(number, 0)
        applying_s += time.perf_counter() - begin_s
        if number % 100 == 99:
            begin_s = time.perf_counter()
            await asyncio.sleep(0)
            longest_s = max(longest_s, time.perf_counter() - begin_s)
    while kit.hub.level < kit.history.revision:
        begin_s = time.perf_counter()
        await asyncio.sleep(0)
        longest_s = max(longest_s, time.perf_counter() - begin_s)
    whole_s = time.perf_counter() - start_s
    print(
        f"  {what:<58}{applying_s / events * 1e6:9.2f} µs in the apply pass, "
        f"{whole_s / events * 1e6:.2f} µs in all; longest turn {longest_s * 1e3:.2f} ms"
    )


async def measure(what: str, keys: Callable[[int], KeyRange], events: int = EVENTS) -> None:
    print(what)
    kit = HubKit(watchers_max=WATCHES, buffer_events_max=EVENTS)
    tracemalloc.start()
    watches = [kit.hub.open(keys(number)) for number in range(WATCHES)]
    print(f"  memory of one watch {tracemalloc.get_traced_memory()[0] / WATCHES:47.0f} bytes")
    tracemalloc.stop()
    for watch in watches:
        watch.close()
    with timed("open", WATCHES):
        watches = [kit.hub.open(keys(number)) for number in range(WATCHES)]
    await apply(kit, "event, nobody reads", events)
    with timed("read, per watch", WATCHES):
        for watch in watches:
            while await watch.next(0):
                pass
    await with_readers(kit, watches, events)
    with timed("close", WATCHES):
        for watch in watches:
            watch.close()
    with timed("event, nobody watches", EVENTS):
        for number in range(EVENTS):
            kit.hub.applied(number, 0)


async def with_readers(kit: HubKit, watches: list[Watch], events: int) -> None:
    """Every watch has a reader that waits."""

    async def read(watch: Watch) -> None:
        while True:
            await watch.next(60)

    async with asyncio.TaskGroup() as tasks:
        readers = [tasks.create_task(read(watch)) for watch in watches]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await apply(kit, "event, with readers who wait", events)
        start_s = time.perf_counter()
        while kit.hub._fanout.waking:
            assert time.perf_counter() < start_s + 60, "they do not get there"
            await asyncio.sleep(0)
        print(
            f"  {'until all have read the last':<58}{(time.perf_counter() - start_s) * 1e3:9.2f} ms"
        )
        for reader in readers:
            reader.cancel()


async def herd(what: str, keys: Callable[[int], KeyRange]) -> None:
    """All come at once, each from a past of its own."""
    print(f"{WATCHES} watches {what}, which begin {EVENTS} revisions ago")
    kit = HubKit(watchers_max=WATCHES)
    for number in range(EVENTS):
        kit.put(key_of(number))
    watches = [
        kit.hub.open(keys(number), from_revision=number % 100 + 1) for number in range(WATCHES)
    ]

    async def read(watch: Watch) -> None:
        while True:
            await watch.next(60)

    longest_s = 0.0
    start_s = time.perf_counter()
    readers = [asyncio.create_task(read(watch)) for watch in watches]
    await asyncio.sleep(0)
    while any(watch.progress < EVENTS for watch in watches):
        begin_s = time.perf_counter()
        for _ in range(100):
            await asyncio.sleep(0)
        longest_s = max(longest_s, (time.perf_counter() - begin_s) / 100)
    whole_s = time.perf_counter() - start_s
    print(f"  all level after {whole_s:.2f} s; turns of {longest_s * 1e3:.2f} ms")
    for reader in readers:
        reader.cancel()


async def main() -> None:
    await measure(f"{WATCHES} watches of a key each", lambda number: single_key(key_of(number)))
    await measure(
        f"{WATCHES} watches of a prefix each", lambda number: prefix_range(key_of(number)[:-5])
    )
    same = prefix_range(b"/service/")
    await measure(f"{WATCHES} watches of the same prefix", lambda _: same, events=1000)
    await measure(f"{WATCHES} watches, of 1000 ranges", lambda number: ranges(number % 1000), 2000)
    await herd("of a key each", lambda number: single_key(key_of(number)))
    await herd("of the same prefix", lambda _: prefix_range(b"/service/00"))


if __name__ == "__main__":
    asyncio.run(main())
