"""Who has to be cut off, so that what waits for slow readers stays bounded."""

from collections.abc import Iterable

from kvorum.node.watch_feed import Feed
from kvorum.node.watching import Watch

LOOKS_PER_EVENT = 16
"""At watches of a feed. A feed of more is looked at less often, so that its watches may have
a few events more than the limit: one in 16 of their number."""


def lagging(feed: Feed[Watch], events_max: int) -> list[Watch]:
    """Those for whom more than ``events_max`` wait; also sets when to look again."""
    total = feed.tail.events_before
    late, slowest = list[Watch](), total
    for watch in feed.watches:
        before = watch.waiting.events_before
        if total - before > events_max:
            late.append(watch)
        elif before < slowest:
            slowest = before
    feed.check_above = max(slowest + events_max, total + len(feed.watches) // LOOKS_PER_EVENT)
    return late


def waiting_bytes(feeds: Iterable[Feed[Watch]]) -> int:
    """In all feeds, for the slowest reader of each; sets what each counts as taken."""
    total = 0
    for feed in feeds:
        places = (watch.waiting.bytes_before for watch in feed.watches)
        feed.counted_bytes = min(places, default=feed.tail.bytes_before)
        total += feed.tail.bytes_before - feed.counted_bytes
    return total


def heaviest(feeds: Iterable[Feed[Watch]]) -> list[Watch]:
    """Those for whom most bytes wait: more than half of what waits for the worst of all."""
    waiting = [
        (feed.tail.bytes_before - watch.waiting.bytes_before, watch)
        for feed in feeds
        for watch in feed.watches
    ]
    worst = max((size for size, _ in waiting), default=0)
    return [watch for size, watch in waiting if size > worst // 2]
