"""Which of two JSON texts is less, exactly and without surprises."""

import pytest

from kvorum.mvcc.json_order import json_less
from kvorum.mvcc.json_value import EXACT_BYTES_MAX

NUMBERS = [
    "-1e400",
    "-123456789012345678901234567890.5",
    "-123456789012345678901234567890",
    "-20",
    "-2",
    "-1.5",
    "-1e-400",
    "0",
    "1e-" + "9" * 6000,
    "1e-400",
    "0.00001",
    "1",
    "1.0000000000000000000000001",
    "2",
    "15",
    "100",
    "1e3",
    "9007199254740992",
    "9007199254740993",
    "1e400",
    "2e400",
    "1e401",
    "9" * 5000,
    "1e" + "1" + "0" * 6000,
    "1e" + "9" * 6001,
]


def test_numbers_by_value_however_large() -> None:
    for low, a in enumerate(NUMBERS):
        for high, b in enumerate(NUMBERS):
            assert json_less(a.encode(), b.encode()) == (low < high), (a[:40], b[:40])


@pytest.mark.parametrize(
    ("a", "b"), [("-0", "0e5"), ("1.0", "1"), ("10", "1e1"), ("-2.50", "-25e-1")]
)
def test_equal_numbers_in_other_words(a: str, b: str) -> None:
    assert not json_less(a.encode(), b.encode())
    assert not json_less(b.encode(), a.encode())


def test_strings_by_code_point() -> None:
    words = ["", "A", "Z", "a", "aa", "ab", "é", "\uffff", "\U0001f600"]
    for low, a in enumerate(words):
        for high, b in enumerate(words):
            assert json_less(f'"{a}"'.encode(), f' "{b}" '.encode()) == (low < high)
    assert json_less(rb'"\u0041"', b'"B"')
    assert not json_less(b'"A"', rb'"\u0041"')


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("1", '"2"'),
        ('"1"', "2"),
        ("false", "true"),
        ("null", "1"),
        ("[1]", "[2]"),
        ('{"a":1}', '{"a":2}'),
        ("1", "2 x"),
        ("01", "2"),
        ("-", "2"),
        ("1", "NaN"),
        ("-Infinity", "1"),
        ("", "1"),
        (" ", '"a"'),
        ('"a', '"b"'),
        ('"a"', '"b" "c"'),
        ("1", "2,3"),
    ],
)
def test_nothing_else_has_an_order(a: str, b: str) -> None:
    assert not json_less(a.encode(), b.encode())
    assert not json_less(b.encode(), a.encode())


def test_not_utf8_has_none() -> None:
    assert not json_less(b'"a"', b'"\xff"')


def test_very_long_texts() -> None:
    """Numbers are compared digit by digit, which may take only so long."""
    longest = b"1" + b" " * (EXACT_BYTES_MAX - 1)
    assert json_less(longest, b"2")
    assert not json_less(longest + b" ", b"2")
    a, b = b'"%s"' % (b"a" * EXACT_BYTES_MAX), b'"%sb"' % (b"a" * EXACT_BYTES_MAX)
    assert json_less(a, b)
    assert not json_less(b, a)


def test_brackets_inside_a_string_do_not_nest() -> None:
    assert json_less(b'"%s"' % (b"[" * 500), b'"%s"' % (b"[" * 501))
