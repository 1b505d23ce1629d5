"""What an ordered map held at one moment, read bit by bit while it is written to."""

from bisect import bisect_right
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from kvorum.mvcc.ordered import K, OrderedKeys

READ_ITEMS: Final = 256

V = TypeVar("V")


class FrozenMap(Generic[K, V]):
    """Read once, in the order of the keys; values must be immutable.

    The map is described by its keys in order and by how to get a key's value. Whoever changes
    it says so before: ``keep`` if a value is about to be set, ``lose`` if a key is about to go.
    Of what is not read yet the old value is then kept beside, at a cost that does not depend on
    the size of the map. Keys that came later are passed over, those behind the last one at once.
    """

    __slots__ = ("_after", "_former", "_get", "_keys", "_last", "_lost")

    def __init__(self, keys: OrderedKeys[K], get: Callable[[K], V | None]) -> None:
        self._keys = keys
        self._get = get
        self._former: dict[K, V | None] = {}
        self._lost: OrderedKeys[K] = OrderedKeys()  # that the map held, but not any more or anew
        self._after: K | None = None  # all up to this key are read
        self._last = keys.last() if len(keys) else None  # None: there is nothing left to read

    def keep(self, key: K, old: V | None) -> None:
        """The value of ``key`` is about to be set; None: there is none until now."""
        last, after = self._last, self._after
        if last is not None and key <= last and (after is None or key > after):
            self._former.setdefault(key, old)

    def lose(self, key: K, old: V) -> None:
        """``key`` is about to be removed."""
        self.keep(key, old)
        if self._former.get(key) is not None and key not in self._lost:
            self._lost.add(key)

    def read(self) -> list[tuple[K, V]]:
        """The next items, about ``READ_ITEMS`` of them; none at the end."""
        items: list[tuple[K, V]] = []
        former, get = self._former, self._get
        while not items and (last := self._last) is not None:
            for key in self._next_keys(last):
                value = former.pop(key) if former and key in former else get(key)
                if value is not None:
                    items.append((key, value))
        return items

    def _next_keys(self, last: K) -> list[K]:
        """Present and lost ones up to a key where both are known; moves on behind it."""
        keys = self._keys.following(self._after, READ_ITEMS)
        lost = self._lost.following(self._after, READ_ITEMS)
        self._after = after = min(
            (some[-1] for some in (keys, lost) if len(some) == READ_ITEMS), default=last
        )
        if after >= last:
            self._last = None
        both = sorted({*keys, *lost}) if lost else keys
        return both[: bisect_right(both, min(after, last))]
