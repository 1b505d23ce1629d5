"""JSON texts compared as values: what "equal" means to compare-and-set.

The answer becomes replicated state, so it must be the same on every replica,
for ever: numbers are compared exactly, as text, because floating point rounds
and ``int`` refuses very long ones; and a parser that recurses is kept from
texts so deep that it might run out of stack on one node and not on another.

Comparing happens while an entry is applied, when a node does nothing else. So what
differs is told apart by quick means, and only small texts that look equal are
compared number by number. A text costs time only together with one that is not much
shorter, so that an entry takes time by its own length, not by that of what is stored.
"""

import json
import re
from itertools import accumulate
from typing import Final, Never

import msgspec

NESTING_MAX: Final = 100
"""Levels of arrays and objects that a stored value may have.

:func:`json_equal` goes by it, so releases with different values of it must not
share a log.
"""

EXACT_BYTES_MAX: Final = 64 << 10
"""Texts longer than this are compared without looking into their numbers; see
:func:`json_equal`. Part of the replicated state's meaning, like :data:`NESTING_MAX`."""

SPELLING_BYTES_MIN: Final = 4 << 10
SPELLING_FACTOR: Final = 16
"""A string, array or object longer than the bytes, and so many times longer than another, is
not taken for another spelling of it. Part of the replicated state's meaning, too."""

Number = tuple[str, str, str]
"""Sign, digits d and exponent e of 0.d * 10**e; d neither begins nor ends with 0, and is empty
for the number 0."""

_BLANKS: Final = b" \t\n\r"
_NUMBERS: Final = b"-0123456789"
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEPS: Final = bytes.maketrans(b"[]{}", b"\x01\xff\x01\xff")  # +1 and -1 as signed bytes
_NUMBER: Final = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?)([0-9]+))?")
_CHUNK_DIGITS: Final = 18
"""Decimal digits added at once; ``int`` is quick and without limits for so few."""


def check_nesting(value: bytes) -> None:
    """Raises ``ValueError`` if a JSON text nests deeper than :data:`NESTING_MAX`.

    Text that is not JSON may pass: syntax is a parser's business, which this
    protects from running out of stack.
    """
    if value.count(b"[") + value.count(b"{") <= NESTING_MAX:
        return
    unescaped = value.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside_strings = b"".join(unescaped.split(b'"')[::2])
    steps = outside_strings.translate(_STEPS, _NOT_BRACKETS)
    if max(accumulate(memoryview(steps).cast("b")), default=0) > NESTING_MAX:
        raise ValueError(f"JSON is nested deeper than {NESTING_MAX} levels")


def json_equal(a: bytes, b: bytes) -> bool:
    """Whether two JSON texts (RFC 8259, UTF-8) mean the same value; never raises.

    Numbers are equal if they are the same number, exactly; objects regardless of
    the order of members, the last of duplicates counting; strings after
    unescaping. A text that is not JSON, or nests deeper than
    :data:`NESTING_MAX`, equals only itself, byte for byte.

    If one of them is longer than :data:`EXACT_BYTES_MAX`, white space, the order of
    members and the spelling of strings and floats still do not matter, but integers
    equal only integers spelled alike (1 is not 1.0, nor 0 -0), and floats are compared as double
    precision (0.0 is not -0.0, and all beyond its range are one). Strings with lone surrogates
    equal only themselves then, byte for byte.

    A string, array or object longer than :data:`SPELLING_BYTES_MIN` equals none that is
    :data:`SPELLING_FACTOR` times shorter, white space around them left aside.
    """
    if a == b:
        return True
    if differ_at_sight(a, b):
        return False
    try:
        if max(len(a), len(b)) > EXACT_BYTES_MAX:
            return _written(a) == _written(b)
        return _may_be_equal(a, b) and parse(a) == parse(b)
    except ValueError:
        return False


