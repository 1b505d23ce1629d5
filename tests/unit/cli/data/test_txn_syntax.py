"""Transactions line by line, in the form of the REST route."""

import msgspec
import pytest

from kvorum.cli.data.txn_syntax import TxnSyntaxError, parse_txn


def parsed(text: str) -> object:
    return msgspec.json.decode(msgspec.json.encode(parse_txn(text)))


def compare(line: str) -> object:
    fields = parsed(f"{line}\nget x")
    assert isinstance(fields, dict)
    (condition,) = fields["compare"]
    return condition


def then(line: str) -> object:
    fields = parsed(line)
    assert isinstance(fields, dict)
    (operation,) = fields["then"]
    return operation


EQUALS_ZERO = {"op": "=", "value": 0}


def test_all_of_it() -> None:
    text = """
    # move 30 from a to b
    if account/a = 50
    and version account/b > 0
    then
      put account/a 20
      put --ttl 1m last {"from": "a"}
    else
      get account/a
    """
    assert parsed(text) == {
        "compare": [
            {"key": "account/a", "target": "value", "op": "=", "value": 50},
            {"key": "account/b", "target": "version", "op": ">", "value": 0},
        ],
        "then": [
            {"put": {"key": "account/a", "value": 20}},
            {"put": {"key": "last", "value": {"from": "a"}, "ttlSeconds": 60.0}},
        ],
        "else": [{"get": {"key": "account/a"}}],
    }


@pytest.mark.parametrize(
    ("line", "condition"),
    [
        ("if a exists", {"key": "a", "target": "exists", "op": "=", "value": True}),
        ("if a missing", {"key": "a", "target": "exists", "op": "=", "value": False}),
        ("if a != b c", {"key": "a", "target": "value", "op": "!=", "value": "b c"}),
        ("if a < null", {"key": "a", "target": "value", "op": "<", "value": None}),
        ("if value a = 1", {"key": "a", "target": "value", "op": "=", "value": 1}),
        ("if mod-revision a < 9", {"key": "a", "target": "modRevision", "op": "<", "value": 9}),
        (
            "if create-revision a = 0",
            {"key": "a", "target": "createRevision", "op": "=", "value": 0},
        ),
        ("if lease a = w-1", {"key": "a", "target": "lease", "op": "=", "value": "w-1"}),
        ('if "a b" = 1', {"key": "a b", "target": "value", "op": "=", "value": 1}),
        ('if "a\\u0022" exists', {"key": 'a"', "target": "exists", "op": "=", "value": True}),
    ],
)
def test_conditions(line: str, condition: object) -> None:
    assert compare(line) == condition


@pytest.mark.parametrize(
    ("line", "key"), [("if version = 3", "version"), ("if lease exists", "lease")]
)
def test_a_key_may_be_called_like_a_property(line: str, key: str) -> None:
    condition = compare(line)
    assert isinstance(condition, dict)
    assert condition["key"] == key


@pytest.mark.parametrize(
    ("line", "operation"),
    [
        ("put a hello world", {"put": {"key": "a", "value": "hello world"}}),
        ('put a "1"', {"put": {"key": "a", "value": "1"}}),
        ("put --lease w a 1", {"put": {"key": "a", "value": 1, "lease": "w"}}),
        ("delete a", {"delete": {"key": "a"}}),
        ("delete --prefix a/", {"delete": {"prefix": "a/"}}),
        ('delete --prefix ""', {"delete": {"prefix": ""}}),
        ("get --prefix a/ --limit 5", {"get": {"prefix": "a/", "limit": 5}}),
        ("get --limit 5 --prefix a/", {"get": {"prefix": "a/", "limit": 5}}),
    ],
)
def test_operations(line: str, operation: object) -> None:
    assert then(line) == operation


def test_numbers_lose_no_digits() -> None:
    encoded = msgspec.json.encode(parse_txn("put a 0.10000000000000000001"))
    assert b"0.10000000000000000001" in encoded


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the transaction is empty"),
        ("# nothing", "the transaction is empty"),
        ("fly a", "line 1: 'fly' is not if, then, else, put, delete or get"),
        ("put a", "line 1: the value is missing"),
        ("put", "line 1: the key is missing"),
        ("put --tll 5s a 1", "line 1: --tll is unknown here; there is --ttl, --lease"),
        ("put --ttl never a 1", "line 1: 'never' is no time"),
        ("get a b", "line 1: 'b' is too much"),
        ("get --limit x a", "line 1: 'x' is no whole number"),
        ("delete --limit 3 a", "line 1: --limit is unknown here"),
        ("get a\nif a exists", "line 2: conditions come before everything else"),
        ("if a\nget a", "line 1: =, !=, < or > is missing"),
        ("if a == 1\nget a", "line 1: '==' is not =, !=, < or >"),
        ("if version a = x\nget a", "line 1: 'x' is no whole number"),
        ("if a exists\nget a\nelse\nget b\nelse\nget c", "line 5: 'else' is not"),
        ("if a exists\nget a\nthen\nget b", "line 3: 'then' is not"),
        ("get a\nelse\nget b", "there is an `else` without an `if`"),
        ('get "a', "line 1:"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, words: str) -> None:
    with pytest.raises(TxnSyntaxError) as caught:
        parse_txn(text)
    assert words in str(caught.value)
