"""Which feeds an event concerns, without asking each of them."""

from collections.abc import Iterator
from typing import Generic, TypeVar

from kvorum.node.watch_feed import Feed, Selector
from kvorum.node.watch_places import Places
from kvorum.node.watch_ranges import RangeFeeds

W = TypeVar("W")

EVENT_WORK = 20
LENGTH_WORK = 6
"""In tenths of a microsecond: an event, and for each length of prefixes; more or less."""


class FeedIndex(Generic[W]):
    """Feeds of single keys by key, of prefixes by length and prefix; of ranges by stretch."""

    def __init__(self) -> None:
        self.places = Places()
        """A selector takes one before it gets a feed, and has it until its feed is dropped."""
        self._feeds: dict[Selector, Feed[W]] = {}
        self._keys: dict[bytes, list[Feed[W]]] = {}
        self._prefixes: dict[int, dict[bytes, list[Feed[W]]]] = {}
        self._ranges: RangeFeeds[W] = RangeFeeds()
        self._work = 0

    def __len__(self) -> int:
        return len(self._feeds)

    def __iter__(self) -> Iterator[Feed[W]]:
        return iter(self._feeds.values())

    @property
    def work(self) -> int:
        """All that :meth:`matching` did so far, in tenths of a microsecond."""
        return self._work + self._ranges.work

    def feed(self, selector: Selector) -> Feed[W]:
        """The feed of ``selector``; a new one if there is none yet."""
        feed = self._feeds.get(selector)
        if feed is None:
            feed = self._feeds[selector] = Feed(selector)
            self._add(feed)
        return feed

    def drop(self, feed: Feed[W]) -> None:
        """Nobody watches it any more."""
        del self._feeds[feed.selector]
        start = feed.selector.keys.start
        match self.places.kind(feed.selector):
            case "key":
                _remove(self._keys, start, feed)
            case "prefix":
                length = len(start)
                _remove(self._prefixes[length], start, feed)
                if not self._prefixes[length]:
                    del self._prefixes[length]
            case "range":
                self._ranges.drop(feed)

    def _add(self, feed: Feed[W]) -> None:
        start = feed.selector.keys.start
        match self.places.kind(feed.selector):
            case "key":
                self._keys.setdefault(start, []).append(feed)
            case "prefix":
                self._prefixes.setdefault(len(start), {}).setdefault(start, []).append(feed)
            case "range":
                self._ranges.add(feed)

    def matching(self, key: bytes) -> list[Feed[W]]:
        """The feeds of all sets that have ``key``."""
        self._work += EVENT_WORK + LENGTH_WORK * len(self._prefixes)
        found = list(self._keys.get(key, ()))
        for length, prefixes in self._prefixes.items():
            found += prefixes.get(key[:length], ())
        found += self._ranges.matching(key)
        return found


K = TypeVar("K")


def _remove(feeds: dict[K, list[Feed[W]]], at: K, feed: Feed[W]) -> None:
    feeds[at].remove(feed)
    if not feeds[at]:
        del feeds[at]
