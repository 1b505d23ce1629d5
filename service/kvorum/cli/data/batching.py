"""Entries of a file as batches that can be put side by side."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kvorum.cli.data.formats import Entry

BATCH_BYTES_MAX = 512 << 10
"""A batch with more than one entry stays below; nodes take three times as much by default."""


class Batch(NamedTuple):
    """Entries with different keys; ``first`` is the number of the first one in the file, from 0."""

    first: int
    entries: tuple[Entry, ...]

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(entry.key for entry in self.entries)


def batches(entries: Iterable[tuple[int, Entry]], count_max: int) -> Iterator[Batch]:
    """In order. A key that comes again begins a new batch, so that the last one stays."""
    waiting: list[Entry] = []
    keys: set[str] = set()
    first = size_bytes = 0
    for number, entry in entries:
        entry_bytes = _size_bytes(entry)
        is_full = len(waiting) == count_max or size_bytes + entry_bytes > BATCH_BYTES_MAX
        if waiting and (is_full or entry.key in keys):
            yield Batch(first, tuple(waiting))
            waiting, keys, size_bytes = [], set(), 0
        if not waiting:
            first = number
        waiting.append(entry)
        keys.add(entry.key)
        size_bytes += entry_bytes
    if waiting:
        yield Batch(first, tuple(waiting))


def _size_bytes(entry: Entry) -> int:
    """On its way to a node, at most: bytes grow by a third in Base64."""
    return len(entry.key) * 4 + len(entry.raw) * 4 // 3 + 100
