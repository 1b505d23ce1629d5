"""Comparing large values must not stall a node, whatever a client sends."""

import json
import sys

from kvorum.mvcc.json_value import EXACT_BYTES_MAX, json_equal

NUMBERS = b"[" + b",".join([b"-1"] * EXACT_BYTES_MAX) + b"]"


def test_large_values_are_equal_whatever_their_layout() -> None:
    one = json.dumps({"b": "\u00fc" * EXACT_BYTES_MAX, "a": [1, 2.50, True, None]}).encode()
    other = json.dumps(
        {"a": [1, 2.5, True, None], "b": "ü" * EXACT_BYTES_MAX}, ensure_ascii=False, indent=1
    ).encode()
    assert json_equal(one, other)
    assert not json_equal(one, other.replace(b"true", b"1"))


def test_large_values_do_not_take_integers_for_floats() -> None:
    """The price of comparing them without looking into their numbers."""
    assert not json_equal(NUMBERS, NUMBERS.replace(b"-1]", b"-1.0]"))
    assert json_equal(b"[-1]", b"[-1.0]")


def test_numbers_are_not_compared_one_by_one_in_python() -> None:
    """Counted, not timed: the exact parser calls back for every number."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        assert not json_equal(NUMBERS, NUMBERS + b" " * 10 + b"x")
        assert json_equal(NUMBERS, NUMBERS.replace(b",", b", "))
        assert not json_equal(NUMBERS[: EXACT_BYTES_MAX // 4 * 3 - 2] + b"]", b"[-1]")
    finally:
        sys.setprofile(None)
    assert calls < 100
