"""A value that says everything about an object, whatever its fields are called.

Two objects with equal forms behave alike, because the forms hold all that they hold. Only
what order a mapping or a set of members is walked in is left out: it decides in which order
messages are sent, and the explored network has no order.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from enum import Enum
from hashlib import blake2b
from types import FunctionType

from msgspec import Struct

from kvorum.raft.membership import decode_membership
from kvorum.raft.types import Entry, EntryKind

Names = Mapping[str, str]
"""Every member and what it is to be called."""

Form = object
_ATOMS = (int, float, bytes, type(None))


def canonical(value: object, names: Names) -> Form:
    """Nested tuples of atoms; members are renamed on the way."""
    if isinstance(value, Enum):
        value = value.name
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, _ATOMS):
        return value
    if isinstance(value, list | tuple | deque):
        return _sequence([canonical(item, names) for item in value], names)
    return _unordered(value, names)


def _unordered(value: object, names: Names) -> Form:
    if isinstance(value, Entry) and value.kind is EntryKind.MEMBERSHIP:
        return (value.term, value.index, canonical(decode_membership(value.data), names))
    if isinstance(value, set | frozenset):
        return tuple(sorted((canonical(item, names) for item in value), key=repr))
    if isinstance(value, Mapping):
        pairs = [(canonical(k, names), canonical(v, names)) for k, v in value.items()]
        return tuple(sorted(pairs, key=repr))
    if isinstance(value, FunctionType):
        return value.__qualname__
    return (type(value).__name__, *(canonical(part, names) for part in _parts(value)))


def _sequence(items: list[Form], names: Names) -> Form:
    members = names.values()
    if items and all(item in members for item in items):
        items = sorted(items, key=repr)
    return tuple(items)


def _parts(value: object) -> Iterator[object]:
    """The contents of an object, in an order that its class decides."""
    if isinstance(value, Struct):
        for field in value.__struct_fields__:
            yield getattr(value, field)
        return
    for cls in type(value).__mro__:
        for slot in cls.__dict__.get("__slots__", ()):
            yield getattr(value, slot)
    yield from (part for _, part in sorted(getattr(value, "__dict__", {}).items()))


def digest(form: Form) -> bytes:
    """16 bytes that stand for a form: among 10⁹ of them a collision has probability 10⁻²¹."""
    return blake2b(repr(form).encode(), digest_size=16).digest()
