"""The same loads in the words of kvorum's HTTP API and of etcd's, as bytes for the wire.

A dialect writes single requests; ``LOADS`` makes of them the list that the load generator sends
round and round. Nothing here touches a network.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

BATCH = 128
"""Keys of one import: as many operations as etcd takes in a transaction by default."""
RANGE = 100
READS_OF_TEN = 9
"""In the mix."""


class Keys(Struct, frozen=True):
    """``count`` keys below a prefix, each with its own text of ``value_bytes`` as its value.

    ``sample`` of them, evenly spread, take part in a load: a generator cannot hold a million.
    """

    prefix: str
    count: int = 1000
    value_bytes: int = 256
    sample: int = 100_000

    def name(self, number: int) -> str:
        return f"{self.prefix}{number:07}"

    def value(self, number: int) -> str:
        """JSON of ``value_bytes``: a text in quotes."""
        return f'"{self.name(number)}'.ljust(self.value_bytes - 1, "x") + '"'

    def sampled(self) -> Sequence[int]:
        return range(0, self.count, max(1, self.count // self.sample))

    def after(self, number: int) -> str:
        """The end of a range of ``RANGE`` keys that begins at ``number``."""
        return self.name(number + RANGE)


class Dialect(Protocol):
    """How one system wants to be asked."""

    def put(self, key: str, value: str) -> bytes: ...

    def get(self, key: str) -> bytes:
        """Linearizable, as everything that does not say otherwise."""

    def stale_get(self, key: str) -> bytes: ...

    def swap(self, key: str, value: str) -> bytes:
        """Compare with ``value``, and set the same: it holds again for the next one."""

    def range(self, first: str, end: str) -> bytes: ...

    def transaction(self, read: str, write: Sequence[tuple[str, str]]) -> bytes:
        """If the first key of ``write`` exists: write all of it, and read a key."""

    def batch(self, pairs: Sequence[tuple[str, str]]) -> bytes:
        """Write all at once."""

    def watch(self, key: str) -> bytes:
        """Ask for a stream of the changes of a key."""

    watch_opened: bytes
    """What the stream says when it has begun."""

    number_bytes: int
    """So many bytes of an event, behind ``"value":"``, hold the number of a ``number_value``."""

    def number_of(self, text: bytes) -> int:
        """The number out of those bytes."""


NUMBER_DIGITS = 11
"""With the quote before it twelve bytes, which base64 turns into whole characters."""


def number_value(number: int, value_bytes: int) -> str:
    """JSON of ``value_bytes``: a text that begins with the number."""
    return f'"{number:0{NUMBER_DIGITS}}'.ljust(value_bytes - 1, ".") + '"'


def http(method: str, path: str, body: str = "") -> bytes:
    """One request on a connection that stays open."""
    head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}\r\n{body}".encode()


def _compact(what: object) -> str:
    return json.dumps(what, separators=(",", ":"))


class KvorumDialect:
    """``/key``, ``/keys``, ``/txn`` and ``/batch``: see docs/rest.md."""

    def put(self, key: str, value: str) -> bytes:
        return http("PUT", f"/key/{key}", f'{{"value":{value}}}')

    def get(self, key: str) -> bytes:
        return http("GET", f"/key/{key}")

    def stale_get(self, key: str) -> bytes:
        return http("GET", f"/key/{key}?consistency=stale")

    def swap(self, key: str, value: str) -> bytes:
        return http("PATCH", f"/key/{key}", f'{{"oldValue":{value},"newValue":{value}}}')

    def range(self, first: str, end: str) -> bytes:
        return http("GET", f"/keys?start={first}&end={end}&limit={RANGE}")

    def transaction(self, read: str, write: Sequence[tuple[str, str]]) -> bytes:
        compare = [{"key": write[0][0], "target": "exists", "value": True}]
        then = [*_puts(write), {"get": {"key": read}}]
        return http("POST", "/txn", _compact({"compare": compare, "then": then}))

    def batch(self, pairs: Sequence[tuple[str, str]]) -> bytes:
        return http("POST", "/batch", _compact({"operations": _puts(pairs)}))

    watch_opened = b"event: opened"
    number_bytes = NUMBER_DIGITS

    def watch(self, key: str) -> bytes:
        return http("GET", f"/watch?key={key}")

    def number_of(self, text: bytes) -> int:
        return int(text)


