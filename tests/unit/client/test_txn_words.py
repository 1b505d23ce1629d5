"""How transactions are written down."""

from collections.abc import Callable
from typing import Any

import pytest

from kvorum.client.errors import InvalidRequest
from kvorum.client.txn import (
    Comparison,
    delete,
    delete_range,
    get,
    get_range,
    key,
    keys,
    many,
    put,
    wire_operation,
)


@pytest.mark.parametrize(
    ("made", "fields"),
    [
        (lambda: key("a").version == 0, {"target": "version", "op": "=", "value": 0}),
        (lambda: key("a").create_revision != 4, {"target": "createRevision", "op": "!="}),
        (lambda: key("a").mod_revision < 4, {"target": "modRevision", "op": "<"}),
        (lambda: key("a").mod_revision > 4, {"target": "modRevision", "op": ">"}),
        (lambda: key("a").lease == "l", {"target": "lease", "op": "="}),
        (lambda: key("a").exists, {"target": "exists", "op": "=", "value": True}),
        (lambda: key("a").is_missing, {"target": "exists", "op": "=", "value": False}),
        (lambda: key("a").value == b"\x00", {"valueBase64": "AA=="}),
    ],
)
def test_comparisons(made: Callable[[], Comparison], fields: dict[str, Any]) -> None:
    written = dict(made().fields)
    assert written["key"] == "a"
    assert "contentType" not in written
    for name, value in fields.items():
        shown = written[name]
        assert (shown if isinstance(shown, str) else _plain(shown)) == value


def _plain(raw: Any) -> Any:
    import json  # noqa: PLC0415  # only here

    return json.loads(bytes(raw))


def test_every_key_of_a_range_can_be_compared() -> None:
    assert (keys(prefix="p/").version == 1).fields["prefix"] == "p/"
    compared = keys(start="a", end="b").version == 1
    assert (compared.fields["start"], compared.fields["end"]) == ("a", "b")


def test_comparisons_cannot_be_joined_by_accident() -> None:
    with pytest.raises(TypeError, match="as a list"):
        bool((key("a").version == 0) and (key("b").version == 0))
    with pytest.raises(TypeError):
        {key("a").version}  # hashing it is the point


@pytest.mark.parametrize(
    ("operation", "fields"),
    [
        (delete("a"), {"delete": {"key": "a"}}),
        (delete_range(start="a"), {"delete": {"start": "a"}}),
        (get("a"), {"get": {"key": "a"}}),
        (get_range(prefix="p", limit=3), {"get": {"prefix": "p", "limit": 3}}),
        (get_range(), {"get": {"prefix": ""}}),
    ],
)
def test_operations(operation: Any, fields: dict[str, Any]) -> None:
    assert wire_operation(operation) == fields


def test_a_put_has_one_lifetime() -> None:
    assert put("a", 1, ttl_s=2).fields["ttlSeconds"] == 2
    assert put("a", 1, lease="l").fields["lease"] == "l"
    with pytest.raises(InvalidRequest):
        put("a", 1, ttl_s=2, lease="l")


def test_one_or_several() -> None:
    assert many(get("a")) == (get("a"),)
    assert many([get("a"), get("b")]) == (get("a"), get("b"))
    assert many(iter([get("a")])) == (get("a"),)
