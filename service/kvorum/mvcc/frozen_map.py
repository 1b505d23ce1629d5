"""What an ordered map held at one moment, read bit by bit while it is written to."""

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
    the size of the map. Keys that came later are passed over.
    """

    __slots__ = ("_after", "_former", "_get", "_is_read", "_keys", "_lost")

    def __init__(self, keys: OrderedKeys[K], get: Callable[[K], V | None]) -> None:
        self._keys = keys
        self._get = get
        self._former: dict[K, V | None] = {}
        self._lost: OrderedKeys[K] = OrderedKeys()  # that the map held, but not any more or anew
        self._after: K | None = None  # all up to this key are read
        self._is_read = False

    def keep(self, key: K, old: V | None) -> None:
        """The value of ``key`` is about to be set; None: there is none until now."""
        if not self._is_read and (self._after is None or key > self._after):
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
        while not items and not self._is_read:
            for key in self._next_keys():
                value = former.pop(key) if former and key in former else get(key)
                if value is not None:
                    items.append((key, value))
        return items

    def _next_keys(self) -> list[K]:
        """Present and lost ones up to a key where both are known; moves on behind it."""
        keys = self._keys.following(self._after, READ_ITEMS)
        lost = self._lost.following(self._after, READ_ITEMS)
        ends = [some[-1] for some in (keys, lost) if len(some) == READ_ITEMS]
        if ends:
            self._after = min(ends)
        else:
            self._is_read = True
        if not lost:
            return keys
        after = self._after
        both = sorted({*keys, *lost})
        return [key for key in both if key <= after] if ends and after is not None else both
