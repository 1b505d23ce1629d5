"""Comparing large values must not stall a node, whatever a client sends."""

import json
import os
import subprocess
import sys

import pytest

from kvorum.mvcc import json_value
from kvorum.mvcc.json_value import EXACT_BYTES_MAX, SPELLING_BYTES_MIN, json_equal

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


LONG_INTEGERS = """
from kvorum.mvcc.json_value import json_equal
blanks = b" " * 70_000
for digits in (15, 19, 20, 308, 309, 700, 4_300, 5_000):
    number = b"[1" + b"0" * digits + b"]"
    assert json_equal(number + blanks, b" " + number), digits
    assert not json_equal(number + blanks, number[:-2] + b"1]"), digits
assert not json_equal(b'["1"]' + blanks, b"[1]")
assert not json_equal(b"[true]" + blanks, b"[1.0]")
assert not json_equal(b"[1e999]" + blanks, b"[null]")
assert json_equal(b"[1e2, -0.50]" + blanks, b"[100.0, -5e-1]")
"""


@pytest.mark.parametrize("digits_max", ["0", "640", "4300"])
def test_long_integers_in_large_values_obey_no_setting(digits_max: str) -> None:
    """Two replicas must not differ by an environment variable of Python's."""
    environment = {**os.environ, "PYTHONINTMAXSTRDIGITS": digits_max}
    subprocess.run([sys.executable, "-c", LONG_INTEGERS], check=True, env=environment)


@pytest.mark.parametrize("operand", [b"1", b"[1]", b'"x"', b"null", b"[" + b" " * 3_000 + b"1]"])
@pytest.mark.parametrize("length", [SPELLING_BYTES_MIN + 50_000, EXACT_BYTES_MAX + 50_000])
def test_a_large_value_is_not_parsed_to_tell_it_from_a_small_one(
    monkeypatch: pytest.MonkeyPatch, length: int, operand: bytes
) -> None:
    def count(text: bytes) -> None:
        raise AssertionError(f"{len(text)} bytes are parsed")

    monkeypatch.setattr(json_value, "check_nesting", count)
    assert not json_equal(b"[" + b"1," * (length // 2) + b"1]", operand)
    assert not json_equal(operand, b' {"a": [' + b"1," * (length // 2) + b"1]}")


def test_spellings_may_differ_a_good_deal_in_length() -> None:
    value = b"[" + b",".join([b"1"] * SPELLING_BYTES_MIN) + b"]"
    assert json_equal(value, value.replace(b",", b"," + b" " * 14))
    assert not json_equal(value, value.replace(b",", b"," + b" " * 40))
    assert json_equal(b" " * 100_000 + b"[1]", b"[1]"), "what is around it is left aside"
    assert json_equal(b"1." + b"0" * 60_000, b"1"), "numbers are any length"
