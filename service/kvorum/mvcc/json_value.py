"""JSON texts compared as values: what "equal" means to compare-and-set.

The answer becomes replicated state, so it must be the same on every replica,
for ever: numbers are compared exactly, as text, because floating point rounds
and ``int`` refuses very long ones; and a parser that recurses is kept from
texts so deep that it might run out of stack on one node and not on another.

Comparing happens while an entry is applied, when a node does nothing else. So what
differs is told apart by quick means, and only small texts that look equal are
compared number by number.
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

Number = tuple[str, str, str]
"""Sign, digits d and exponent e of 0.d * 10**e; d neither begins nor ends with 0, and is empty
for the number 0."""

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
    equal only integers (1 is not 1.0), and floats are compared as double precision.
    """
    if a == b:
        return True
    if max(len(a), len(b)) > EXACT_BYTES_MAX:
        return _equal_when_written_alike(a, b)
    try:
        return _may_be_equal(a, b) and parse(a) == parse(b)
    except ValueError:
        return False


def _equal_when_written_alike(a: bytes, b: bytes) -> bool:
    try:
        check_nesting(a)
        check_nesting(b)
        return _write(_read(a)) == _write(_read(b))
    except (msgspec.DecodeError, ValueError):
        return False


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


_read: Final = msgspec.json.Decoder().decode
_write: Final = msgspec.json.Encoder(order="deterministic").encode
_decode_quickly: Final = json.JSONDecoder(parse_int=float, parse_constant=_refuse_constant).decode
_decode: Final = json.JSONDecoder(
    parse_int=_number, parse_float=_number, parse_constant=_refuse_constant
).decode
