"""Bodies: what is JSON, what is not, and where it stops being it."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvorum.errors import InvalidRequest, TooLarge
from kvorum.rest.body import parse_swap
from kvorum.rest.faults import MalformedJson
from kvorum.rest.new_value import parse_put

LIMIT = 100_000
Parse = Callable[[bytes, int], object]


@pytest.mark.parametrize(
    ("value", "byte"),
    [
        (b"NaN", 9),
        (b"Infinity", 9),
        (b"-Infinity", 10),
        (b"01", 10),
        (b"1.", 11),
        (b".5", 9),
        (b"+1", 9),
        (b"1e+", 12),
        (b"[1,]", 12),
        (b'{"a":1,}', 16),
        (b"{'a':1}", 10),
        (b'{"a" 1}', 14),
        (b"tru", 9),
        (b"1 2", 11),
        (b"/**/1", 9),
        (b"", 9),
        (b'"\xff"', 10),
        (b'{"\xff":1}', 11),
        (b'"\xed\xa0\x80"', 10),
        (b'"a\nb"', 11),
        (b'"\x00"', 10),
        (b'"\\x"', 11),
        (b'"\\ud800"', 10),
        (b'{"\\ud83d":1}', 11),
        (b"\xc2\xa01", 9),
    ],
)
def test_what_is_not_json_is_refused_with_its_position(value: bytes, byte: int) -> None:
    with pytest.raises(MalformedJson) as caught:
        parse_put(b'{"value":%b}' % value, LIMIT)
    position = caught.value.position
    assert position.line == 1 or b"\n" in value
    assert abs(position.byte - byte) <= 1
    assert f"byte {position.byte}" in str(caught.value)


@pytest.mark.parametrize("parse", [parse_put, parse_swap])
@pytest.mark.parametrize("rest", [b'":1}', b"NaN}", b'"\xff"}', b'"\\ud800"}', b"", b"1}}"])
def test_a_wrong_field_before_it_changes_nothing(parse: Parse, rest: bytes) -> None:
    with pytest.raises(MalformedJson):
        parse(b'{"x":1,"y":' + rest, LIMIT)


@pytest.mark.parametrize("parse", [parse_put, parse_swap])
def test_a_wrong_field_may_be_nested_too_deep(parse: Parse) -> None:
    with pytest.raises(InvalidRequest):
        parse(b'{"x":%b1%b}' % (b"[" * 9000, b"]" * 9000), LIMIT)


def test_lines_and_columns_count_characters() -> None:
    with pytest.raises(MalformedJson) as caught:
        parse_put('{\n  "value": "я" x}'.encode(), LIMIT)
    assert (caught.value.position.line, caught.value.position.column) == (2, 16)


@pytest.mark.parametrize("body", [b"", b"{", b'{"value"', b'{"value":"abc', b'{"value":[1'])
def test_a_body_that_ends_too_early_says_so(body: bytes) -> None:
    with pytest.raises(MalformedJson, match="ends too early") as caught:
        parse_put(body, LIMIT)
    assert caught.value.position.byte == len(body)


def test_half_a_surrogate_pair_at_the_end_is_named() -> None:
    with pytest.raises(MalformedJson, match="surrogate"):
        parse_put(b'{"value":"\\ud800"}', LIMIT)


def test_every_wrong_field_is_named() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_swap(b'{"oldvalue":1,"value":2}', LIMIT)
    for name in ("'oldValue'", "'newValue'", "'oldvalue'", "'value'"):
        assert name in str(caught.value)


def test_many_unknown_fields_are_not_all_repeated() -> None:
    body = json.dumps({f"{'x' * 500}{number}": 1 for number in range(100)}).encode()
    with pytest.raises(InvalidRequest) as caught:
        parse_put(body, LIMIT)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("body", [b"[]", b"1", b"null", b'"value"'])
def test_a_body_must_be_an_object(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="not an object"):
        parse_put(body, LIMIT)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_has_a_limit(opening: bytes, closing: bytes) -> None:
    def nested(depth: int) -> bytes:
        return opening * depth + b"1" + closing * depth

    assert parse_put(b'{"value":%b}' % nested(100), LIMIT).value == nested(100)
    for depth in (101, 20_000):
        with pytest.raises(InvalidRequest, match="nested deeper than 100"):
            parse_put(b'{"value":%b}' % nested(depth), 1_000_000)


def test_brackets_within_strings_do_not_nest() -> None:
    value = b'"' + b"[" * 500 + b'"'
    assert parse_put(b'{"value":%b}' % value, LIMIT).value == value


def test_either_value_can_be_too_large() -> None:
    large = b'"' + b"x" * 99 + b'"'
    for body in (
        b'{"oldValue":%b,"newValue":1}' % large,
        b'{"oldValue":1,"newValue":%b}' % large,
    ):
        with pytest.raises(TooLarge, match="101 bytes"):
            parse_swap(body, 100)


def test_the_last_of_duplicate_members_counts() -> None:
    assert parse_put(b'{"value":1,"value":2}', LIMIT).value == b"2"


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)


@given(json_values, st.booleans(), st.sampled_from([None, 1]))
def test_any_json_is_kept_as_it_was_sent(value: object, ascii_only: bool, indent: int) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    sent = text.encode("utf-8", "surrogatepass")
    try:
        sent.decode()
    except UnicodeDecodeError:
        return  # a lone surrogate among the names
    assert parse_put(b'{"value": %b }' % sent, LIMIT).value == sent


@given(st.binary(max_size=60))
def test_any_bytes_are_either_refused_or_json(body: bytes) -> None:
    for text in (body, b'{"value":%b}' % body):
        try:
            value = parse_put(text, LIMIT).value
        except InvalidRequest:
            continue
        json.loads(value, parse_constant=_refuse)


def _refuse(constant: str) -> object:
    raise AssertionError(f"{constant} is not JSON")
