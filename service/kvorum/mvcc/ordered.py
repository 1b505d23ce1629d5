"""Keys in order that come and go at little cost however many there are.

The keys lie in sorted chunks of bounded length, and the first of each chunk is listed beside
them: a place is found by two binary searches. A chunk is a tuple, made anew whenever it changes:
of tuples without references the garbage collector lets go, but it would look at every key in a
list, and hold up everybody for that. Keys that come in order are appended as they are, and all
can be let go of bit by bit.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from operator import lt
from typing import Any, Final, Generic, Protocol, TypeVar

CHUNK_KEYS: Final = 64
"""A chunk that grows longer is split into halves."""
_LOADED_KEYS: Final = CHUNK_KEYS * 3 // 4
"""Chunks made of keys that come in order: the next additions split none."""
_SHORT_KEYS: Final = CHUNK_KEYS // 4
"""A chunk that gets shorter is joined with a neighbour."""


class Sortable(Protocol):
    """Compares with its own kind."""

    def __lt__(self, other: Any, /) -> bool: ...
    def __le__(self, other: Any, /) -> bool: ...
    def __gt__(self, other: Any, /) -> bool: ...
    def __ge__(self, other: Any, /) -> bool: ...


K = TypeVar("K", bound=Sortable)


class OrderedKeys(Generic[K]):
    """Each key once, smallest first; finding, adding and removing take O(log n) comparisons.

    Nothing may come or go while one iterates.
    """

    __slots__ = ("_chunks", "_firsts", "_len")

    def __init__(self, keys: Iterable[K] = ()) -> None:
        """``keys`` in any order, none of them twice."""
        self._chunks: list[tuple[K, ...]] = []  # none of them empty
        self._firsts: list[K] = []
        self._len = 0
        self.extend(sorted(keys))

    def __len__(self) -> int:
        return self._len

    def __iter__(self) -> Iterator[K]:
        return chain.from_iterable(self._chunks)

    def __contains__(self, key: K) -> bool:
        number = bisect_right(self._firsts, key) - 1
        if number < 0:
            return False
        chunk = self._chunks[number]
        position = bisect_left(chunk, key)
        return position < len(chunk) and chunk[position] == key

    def add(self, key: K) -> None:
        """One that is not there yet: the caller knows."""
        self._len += 1
        firsts = self._firsts
        number = bisect_right(firsts, key) - 1
        if number < 0:
            if not firsts:
                firsts.append(key)
                self._chunks.append((key,))
                return
            number, firsts[0] = 0, key
        chunk = list(self._chunks[number])
        insort(chunk, key)
        self._chunks[number] = tuple(chunk)
        if len(chunk) > CHUNK_KEYS:
            self._split(number)

    def remove(self, key: K) -> None:
        """One that is there: the caller knows."""
        number = bisect_right(self._firsts, key) - 1
        chunk = list(self._chunks[number])
        position = bisect_left(chunk, key)
        assert chunk[position] == key, "only what is there can be removed"
        del chunk[position]
        self._chunks[number] = tuple(chunk)
        self._len -= 1
        if not chunk:
            del self._chunks[number], self._firsts[number]
            return
        if position == 0:
            self._firsts[number] = chunk[0]
        if len(chunk) < _SHORT_KEYS and len(self._chunks) > 1:
            self._merge(number)

    def extend(self, keys: Sequence[K]) -> None:
        """Keys in order, behind all that are here. Raises ``ValueError`` for any other."""
        if not keys:
            return
        last = self._chunks[-1] if self._chunks else ()
        if not all(map(lt, keys, keys[1:])) or (last and last[-1] >= keys[0]):
            raise ValueError("keys are not in order")
        start = 0
        if last:
            start = max(0, _LOADED_KEYS - len(last))
            self._chunks[-1] = (*last, *keys[:start])
        for at in range(start, len(keys), _LOADED_KEYS):
            self._chunks.append(tuple(keys[at : at + _LOADED_KEYS]))
            self._firsts.append(keys[at])
        self._len += len(keys)

    def first(self) -> K:
        """The smallest; there has to be one."""
        return self._firsts[0]

    def last(self) -> K:
        """The greatest; there has to be one."""
        return self._chunks[-1][-1]

    def rank(self, key: K) -> int:
        """How many are smaller than ``key``; adds up the lengths of the chunks before."""
        number = bisect_right(self._firsts, key) - 1
        if number < 0:
            return 0
        before = sum(map(len, islice(self._chunks, number)))
        return before + bisect_left(self._chunks[number], key)

    def count(self, start: K, end: K | None) -> int:
        """How many there are from ``start`` up to ``end``; adds up the chunks in between."""
        if end is not None and end <= start:
            return 0
        low = max(0, bisect_right(self._firsts, start) - 1)
        high = len(self._chunks) if end is None else bisect_left(self._firsts, end)
        if low >= high:
            return 0
        count = sum(map(len, islice(self._chunks, low, high)))
        count -= bisect_left(self._chunks[low], start)
        if end is not None:
            last = self._chunks[high - 1]
            count -= len(last) - bisect_left(last, end)
        return count

    def following(self, after: K | None, limit: int) -> list[K]:
        """The first ``limit`` keys greater than ``after``; of all keys for None."""
        found: list[K] = []
        number = 0 if after is None else max(0, bisect_right(self._firsts, after) - 1)
        for chunk in islice(self._chunks, number, None):
            start = 0 if after is None or found else bisect_right(chunk, after)
            found += chunk[start : start + limit - len(found)]
            if len(found) >= limit:
                break
        return found

    def after(self, key: K) -> Iterator[K]:
        """Those greater than ``key``."""
        up = self.between(key, None)
        first = next(up, None)
        return up if first is None or first == key else chain((first,), up)

    def between(self, start: K, end: K | None, *, reverse: bool = False) -> Iterator[K]:
        """From ``start`` up to, but without, ``end``; None: there is no upper bound."""
        pieces = self._pieces_down(start, end) if reverse else self._pieces_up(start, end)
        return chain.from_iterable(pieces)

    def drain(self) -> Iterator[None]:
        """Give the keys back to memory in small steps."""
        self._firsts.clear()
        self._len = 0
        while self._chunks:
            self._chunks.pop()
            yield

    def _pieces_up(self, start: K, end: K | None) -> Iterator[tuple[K, ...]]:
        first = max(0, bisect_right(self._firsts, start) - 1)
        for chunk in islice(self._chunks, first, None):
            low, high = _part(chunk, start, end)
            yield chunk[low:high]
            if high < len(chunk):
                return

    def _pieces_down(self, start: K, end: K | None) -> Iterator[tuple[K, ...]]:
        chunks = self._chunks
        last = len(chunks) if end is None else bisect_left(self._firsts, end)
        for number in range(last - 1, -1, -1):
            low, high = _part(chunks[number], start, end)
            yield chunks[number][low:high][::-1]
            if low:
                return

    def _split(self, number: int) -> None:
        chunk = self._chunks[number]
        half = chunk[CHUNK_KEYS // 2 :]
        self._chunks[number] = chunk[: CHUNK_KEYS // 2]
        self._chunks.insert(number + 1, half)
        self._firsts.insert(number + 1, half[0])

    def _merge(self, number: int) -> None:
        """Join a short chunk with a neighbour, so that few keys do not lie in many chunks."""
        left = number - 1 if number else 0
        chunks, firsts = self._chunks, self._firsts
        chunks[left] += chunks[left + 1]
        del chunks[left + 1], firsts[left + 1]
        if len(chunks[left]) > CHUNK_KEYS:
            self._split(left)


def _part(chunk: tuple[K, ...], start: K, end: K | None) -> tuple[int, int]:
    """Where the keys from ``start`` up to ``end`` are in a chunk."""
    low = 0 if chunk[0] >= start else bisect_left(chunk, start)
    high = len(chunk) if end is None or chunk[-1] < end else bisect_left(chunk, end)
    return low, high