def differ_at_sight(a: bytes, b: bytes) -> bool:
    """Whether two texts that are not the same bytes need not be parsed to tell them apart."""
    a, b = a.strip(_BLANKS), b.strip(_BLANKS)
    kind = _kind(a)
    if kind != _kind(b):
        return True
    if kind == _NUMBERS:
        return False
    shorter, longer = sorted((len(a), len(b)))
    return longer > max(SPELLING_BYTES_MIN, SPELLING_FACTOR * shorter)


def _kind(text: bytes) -> bytes:
    """By its first character, which tells what it is if it is JSON at all."""
    first = text[:1]
    return _NUMBERS if first and first in _NUMBERS else first


def _written(text: bytes) -> bytes:
    """A form that all spellings have in common. Raises ``ValueError``.

    No integer is made on the way: how long one may be is a setting of Python's, and other parsers
    have limits of their own.
    """
    check_nesting(text)
    return _write(_decode_integers_as_bytes(text.decode()))


def _may_be_equal(a: bytes, b: bytes) -> bool:
    """A quick no: as doubles some numbers look equal that are not, never the reverse.

    Raises ``ValueError`` for what is not JSON.
    """
    check_nesting(a)
    check_nesting(b)
    return bool(_decode_quickly(a.decode()) == _decode_quickly(b.decode()))


def parse(text: bytes) -> object:
    """The value of a JSON text as Python has it, but for numbers. Raises ``ValueError``."""
    check_nesting(text)
    return _decode(text.decode())


def _number(literal: str) -> Number:
    """A JSON number's only form.

    A tuple is neither a bool nor a string nor a list, so Python's ``==`` takes no
    number for a value of another kind.
    """
    if literal.isdigit() and literal[0] != "0":
        return ("", literal.rstrip("0"), str(len(literal)))
    match = _NUMBER.fullmatch(literal)
    assert match is not None, "the decoder passes what it recognised as a number"
    sign, whole, fraction, exponent_sign, exponent = match.groups("")
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return ("", "", "")  # -0 equals 0, whatever the exponent
    point = len(digits) - len(fraction)
    return (sign, digits.rstrip("0"), _sum(exponent_sign, exponent, point))


def _sum(sign: str, digits: str, addend: int) -> str:
    """Decimal sum of a number of any length and one that is small beside a chunk."""
    digits = digits.lstrip("0")
    if len(digits) <= _CHUNK_DIGITS:
        return str(int(f"{sign}0{digits}") + addend)
    head, tail = digits[:-_CHUNK_DIGITS], digits[-_CHUNK_DIGITS:]
    negative = sign == "-"
    carry, low = divmod(int(tail) + (-addend if negative else addend), 10**_CHUNK_DIGITS)
    magnitude = f"{_carried(head, carry)}{low:0{_CHUNK_DIGITS}}".lstrip("0")
    return f"-{magnitude}" if negative else magnitude


def _carried(digits: str, carry: int) -> str:
    """``digits`` (at least "1") plus a carry of -1, 0 or 1."""
    if carry == 0:
        return digits
    rolls, into = ("9", "0") if carry > 0 else ("0", "9")
    stem = digits.rstrip(rolls)
    rolled = into * (len(digits) - len(stem))
    stem = stem or "0"
    return f"{stem[:-1]}{int(stem[-1]) + carry}{rolled}"


def _refuse_constant(literal: str) -> Never:
    raise ValueError(f"{literal} is not JSON")  # NaN and Infinity are Python's extension


# MessagePack tells bytes, which JSON does not have, from all that it has.
_write: Final = msgspec.msgpack.Encoder(order="deterministic").encode
_decode_integers_as_bytes: Final = json.JSONDecoder(
    parse_int=str.encode, parse_constant=_refuse_constant
).decode
_decode_quickly: Final = json.JSONDecoder(parse_int=float, parse_constant=_refuse_constant).decode
_decode: Final = json.JSONDecoder(
    parse_int=_number, parse_float=_number, parse_constant=_refuse_constant
).decode
