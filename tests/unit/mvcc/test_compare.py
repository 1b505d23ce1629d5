"""Comparisons of transactions: fields, relations, ranges, and kinds that do not fit."""

import pytest

from kvorum.mvcc import compare as comparing
from kvorum.mvcc.command import Compare, Field, Relation
from kvorum.mvcc.compare import all_hold
from kvorum.mvcc.store import Store

EQUAL, NOT_EQUAL, LESS, GREATER = Relation
VALUE, VERSION, CREATED, MODIFIED, LEASE = Field


@pytest.fixture
def store() -> Store:
    """``k`` is of version 2, created at revision 2, changed at 3; ``raw`` has a content type."""
    store = Store()
    store.put(b"first", b"1")
    store.put(b"k", b"5")
    store.put(b"k", b"10", "a-lease")
    store.put(b"raw", b"10", "", "text/plain")
    store.put(b"text", b'"abc"')
    return store


@pytest.mark.parametrize(
    ("key", "field", "relation", "operand", "holds"),
    [
        (b"k", VALUE, EQUAL, b"1e1", True),
        (b"k", VALUE, EQUAL, b"11", False),
        (b"k", VALUE, NOT_EQUAL, b"10.0", False),
        (b"k", VALUE, NOT_EQUAL, b'"10"', True),
        (b"k", VALUE, LESS, b"10.5", True),
        (b"k", VALUE, LESS, b"9", False),
        (b"k", VALUE, GREATER, b"9", True),
        (b"k", VALUE, GREATER, b'"9"', False),
        (b"k", VALUE, LESS, b'"9"', False),
        (b"text", VALUE, LESS, b'"abd"', True),
        (b"text", VALUE, GREATER, b'"ab"', True),
        (b"text", VALUE, EQUAL, b"not json", False),
        (b"raw", VALUE, EQUAL, b"10", True),
        (b"raw", VALUE, EQUAL, b"10.0", False),
        (b"raw", VALUE, LESS, b"9", True),
        (b"raw", VALUE, GREATER, b"0", True),
        (b"none", VALUE, EQUAL, b"10", False),
        (b"none", VALUE, LESS, b"10", False),
        (b"none", VALUE, GREATER, b"10", False),
        (b"none", VALUE, NOT_EQUAL, b"10", True),
        (b"k", VERSION, EQUAL, 2, True),
        (b"k", VERSION, GREATER, 2, False),
        (b"none", VERSION, EQUAL, 0, True),
        (b"none", VERSION, LESS, 1, True),
        (b"k", CREATED, EQUAL, 2, True),
        (b"none", CREATED, EQUAL, 0, True),
        (b"k", MODIFIED, EQUAL, 3, True),
        (b"k", MODIFIED, LESS, 4, True),
        (b"k", MODIFIED, NOT_EQUAL, 3, False),
        (b"none", MODIFIED, EQUAL, 0, True),
        (b"k", LEASE, EQUAL, b"a-lease", True),
        (b"k", LEASE, LESS, b"b", True),
        (b"raw", LEASE, EQUAL, b"", True),
        (b"none", LEASE, EQUAL, b"", True),
    ],
)
def test_fields(
    store: Store, key: bytes, field: Field, relation: Relation, operand: bytes | int, *, holds: bool
) -> None:
    assert all_hold(store, [Compare(key, field, relation, operand)]) is holds


@pytest.mark.parametrize("key", [b"k", b"raw", b"none"])
@pytest.mark.parametrize("relation", list(Relation))
@pytest.mark.parametrize(
    ("field", "operand"),
    [(VALUE, 10), (VERSION, b"2"), (CREATED, b"2"), (MODIFIED, b"3"), (LEASE, 0)],
)
def test_operands_of_another_kind_differ_and_nothing_else(
    store: Store, key: bytes, field: Field, relation: Relation, operand: bytes | int
) -> None:
    held = all_hold(store, [Compare(key, field, relation, operand)])
    assert held is (relation is NOT_EQUAL)


@pytest.mark.parametrize(
    ("start", "end", "newest", "holds"),
    [
        (b"", b"", 5, True),
        (b"", b"", 4, False),
        (b"", b"text", 4, True),
        (b"first", b"raw", 3, True),
        (b"first", b"raw\0", 3, False),
        (b"x", b"", 0, True),
        (b"k", b"k", 0, True),
        (b"z", b"a", 0, True),
    ],
)
def test_a_range_holds_if_every_key_of_it_does(
    store: Store, start: bytes, end: bytes, newest: int, *, holds: bool
) -> None:
    assert all_hold(store, [Compare(start, MODIFIED, LESS, newest + 1, end)]) is holds


def test_all_have_to_hold(store: Store) -> None:
    yes, no = Compare(b"k", VERSION, EQUAL, 2), Compare(b"k", VERSION, EQUAL, 3)
    assert all_hold(store, []) is True
    assert all_hold(store, [yes, yes]) is True
    assert all_hold(store, [yes, no]) is False
    assert all_hold(store, [no, yes]) is False


def test_ranges_of_too_many_keys_cannot_be_told(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "COMPARED_KEYS_MAX", 4)
    every, no = Compare(b"", VERSION, GREATER, 0, b""), Compare(b"k", VERSION, EQUAL, 3)
    assert all_hold(store, [every]) is True, "there are four"
    assert all_hold(store, [every, Compare(b"z", VERSION, GREATER, 0, b"")]) is True
    assert all_hold(store, [every, Compare(b"k", VERSION, GREATER, 0, b"l")]) is None
    assert all_hold(store, [no, every, every]) is False
    store.put(b"one more", b"1")
    assert all_hold(store, [every]) is None
    assert all_hold(store, [Compare(b"", VERSION, GREATER, 1, b"")]) is False, "the first says so"


def test_too_many_bytes_to_parse_cannot_be_told(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless there is nothing to parse: the same bytes, or different at sight."""
    monkeypatch.setattr(comparing, "COMPARED_BYTES_MAX", 100)
    long, same = b'"%s"' % (b"x" * 60), Compare(b"long", VALUE, EQUAL, b'"%s"' % (b"x" * 60))
    store.put(b"long", long)
    other = Compare(b"long", VALUE, EQUAL, b'"x"')
    assert all_hold(store, [same] * 10) is True
    assert all_hold(store, [Compare(b"long", VALUE, NOT_EQUAL, b'"x"')]) is True
    assert all_hold(store, [Compare(b"long", VALUE, NOT_EQUAL, b'"x"')] * 2) is None
    assert all_hold(store, [other, other]) is False, "the first says so"
    assert all_hold(store, [Compare(b"long", VALUE, LESS, long + b" ", b"m")]) is None
    assert all_hold(store, [Compare(b"long", VALUE, NOT_EQUAL, b"1")] * 10) is True, "at sight"
    store.put(b"very long", b'"%s"' % (b"x" * 10_000))
    assert all_hold(store, [Compare(b"very long", VALUE, NOT_EQUAL, b'"x"')]) is True
    assert all_hold(store, [Compare(b"very long", VALUE, GREATER, b'"a"')]) is None, "it is parsed"
    store.put(b"long", long, "", "text/plain")
    assert all_hold(store, [Compare(b"long", VALUE, NOT_EQUAL, b"x")] * 10) is True
