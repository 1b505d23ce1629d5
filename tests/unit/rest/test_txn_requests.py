"""Bodies of ``/txn`` and ``/batch`` become transactions, or are refused, whatever they are."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvorum.errors import InvalidRequest, TooLarge
from kvorum.mvcc.command import Compare, Field, Relation
from kvorum.rest.txn_requests import parse_batch, parse_txn
from tests.unit.rest.conftest import OPTIONS


def test_an_existing_range_is_a_version_of_all_its_keys() -> None:
    body = b'{"compare":[{"prefix":"a","target":"exists","value":false}]}'
    assert parse_txn(body, OPTIONS).compares == (
        Compare(b"a", Field.VERSION, Relation.EQUAL, 0, b"b"),
    )


texts = st.sampled_from(["key", "prefix", "start", "end", "limit", "target", "op", "value", "a"])
leaves = st.none() | st.booleans() | st.integers(-2, 99999) | st.floats(allow_nan=False) | texts
anything = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            texts | st.sampled_from(["put", "delete", "get", "compare", "then", "else"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(anything)
def test_any_json_is_a_transaction_or_refused(value: object) -> None:
    body = msgspec.json.encode(value)
    for parse in (parse_txn, parse_batch):
        try:
            parse(body, OPTIONS)
        except (InvalidRequest, TooLarge):
            continue


spans = st.tuples(st.sampled_from("abcd"), st.sampled_from(["", "b", "c", "d", None]))


@given(st.lists(spans, max_size=4))
def test_no_key_is_written_twice(spans: list[tuple[str, str | None]]) -> None:
    """Against all keys of one or two letters."""
    wanted = [(start, end) for start, end in spans if not end or start < end]
    operations = [
        {"put": {"key": start, "value": 1}}
        if end is None
        else {"delete": {"start": start, "end": end}}
        for start, end in wanted
    ]
    if not operations:
        return
    universe = [first + second for first in "abcde" for second in ("", "a", "z")]
    writers = [
        sum(
            key == start if end is None else start <= key and (not end or key < end)
            for start, end in wanted
        )
        for key in universe
    ]
    body = msgspec.json.encode({"operations": operations})
    if max(writers) > 1:
        with pytest.raises(InvalidRequest, match="writes already"):
            parse_batch(body, OPTIONS)
    else:
        assert len(parse_batch(body, OPTIONS)) == len(operations)