def _puts(pairs: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    return [{"put": {"key": key, "value": json.loads(value)}} for key, value in pairs]


def base64(text: str) -> str:
    return b64encode(text.encode()).decode()


class EtcdDialect:
    """The JSON gateway of etcd 3, ``/v3/kv/…``: keys and values in base64."""

    def put(self, key: str, value: str) -> bytes:
        return http("POST", "/v3/kv/put", _compact(self._put(key, value)))

    def get(self, key: str) -> bytes:
        return http("POST", "/v3/kv/range", _compact({"key": base64(key)}))

    def stale_get(self, key: str) -> bytes:
        asked = {"key": base64(key), "serializable": True}
        return http("POST", "/v3/kv/range", _compact(asked))

    def swap(self, key: str, value: str) -> bytes:
        compare = {"key": base64(key), "target": "VALUE", "value": base64(value)}
        return self._txn([compare], [{"requestPut": self._put(key, value)}])

    def range(self, first: str, end: str) -> bytes:
        asked = {"key": base64(first), "range_end": base64(end), "limit": RANGE}
        return http("POST", "/v3/kv/range", _compact(asked))

    def transaction(self, read: str, write: Sequence[tuple[str, str]]) -> bytes:
        exists = {
            "key": base64(write[0][0]),
            "target": "CREATE",
            "result": "GREATER",
            "create_revision": 0,
        }
        puts = [{"requestPut": self._put(key, value)} for key, value in write]
        return self._txn([exists], [*puts, {"requestRange": {"key": base64(read)}}])

    def batch(self, pairs: Sequence[tuple[str, str]]) -> bytes:
        return self._txn([], [{"requestPut": self._put(key, value)} for key, value in pairs])

    watch_opened = b'"created":true'
    number_bytes = (1 + NUMBER_DIGITS) // 3 * 4

    def watch(self, key: str) -> bytes:
        return http("POST", "/v3/watch", _compact({"create_request": {"key": base64(key)}}))

    def number_of(self, text: bytes) -> int:
        return int(b64decode(text)[1:])  # etcd's values are what kvorum's look like

    def _put(self, key: str, value: str) -> dict[str, str]:
        return {"key": base64(key), "value": base64(value)}

    def _txn(self, compare: list[dict[str, Any]], success: list[dict[str, Any]]) -> bytes:
        return http("POST", "/v3/kv/txn", _compact({"compare": compare, "success": success}))


class Load(Struct, frozen=True):
    """What a load asks; ``writes`` is how many writes of a key one request makes on average."""

    title: str
    requests: Callable[[Dialect, Keys], list[bytes]]
    writes: float
    per_request: int = 1
    """Operations that count: a rate is given in these."""


def _puts_of(dialect: Dialect, keys: Keys) -> list[bytes]:
    return [dialect.put(keys.name(number), keys.value(number)) for number in keys.sampled()]


def _gets_of(dialect: Dialect, keys: Keys) -> list[bytes]:
    return [dialect.get(keys.name(number)) for number in keys.sampled()]


def _stale_gets_of(dialect: Dialect, keys: Keys) -> list[bytes]:
    return [dialect.stale_get(keys.name(number)) for number in keys.sampled()]


def _mix_of(dialect: Dialect, keys: Keys) -> list[bytes]:
    puts, gets = _puts_of(dialect, keys), _gets_of(dialect, keys)
    every = READS_OF_TEN + 1
    return [(gets if at % every else puts)[at] for at in range(len(puts))]


def _swaps_of(dialect: Dialect, keys: Keys) -> list[bytes]:
    return [dialect.swap(keys.name(number), keys.value(number)) for number in keys.sampled()]


def _ranges_of(dialect: Dialect, keys: Keys) -> list[bytes]:
    begins = (number for number in keys.sampled() if number + RANGE <= keys.count)
    return [dialect.range(keys.name(number), keys.after(number)) for number in begins]


def _transactions_of(dialect: Dialect, keys: Keys) -> list[bytes]:
    def pair(number: int) -> tuple[str, str]:
        return keys.name(number % keys.count), keys.value(number % keys.count)

    return [
        dialect.transaction(pair(number + 2)[0], [pair(number), pair(number + 1)])
        for number in keys.sampled()
    ]


def batches(dialect: Dialect, keys: Keys, size: int = BATCH) -> list[bytes]:
    """Requests that write all keys, ``size`` at a time."""
    return list(each_batch(dialect, keys, size))


def each_batch(dialect: Dialect, keys: Keys, size: int = BATCH) -> Iterator[bytes]:
    """The same, made one by one."""
    for at in range(0, keys.count, size):
        numbers = range(at, min(at + size, keys.count))
        yield dialect.batch([(keys.name(n), keys.value(n)) for n in numbers])


def _whole_batches_of(dialect: Dialect, keys: Keys) -> list[bytes]:
    return batches(dialect, keys)[: keys.count // BATCH]


LOADS: Mapping[str, Load] = {
    "put": Load("put", _puts_of, 1),
    "get": Load("linearizable get", _gets_of, 0),
    "stale": Load("stale get", _stale_gets_of, 0),
    "mix": Load("90 % get, 10 % put", _mix_of, 1 / (READS_OF_TEN + 1)),
    "cas": Load("compare-and-set", _swaps_of, 1),
    "range": Load("range of 100 keys", _ranges_of, 0),
    "txn": Load("transaction: compare, 2 puts, get", _transactions_of, 2),
    "batch": Load("keys in batches of 128", _whole_batches_of, BATCH, BATCH),
}
