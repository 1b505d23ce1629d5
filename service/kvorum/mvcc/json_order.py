"""JSON texts compared by order: numbers by value, strings by code point, nothing else.

As in :mod:`kvorum.mvcc.json_value`, the answer becomes replicated state: it is exact, and the
same on every replica.
"""

from kvorum.mvcc.json_value import EXACT_BYTES_MAX, Number, parse


def json_less(a: bytes, b: bytes) -> bool:
    """Whether both are numbers, or both are strings, and ``a`` is less; never raises.

    Numbers in texts longer than :data:`~kvorum.mvcc.json_value.EXACT_BYTES_MAX` have no order.
    """
    kind = _kind(a)
    if not kind or kind != _kind(b):
        return False
    if kind == "number" and max(len(a), len(b)) > EXACT_BYTES_MAX:
        return False
    try:
        x, y = parse(a), parse(b)
    except ValueError:
        return False
    if isinstance(x, str) and isinstance(y, str):
        return x < y
    return isinstance(x, tuple) and isinstance(y, tuple) and _number_less(x, y)


def _kind(text: bytes) -> str:
    """By its first character, which tells what it is if it is JSON at all."""
    first = text.lstrip(b" \t\n\r")[:1]
    if first == b'"':
        return "string"
    return "number" if first and first in b"-0123456789" else ""


def _number_less(x: Number, y: Number) -> bool:
    sign_x, sign_y = _sign(x), _sign(y)
    if sign_x != sign_y:
        return sign_x < sign_y
    return _nearer_to_zero(x, y) if sign_x > 0 else _nearer_to_zero(y, x)


def _sign(number: Number) -> int:
    sign, digits, _exponent = number
    if not digits:
        return 0
    return -1 if sign else 1


def _nearer_to_zero(x: Number, y: Number) -> bool:
    """Both are 0.d * 10**e, and d begins with a digit that is not 0: e decides first."""
    _, digits_x, exponent_x = x
    _, digits_y, exponent_y = y
    if exponent_x == exponent_y:
        return digits_x < digits_y
    return _integer_less(exponent_x, exponent_y)


def _integer_less(a: str, b: str) -> bool:
    """Decimal integers of any length, without leading zeros."""
    below_zero = a.startswith("-")
    if below_zero != b.startswith("-"):
        return below_zero
    return (len(b), b) < (len(a), a) if below_zero else (len(a), a) < (len(b), b)
