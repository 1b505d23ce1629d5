"""`kvorum txn` against a real node, in both forms."""

import json
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine


def transfer(own: str) -> str:
    return f"""
    if {own}a = 50
    put {own}a 20
    put {own}b 30
    delete {own}none
    get --prefix {own}
    else
    get {own}a
    """


def test_line_by_line(kvorum: CommandLine, own: str, tmp_path: Path) -> None:
    file = tmp_path / "transfer.txt"
    file.write_text(transfer(own))
    kvorum("put", own + "a", "50")
    done = kvorum("txn", str(file)).lines
    assert done[0].startswith("the conditions hold; revision ")
    assert done[1:] == ["deleted 0", f"{own}a = 50"]
    again = kvorum("txn", str(file), code=4).lines
    assert again[0].startswith("the conditions do not hold; revision ")
    assert again[1:] == [f"{own}a = 20"]


def test_as_json(kvorum: CommandLine, own: str) -> None:
    kvorum("put", own + "a", "50")
    done = kvorum("txn", "-", "-o", "json", stdin=transfer(own).encode()).json
    assert done["succeeded"] is True
    put, _, deleted, got = done["results"]
    assert (put, deleted) == ({"put": {}}, {"delete": {"deleted": 0}})
    assert [item["value"] for item in got["get"]["items"]] == [50]
    assert kvorum("get", own + "a", "-o", "json").json["modRevision"] == done["revision"]


def test_in_the_form_of_the_route(kvorum: CommandLine, own: str) -> None:
    txn = {
        "compare": [{"key": own, "target": "exists", "op": "=", "value": False}],
        "then": [{"put": {"key": own, "value": {"a": [1]}, "ttlSeconds": 60}}],
        "else": [{"delete": {"key": own}}],
    }
    text = json.dumps(txn).encode()
    kvorum("txn", stdin=text)
    assert kvorum("get", own, "-o", "json").json["lease"].startswith("ttl-")
    assert kvorum("txn", "-o", "raw", stdin=text, code=4).out == "deleted 1\n"
    kvorum("get", own, code=3)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("", 2, "this is no transaction: the transaction is empty"),
        ("put a", 2, "this is no transaction: line 1: the value is missing"),
        ("{", 2, "this is no transaction"),
        ('{"than": []}', 2, "this is no transaction"),
        ('{"then": [{"fly": {}}]}', 2, "one of put, delete and get, not fly"),
        ('{"then": [{}]}', 2, "one of put, delete and get, not nothing"),
        ('{"then": [{"put": {"kee": 1}}]}', 1, "kee"),
        ("put a 1\nput a 2", 1, "a"),
        ("\xff", 2, "is not UTF-8"),
    ],
)
def test_what_is_wrong_with_it(kvorum: CommandLine, text: str, code: int, words: str) -> None:
    ran = kvorum("txn", stdin=text.encode("latin-1"), code=code)
    assert ran.err.startswith("kvorum: ")
    assert words in ran.err


def test_a_file_that_is_not_there(kvorum: CommandLine) -> None:
    assert kvorum("txn", "/nowhere", code=1).err == (
        "kvorum: /nowhere cannot be read: No such file or directory\n"
    )
