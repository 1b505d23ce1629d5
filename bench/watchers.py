"""From a put to the event that tells a watcher of it, over HTTP.

``python bench/watchers.py [WATCHERS] [KEYS] [PUTS_PER_S] [SECONDS]``: three nodes, all clients on
the leader. Watcher ``i`` watches key ``i % KEYS``, and puts go round these keys, so that each of
them reaches ``WATCHERS / KEYS`` watchers. Puts begin when they are due, whatever became of those
before; the time of a put that found no free connection runs from when it was due.

The clients are protocols on bare sockets, since they share the processors with the nodes.
"""

import asyncio
import gc
import sys
from asyncio import Protocol, Transport
from collections import deque
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import cast

import uvloop
from local_cluster import local_cluster

CONNECTIONS = 64
"""That write."""
VALUE_BYTES = 256
SETTLE_S = 5.0
"""For what is still on its way when the last put was sent."""
PACE_S = 0.001

_MARK = b'"value":"#'
_NUMBER_DIGITS = 9
_OPENED = b"event: opened"
_BATCH = 100


@dataclass(frozen=True)
class Times:
    """In milliseconds."""

    p50: float
    p99: float
    worst: float


@dataclass(frozen=True)
class Delivery:
    """Of one run; ``expected`` and ``arrived`` are events, counted for each watcher."""

    expected: int
    arrived: int
    refused: int
    """Puts that were not answered with 200."""
    puts_per_s: float
    """Answered, from the first due to the last answer."""
    put: Times
    """From when a put was due to its answer."""
    from_due: Times
    """To the event's arrival, from when its put was due."""
    from_answer: Times
    """The same, from the put's answer; an event that came before it counts as 0."""


def times(seconds: list[float]) -> Times:
    ordered = sorted(seconds) or [0.0]

    def at(share: float) -> float:
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    return Times(at(0.50), at(0.99), 1000 * ordered[-1])


