"""Comparison of JSON texts against a model: values are drawn, then written in any way."""

import json
from fractions import Fraction
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kvorum.mvcc.json_order import json_less
from kvorum.mvcc.json_value import _sum, json_equal

# A value of the model: None, bool, Fraction, str, list or dict. Equality is Python's,
# except between kinds.
FRACTIONS = st.builds(
    lambda mantissa, exponent: Fraction(mantissa) * Fraction(10) ** exponent,
    st.integers(-3000, 3000),
    st.integers(-6, 6),
)
SCALARS = st.one_of(st.none(), st.booleans(), FRACTIONS, st.text(max_size=3))
NAMES = st.sampled_from(["", "a", "b", '"', "\\", "é", "\N{GRINNING FACE}"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=6,
)


def same(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    return bool(a == b)


class Writer:
    """Writes a value as JSON text, choosing among all its spellings."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def write(self, value: Any) -> str:
        return self._space() + self._value(value) + self._space()

    def _value(self, value: Any) -> str:
        match value:
            case None | bool():
                return json.dumps(value)
            case Fraction():
                return self._number(value)
            case str():
                return self._string(value)
            case list():
                return "[" + (",".join(map(self.write, value)) or self._space()) + "]"
            case _:
                return "{" + (",".join(self._members(value)) or self._space()) + "}"

    def _members(self, value: dict[str, Any]) -> list[str]:
        members = list(value.items())
        self._random.shuffle(members)
        overridden = [(name, None) for name, _ in members if self._random.random() < 0.3]
        return [
            f"{self._space()}{self._string(name)}{self._space()}:{self.write(member)}"
            for name, member in overridden + members
        ]

    def _string(self, value: str) -> str:
        return '"' + "".join(map(self._character, value)) + '"'

    def _character(self, character: str) -> str:
        if character in '"\\' or character < " " or self._random.random() < 0.3:
            units = character.encode("utf-16-be", "surrogatepass").hex()
            if self._random.random() < 0.5:
                units = units.upper()
            return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
        return character

    def _number(self, value: Fraction) -> str:
        shift = self._random.randint(-30, 30)
        scaled = abs(value) / Fraction(10) ** shift
        places = 0
        while scaled.denominator != 1:
            scaled, places = scaled * 10, places + 1
        places += self._random.choice([0, 0, 3])
        digits = str(int(abs(value) / Fraction(10) ** shift * 10**places)).rjust(places + 1, "0")
        text = digits[: len(digits) - places] + (f".{digits[-places:]}" if places else "")
        exponent = f"{abs(shift):0{self._random.randint(1, 25)}}"
        sign = "-" if shift < 0 else self._random.choice(["", "+"])
        if shift or self._random.random() < 0.5:
            text += f"{self._random.choice('eE')}{sign}{exponent}"
        return "-" + text if value < 0 else text

    def _space(self) -> str:
        return self._random.choice(["", "", " ", "\n\t\r "])


@given(VALUES, st.randoms(use_true_random=False))
def test_every_spelling_of_a_value_is_equal(value: Any, random: Random) -> None:
    writer = Writer(random)
    a, b = writer.write(value), writer.write(value)
    assert json_equal(a.encode(), b.encode()), (a, b)


@given(VALUES, VALUES, st.randoms(use_true_random=False))
def test_equality_is_the_models(x: Any, y: Any, random: Random) -> None:
    writer = Writer(random)
    a, b = writer.write(x), writer.write(y)
    assert json_equal(a.encode(), b.encode()) == same(x, y), (a, b)


@given(FRACTIONS, FRACTIONS, st.randoms(use_true_random=False))
def test_numbers_are_compared_exactly(x: Fraction, y: Fraction, random: Random) -> None:
    """Numbers that differ only in digits that a double cannot hold."""
    writer = Writer(random)
    x, y = x + Fraction(10) ** 20, y + Fraction(10) ** 20
    a, b = writer.write(x), writer.write(y)
    assert json_equal(a.encode(), b.encode()) == (x == y), (a, b)


@given(VALUES, VALUES, st.randoms(use_true_random=False))
def test_order_is_that_of_numbers_and_of_strings(x: Any, y: Any, random: Random) -> None:
    writer = Writer(random)
    a, b = writer.write(x).encode(), writer.write(y).encode()
    has_order = type(x) is type(y) and isinstance(x, Fraction | str)
    assert json_less(a, b) == (has_order and x < y), (a, b)


@given(FRACTIONS, FRACTIONS, st.randoms(use_true_random=False))
def test_numbers_have_an_exact_order(x: Fraction, y: Fraction, random: Random) -> None:
    writer, far = Writer(random), Fraction(10) ** 20
    a, b = writer.write(x + far).encode(), writer.write(y + far).encode()
    assert json_less(a, b) == (x < y), (a, b)
    a, b = writer.write(x).encode(), writer.write(y).encode()
    assert json_less(a, b) == (x < y), (a, b)


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_any_bytes_are_compared_without_an_error(a: bytes, b: bytes) -> None:
    assert json_equal(a, a)
    assert json_equal(a, b) == json_equal(b, a)
    assert not json_less(a, a)
    assert not (json_less(a, b) and json_less(b, a))


@given(
    st.sampled_from(["", "+", "-"]),
    st.one_of(
        st.integers(0, 10**45).map(str),
        st.builds(
            lambda head, digit, n: head + digit * n,
            *(st.sampled_from(["", "1", "10", "9"]), st.sampled_from("09"), st.integers(0, 45)),
        ),
    ),
    st.one_of(st.integers(-(10**17), 10**17), st.integers(-2, 2)),
)
def test_exponents_of_any_length_add_up(sign: str, digits: str, addend: int) -> None:
    assert _sum(sign, digits, addend) == str(int(f"{sign}0{digits}") + addend)
