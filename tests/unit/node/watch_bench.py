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


async def apply(kit: HubKit, what: str) -> None:
    """``EVENTS`` puts, each concerning one watch, in passes of 100 as a busy node applies."""
    applying_s = 0.0
    longest_s = 0.0
    start_s = time.perf_counter()
    for number in range(EVENTS):
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
        f"  {what:<58}{applying_s / EVENTS * 1e6:9.2f} µs in the apply pass, "
        f"{whole_s / EVENTS * 1e6:.2f} µs in all; longest turn {longest_s * 1e3:.2f} ms"
    )


async def measure(what: str, keys: Callable[[int], KeyRange]) -> None:
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
    await apply(kit, "event, nobody reads")
    with timed("read, per event", EVENTS):
        for watch in watches:
            await watch.next(0)
    await with_readers(kit, watches)
    with timed("close", WATCHES):
        for watch in watches:
            watch.close()
    with timed("event, nobody watches", EVENTS):
        for number in range(EVENTS):
            kit.hub.applied(number, 0)


async def with_readers(kit: HubKit, watches: list[Watch]) -> None:
    """Every watch has a reader that waits."""

    async def read(watch: Watch) -> None:
        while True:
            await watch.next(60)

    async with asyncio.TaskGroup() as tasks:
        readers = [tasks.create_task(read(watch)) for watch in watches]
        await asyncio.sleep(0)
        await apply(kit, "event, with readers who wait")
        for reader in readers:
            reader.cancel()


async def herd() -> None:
    """All come at once, each for a key of its own, each from the same past."""
    print(f"{WATCHES} watches that begin {EVENTS} revisions ago")
    kit = HubKit(watchers_max=WATCHES)
    for number in range(EVENTS):
        kit.put(key_of(number))
    watches = [
        kit.hub.open(single_key(key_of(number)), from_revision=number % 100 + 1)
        for number in range(WATCHES)
    ]
    longest_s = 0.0
    start_s = time.perf_counter()
    reading = asyncio.gather(*(watch.next(60) for watch in watches if watch.selector))
    while not all(watch.position >= EVENTS for watch in watches if watch.has_ready):
        await asyncio.sleep(0)
    while any(watch.feed is None for watch in watches[1000:]):
        begin_s = time.perf_counter()
        await asyncio.sleep(0)
        longest_s = max(longest_s, time.perf_counter() - begin_s)
        if time.perf_counter() - start_s > 30:
            break
    reading.cancel()
    whole_s = time.perf_counter() - start_s
    print(f"  all level after {whole_s:.2f} s; longest turn {longest_s * 1e3:.2f} ms")


async def main() -> None:
    await measure(f"{WATCHES} watches of a key each", lambda number: single_key(key_of(number)))
    await measure(
        f"{WATCHES} watches of a prefix each", lambda number: prefix_range(key_of(number)[:-5])
    )
    await measure(f"{WATCHES} watches of the same prefix", lambda _: prefix_range(b"/service/"))
    await measure("a tenth of them, of another range each", lambda number: ranges(number % 1000))
    await herd()


if __name__ == "__main__":
    asyncio.run(main())
