"""Slices of the history: every watch reads all of its own, whoever read before it."""

from random import Random

import pytest

from kvorum.errors import Compacted
from kvorum.mvcc.query import prefix_range, single_key
from kvorum.node.views import Change
from kvorum.node.watch_feed import Selector
from kvorum.node.watch_history import SLICE_EVENTS, SLICES_MAX, Past
from tests.support.fake_history import FakeHistory

ALL = Selector(prefix_range(b""))


def history_of(revisions: int) -> FakeHistory:
    history = FakeHistory()
    for number in range(revisions):
        history.put(b"%d" % (number % 7))
    return history


def read_all(past: Past, selector: Selector, after: int, upto: int) -> list[Change]:
    changes = list[Change]()
    while after < upto:
        more, after = past.read(selector, after)
        changes += more
    return changes


def test_readers_of_the_same_keys_are_given_the_same_changes() -> None:
    past = Past(history_of(100))
    one, _ = past.read(ALL, 0)
    other, _ = past.read(Selector(prefix_range(b"")), 0)
    assert all(mine is theirs for mine, theirs in zip(one, other, strict=True))


def test_a_reader_that_comes_later_gets_what_comes_later() -> None:
    past = Past(history_of(100))
    past.read(ALL, 0)
    changes, upto = past.read(ALL, 40)
    assert [change.revision for change in changes] == list(range(41, 101))
    assert upto == 100


def test_the_history_is_read_once_however_many_read() -> None:
    history = history_of(5 * SLICE_EVENTS)
    past = Past(history)
    for key in range(7):
        read_all(past, Selector(single_key(b"%d" % key)), 0, history.revision)
    assert history.slices_read == 5


def test_any_order_of_readers() -> None:
    random = Random(1)
    history = history_of(3000)
    past = Past(history)
    for _ in range(50):
        after, key = random.randrange(3000), b"%d" % random.randrange(7)
        changes = read_all(past, Selector(single_key(key)), after, 3000)
        expected = [event for event in history.all if event.key == key and event.revision > after]
        assert [event for change in changes for event in change.events] == expected


def test_what_is_kept_is_bounded() -> None:
    history = history_of(SLICES_MAX + 20)
    past = Past(history)
    for after in range(history.revision - 1, -1, -1):
        changes, _ = past.read(ALL, after)
        assert changes[0].revision == after + 1
    assert len(past._slices) <= SLICES_MAX


def test_large_values_make_short_slices() -> None:
    history = FakeHistory()
    for _ in range(10):
        history.put(b"a", b"x" * 200_000)
    changes, upto = Past(history).read(ALL, 0)
    assert 0 < upto < 10
    assert [change.revision for change in changes] == list(range(1, upto + 1))


def test_compacted() -> None:
    history = history_of(10)
    history.compact(5)
    with pytest.raises(Compacted):
        Past(history).read(ALL, 4)