class Watcher(Protocol):
    """Notes which puts it heard of, and when."""

    def __init__(self, request: bytes, on_open: asyncio.Event, log: list[tuple[int, float]]):
        self._request = request
        self._on_open = on_open
        self._log = log
        self._rest = b""
        self._is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(Transport, transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        now_s = perf_counter()
        if not self._is_open and _OPENED in data:
            self._is_open = True
            self._on_open.set()
        if self._rest:
            data = self._rest + data
        place = data.find(_MARK)
        while place >= 0:
            begin = place + len(_MARK)
            end = begin + _NUMBER_DIGITS
            if end > len(data):
                break
            self._log.append((int(data[begin:end]), now_s))
            place = data.find(_MARK, end)
        # A mark may be cut in two; a piece without one is forgotten.
        self._rest = data[place:] if place >= 0 else data[-len(_MARK) + 1 :]

    def connection_lost(self, _exc: Exception | None, /) -> None:
        self._on_open.set()


class Writer(Protocol):
    """One connection of a pool; one put at a time."""

    def __init__(self, pool: "Writers") -> None:
        self._pool = pool
        self._number = -1
        self._transport: Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(Transport, transport)  # uvloop's is no subclass

    def put(self, number: int, request: bytes) -> None:
        assert self._transport is not None, "it is connected"
        self._number = number
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if not data.startswith(b"HTTP/1.1 "):
            return  # the rest of an answer
        self._pool.answered(self, self._number, is_accepted=data.startswith(b"HTTP/1.1 200"))


class Writers:
    """Sends puts when they are due, on whichever connection is free."""

    def __init__(self, host: str, keys: list[str]) -> None:
        self._host = host
        self._keys = keys
        self.free: deque[Writer] = deque()
        self.due_s: list[float] = []
        self.answered_s: dict[int, float] = {}
        self.refused = 0
        self._unsent = 0  # the next put to be sent

    async def run(self, puts_per_s: float, count: int) -> None:
        """Returns when the last one was sent."""
        began_s = perf_counter()
        while self._unsent < count:
            due = min(count, int((perf_counter() - began_s) * puts_per_s) + 1)
            self.due_s.extend(began_s + i / puts_per_s for i in range(len(self.due_s), due))
            self._send()
            await asyncio.sleep(PACE_S)

    def answered(self, writer: Writer, number: int, *, is_accepted: bool) -> None:
        self.answered_s[number] = perf_counter()
        self.refused += not is_accepted
        self.free.append(writer)
        self._send()

    def _send(self) -> None:
        while self.free and self._unsent < len(self.due_s):
            self.free.popleft().put(self._unsent, self._request(self._unsent))
            self._unsent += 1

    def _request(self, number: int) -> bytes:
        key = self._keys[number % len(self._keys)]
        body = f'{{"value":"#{number:0{_NUMBER_DIGITS}}'.ljust(VALUE_BYTES - 2, ".") + '"}'
        return (
            f"POST /key/{key} HTTP/1.1\r\nHost: {self._host}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()


async def _watch(
    host: str, port: int, keys: list[str], watchers: int, log: list[tuple[int, float]]
) -> list[Transport]:
    loop = asyncio.get_running_loop()
    transports = []
    for first in range(0, watchers, _BATCH):
        opened = []
        for number in range(first, min(first + _BATCH, watchers)):
            key, is_open = keys[number % len(keys)], asyncio.Event()
            request = f"GET /watch?key={key} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
            watcher = partial(Watcher, request, is_open, log)
            transport, _ = await loop.create_connection(watcher, host, port)
            transports.append(transport)
            opened.append(is_open.wait())
        await asyncio.gather(*opened)
    return transports


async def _deliver(
    host: str,
    ports: tuple[int, int],
    *,
    watchers: int,
    keys: int,
    puts_per_s: float,
    seconds: float,
) -> Delivery:
    names = [f"watched-{number}" for number in range(keys)]
    log: list[tuple[int, float]] = []
    loop = asyncio.get_running_loop()
    transports = await _watch(host, ports[0], names, watchers, log)
    pool = Writers(host, names)
    for _ in range(CONNECTIONS):
        transport, writer = await loop.create_connection(lambda: Writer(pool), host, ports[1])
        transports.append(transport)
        pool.free.append(writer)
    gc.collect()
    gc.freeze()  # the collector's pauses here are no delay of the node's
    count = int(puts_per_s * seconds)
    await pool.run(puts_per_s, count)
    each = [len(range(number, watchers, keys)) for number in range(keys)]
    expected = sum(each[number % keys] for number in range(count))
    for _ in range(int(SETTLE_S / PACE_S)):
        if len(log) >= expected and len(pool.answered_s) == count:
            break
        await asyncio.sleep(PACE_S)
    for transport in transports:
        transport.close()
    return _summary(pool, log, expected)


def _summary(pool: Writers, log: list[tuple[int, float]], expected: int) -> Delivery:
    due_s, answered_s = pool.due_s, pool.answered_s
    return Delivery(
        expected=expected,
        arrived=len(log),
        refused=pool.refused,
        puts_per_s=len(answered_s) / (max(answered_s.values()) - due_s[0]),
        put=times([at_s - due_s[number] for number, at_s in answered_s.items()]),
        from_due=times([at_s - due_s[number] for number, at_s in log]),
        from_answer=times(
            [max(0.0, at_s - answered_s[number]) for number, at_s in log if number in answered_s]
        ),
    )


def deliver(
    host: str,
    port: int,
    *,
    watchers: int = 1000,
    keys: int = 1000,
    puts_per_s: float = 1000,
    seconds: float = 5,
    write_port: int | None = None,
) -> Delivery:
    """Watch at ``port`` and put at ``write_port`` (None: the same), for ``seconds``."""
    ports = port, write_port or port
    run = _deliver(
        host, ports, watchers=watchers, keys=keys, puts_per_s=puts_per_s, seconds=seconds
    )
    return uvloop.run(run)


def main() -> None:
    given = [float(argument) for argument in sys.argv[1:]]
    watchers, keys, puts_per_s, seconds = given + [1000.0, 1000.0, 1000.0, 5.0][len(given) :]
    with local_cluster(3) as cluster:
        port = int(cluster.url(cluster.leader()).rpartition(":")[2])
        found = deliver(
            "localhost",
            port,
            watchers=int(watchers),
            keys=int(keys),
            puts_per_s=puts_per_s,
            seconds=seconds,
        )
    print(f"{found.arrived} of {found.expected} events, {found.refused} puts refused, ", end="")
    print(f"{found.puts_per_s:.0f} puts/s")
    print("ms                       p50      p99    worst")
    for name, what in (
        ("put to answer", found.put),
        ("put to event", found.from_due),
        ("answer to event", found.from_answer),
    ):
        print(f"{name:20} {what.p50:7.2f}  {what.p99:7.2f}  {what.worst:7.2f}")


if __name__ == "__main__":
    main()
