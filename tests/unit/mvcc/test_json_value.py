"""Comparison of JSON texts, and the limit on their nesting, case by case."""

import pytest

from kvorum.mvcc.json_value import NESTING_MAX, check_nesting, json_equal

EQUAL = [
    ("1", "1.0"),
    ("1", "1e0"),
    ("100", "1E+2"),
    ("0.01", "1e-02"),
    ("-5", "-0.5e1"),
    ("0", "-0"),
    ("0", "0.000e99999999999999999999"),
    ("9007199254740993", "9007199254740993.0"),
    ("1e999999999999", "10e999999999998"),
    ("1e-999999999999", "0.1e-999999999998"),
    ("1e1000000000000000000", "10e999999999999999999"),
    ("1e" + "9" * 40, "0.1e1" + "0" * 40),
    ("1e-" + "9" * 40, "10e-1" + "0" * 40),
    ("1" + "0" * 5000, "1e5000"),
    ("null", " null\r\n\t"),
    ('"\\u0041\\/\\n"', '"A/\\u000a"'),
    ('"\\ud83d\\ude00"', '"\N{GRINNING FACE}"'),
    ('"\\ud800"', '"\\uD800"'),
    ('{"a":1,"b":2}', '{"b":2,"a":1}'),
    ('{"a":0,"a":1}', '{"a":1.0}'),
    ('{"\\u0061":1}', '{"a":1}'),
    ('[{"a":[1,{}]}]', '[ { "a" : [ 1.0 , { } ] } ]'),
]

UNEQUAL = [
    ("9007199254740993", "9007199254740992.0"),
    ("0.1", "0.1000000000000000055511151231257827"),
    ("1", "-1"),
    ("1", "10"),
    ("1e999999999999", "1e999999999998"),
    ("1e400", "1e401"),
    ("1e-400", "0"),
    ("9" * 5000, "9" * 4999 + "8"),
    ("true", "1"),
    ("false", "0"),
    ("null", "0"),
    ("null", "false"),
    ('"1"', "1"),
    ('""', "null"),
    ("[]", "{}"),
    ("[1,2]", "[2,1]"),
    ("[1]", "[1,1]"),
    ('["","1","1"]', "1"),
    ('{"a":1}', '{"a":1,"b":null}'),
    ('{"a":1,"a":0}', '{"a":1}'),
    ('"\\ud800"', '"\\ud801"'),
    ('"é"', '"e\\u0301"'),
]

NOT_JSON = ["", " ", "nul", "NaN", "Infinity", "-", "01", "1.", ".5", "+1", "[1,]", '{"a"}']
NOT_JSON += ['"\t"', '"\\x"', '"\\u12"', '"', "1 2", "[", "]", "\ufeff1", "٣", "'a'", "{1:1}"]


@pytest.mark.parametrize(("a", "b"), EQUAL)
def test_equal(a: str, b: str) -> None:
    assert json_equal(a.encode(), b.encode())
    assert json_equal(b.encode(), a.encode())


@pytest.mark.parametrize(("a", "b"), UNEQUAL)
def test_unequal(a: str, b: str) -> None:
    assert not json_equal(a.encode(), b.encode())
    assert not json_equal(b.encode(), a.encode())


@pytest.mark.parametrize("text", NOT_JSON)
def test_what_is_not_json_equals_only_itself(text: str) -> None:
    assert json_equal(text.encode(), text.encode())
    assert not json_equal(text.encode(), f"{text} ".encode())
    assert not json_equal(text.encode(), b"1")


def test_bytes_that_are_not_utf8_equal_only_themselves() -> None:
    assert json_equal(b'"\xff"', b'"\xff"')
    assert not json_equal(b'"\xff"', b'"\xff" ')
    assert not json_equal('"a"'.encode("utf-16"), b'"a"')


def test_nesting_at_the_limit_is_compared_and_beyond_it_only_byte_for_byte() -> None:
    def nested(levels: int, core: bytes) -> bytes:
        return b"[" * levels + core + b"]" * levels

    assert json_equal(nested(NESTING_MAX, b"1"), nested(NESTING_MAX, b"1.0"))
    for levels in (NESTING_MAX + 1, 200_000):
        assert json_equal(nested(levels, b"1"), nested(levels, b"1"))
        assert not json_equal(nested(levels, b"1"), nested(levels, b"1.0"))


@pytest.mark.parametrize(
    "text",
    [
        b"[" * NESTING_MAX + b"]" * NESTING_MAX,
        b'{"a":[' * (NESTING_MAX // 2) + b"1" + b"]}" * (NESTING_MAX // 2),
        b"[[]," + b"[" * (NESTING_MAX - 1) + b"]" * (NESTING_MAX - 1) + b"]",
        b"[" + b"[]," * 500 + b"{}]",
        b'"' + b"[{" * 500 + b'"',
        b'["' + b'\\"[' * 500 + b'"]',
        b'["\\\\","' + b"[" * 500 + b'"]',
        b'["\\\\\\"' + b"[" * 500 + b'"]',
    ],
)
def test_shallow_values_pass(text: bytes) -> None:
    check_nesting(text)


@pytest.mark.parametrize(
    "text",
    [
        b"[" * (NESTING_MAX + 1) + b"]" * (NESTING_MAX + 1),
        b'{"a":[' * NESTING_MAX + b"1" + b"]}" * NESTING_MAX,
        b'["]]]\\"]]",' + b"[" * NESTING_MAX + b"]" * NESTING_MAX + b"]",
        b'["\\\\",' + b"[" * NESTING_MAX + b"]" * NESTING_MAX + b"]",
        b"[" * 1_000_000,
    ],
)
def test_deep_values_are_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="nested deeper than 100 levels"):
        check_nesting(text)
