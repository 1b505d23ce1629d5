"""Keys in order against a sorted list; chunks are so short that they split and join often."""

from collections.abc import Iterator
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvorum.mvcc import ordered
from kvorum.mvcc.ordered import OrderedKeys

KEYS = st.integers(0, 60).map("{:02}".format)
SEQUENCES = st.lists(KEYS, max_size=120)


@pytest.fixture(autouse=True, scope="module")
def _short_chunks() -> Iterator[None]:
    with patch.multiple(ordered, CHUNK_KEYS=8, _LOADED_KEYS=6, _SHORT_KEYS=2):
        yield


def toggled(keys: list[str]) -> tuple[OrderedKeys[str], list[str]]:
    """Each key comes and goes and comes; what is left, twice."""
    ours: OrderedKeys[str] = OrderedKeys()
    model: set[str] = set()
    for key in keys:
        if key in model:
            model.remove(key)
            ours.remove(key)
        else:
            model.add(key)
            ours.add(key)
        assert_sound(ours)
    return ours, sorted(model)


def assert_sound(keys: OrderedKeys[str]) -> None:
    assert all(0 < len(chunk) <= ordered.CHUNK_KEYS for chunk in keys._chunks)
    assert [chunk[0] for chunk in keys._chunks] == keys._firsts
    assert len(keys) == sum(map(len, keys._chunks))


@given(SEQUENCES, KEYS, KEYS, st.integers(1, 20))
def test_agrees_with_a_sorted_list(keys: list[str], start: str, end: str, limit: int) -> None:
    ours, model = toggled(keys)
    assert list(ours) == model
    assert len(ours) == len(model)
    assert [key in ours for key in (start, end)] == [key in model for key in (start, end)]
    assert ours.rank(start) == sum(key < start for key in model)
    assert list(ours.after(start)) == [key for key in model if key > start]
    assert ours.following(start, limit) == [key for key in model if key > start][:limit]
    assert ours.following(None, limit) == model[:limit]
    for bound in (end, None):
        expected = [key for key in model if start <= key and (bound is None or key < bound)]
        assert list(ours.between(start, bound)) == expected
        assert list(ours.between(start, bound, reverse=True)) == expected[::-1]
        assert ours.count(start, bound) == len(expected)
    if model:
        assert (ours.first(), ours.last()) == (model[0], model[-1])


@given(SEQUENCES, st.lists(st.integers(0, 10), max_size=20), SEQUENCES)
def test_made_of_parts_in_order(keys: list[str], sizes: list[int], later: list[str]) -> None:
    """And as good as any other afterwards."""
    model, ours, rest = set(keys), OrderedKeys[str](), sorted(set(keys))
    for size in [*sizes, len(rest)]:
        ours.extend(rest[:size])
        rest = rest[size:]
        assert_sound(ours)
    assert list(ours) == list(OrderedKeys(model)) == sorted(model)
    for key in later:
        (ours.remove if key in model else ours.add)(key)
        model ^= {key}
        assert_sound(ours)
    assert list(ours) == sorted(model)


@given(st.lists(KEYS, min_size=1, unique=True), st.lists(KEYS, min_size=1))
def test_parts_out_of_order_are_refused(first: list[str], second: list[str]) -> None:
    ours = OrderedKeys(first)
    whole = [*sorted(first), *second]
    if whole == sorted(set(whole)):
        ours.extend(second)
        assert list(ours) == whole
    else:
        with pytest.raises(ValueError, match="not in order"):
            ours.extend(second)


@given(SEQUENCES)
def test_drained_in_steps(keys: list[str]) -> None:
    ours, _model = toggled(keys)
    chunks = len(ours._chunks)
    assert sum(1 for _ in ours.drain()) == chunks
    assert (list(ours), len(ours)) == ([], 0)
    ours.add("00")
    assert list(ours) == ["00"]
