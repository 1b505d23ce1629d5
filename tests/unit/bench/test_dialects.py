"""Both systems are asked for the same: what a request says is read back from its bytes."""

import json
from base64 import b64decode
from typing import Any

import pytest

from bench.dialects import (
    LOADS,
    EtcdDialect,
    Keys,
    KvorumDialect,
    batches,
    number_value,
)

KEYS = Keys("k/", count=250, value_bytes=64)
DIALECTS = (KvorumDialect(), EtcdDialect())


def parts(request: bytes) -> tuple[str, str, Any]:
    """Method, path and JSON, after the length was checked."""
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    method, path, version = lines[0].split(" ")
    headers = dict(line.split(": ") for line in lines[1:])
    assert version == "HTTP/1.1"
    assert int(headers.get("Content-Length", "0")) == len(body)
    return method, path, json.loads(body) if body else None


def plain(text: str) -> str:
    return b64decode(text).decode()


def test_values_are_json_of_the_wanted_size_and_of_their_key_alone() -> None:
    values = [KEYS.value(number) for number in range(KEYS.count)]
    assert {len(value) for value in values} == {64}
    assert len(set(values)) == KEYS.count
    assert json.loads(values[7]).startswith("k/0000007x")


def test_a_sample_spreads_over_all_keys() -> None:
    assert list(Keys("k/", count=10).sampled()) == list(range(10))
    sampled = Keys("k/", count=1_000_000, sample=1000).sampled()
    assert len(sampled) == 1000
    assert sampled[-1] > 990_000


def test_puts_write_the_same_under_the_same_name() -> None:
    ours, theirs = (dialect.put(KEYS.name(3), KEYS.value(3)) for dialect in DIALECTS)
    assert parts(ours) == ("PUT", "/key/k/0000003", {"value": json.loads(KEYS.value(3))})
    method, path, body = parts(theirs)
    assert (method, path) == ("POST", "/v3/kv/put")
    assert (plain(body["key"]), plain(body["value"])) == ("k/0000003", KEYS.value(3))


def test_only_stale_gets_say_so() -> None:
    assert parts(KvorumDialect().get("a"))[1] == "/key/a"
    assert parts(KvorumDialect().stale_get("a"))[1] == "/key/a?consistency=stale"
    assert "serializable" not in parts(EtcdDialect().get("a"))[2]
    assert parts(EtcdDialect().stale_get("a"))[2]["serializable"] is True


def test_a_swap_holds_again_for_the_next_one() -> None:
    ours, theirs = (parts(dialect.swap("a", '"v"')) for dialect in DIALECTS)
    assert ours == ("PATCH", "/key/a", {"oldValue": "v", "newValue": "v"})
    [compared], [put] = theirs[2]["compare"], theirs[2]["success"]
    assert plain(compared["value"]) == plain(put["requestPut"]["value"]) == '"v"'


def test_ranges_have_a_hundred_keys_and_stay_inside() -> None:
    ours, theirs = (LOADS["range"].requests(dialect, KEYS) for dialect in DIALECTS)
    assert len(ours) == len(theirs) == 151
    assert parts(ours[-1])[1] == "/keys?start=k/0000150&end=k/0000250&limit=100"
    asked = parts(theirs[-1])[2]
    assert (plain(asked["key"]), plain(asked["range_end"])) == ("k/0000150", "k/0000250")


def test_transactions_compare_once_write_twice_and_read_once() -> None:
    ours, theirs = (LOADS["txn"].requests(dialect, KEYS)[-1] for dialect in DIALECTS)
    body = parts(ours)[2]
    assert [operation.popitem()[1]["key"] for operation in body["then"]] == [
        "k/0000249",
        "k/0000000",
        "k/0000001",
    ]
    asked = parts(theirs)[2]
    assert len(asked["compare"]) == len(body["compare"]) == 1
    keys = [plain(operation.popitem()[1]["key"]) for operation in asked["success"]]
    assert keys == ["k/0000249", "k/0000000", "k/0000001"]


@pytest.mark.parametrize("dialect", DIALECTS, ids=("kvorum", "etcd"))
def test_one_of_ten_in_the_mix_writes(dialect: KvorumDialect | EtcdDialect) -> None:
    mixed = LOADS["mix"].requests(dialect, KEYS)
    puts = set(LOADS["put"].requests(dialect, KEYS))
    assert [at for at, request in enumerate(mixed) if request in puts] == list(range(0, 250, 10))


def test_batches_write_every_key_once() -> None:
    written = [
        operation["put"]
        for request in batches(KvorumDialect(), KEYS)
        for operation in parts(request)[2]["operations"]
    ]
    assert [put["key"] for put in written] == [KEYS.name(number) for number in range(250)]
    theirs = [
        plain(operation["requestPut"]["value"])
        for request in batches(EtcdDialect(), KEYS)
        for operation in parts(request)[2]["success"]
    ]
    assert theirs == [KEYS.value(number) for number in range(250)]


def test_the_load_of_batches_has_whole_ones_only() -> None:
    [request] = LOADS["batch"].requests(KvorumDialect(), KEYS)
    assert len(parts(request)[2]["operations"]) == LOADS["batch"].per_request == 128


def test_a_number_is_found_in_the_value_as_each_system_shows_it() -> None:
    value = number_value(42, 256)
    assert len(value) == 256
    ours, theirs = DIALECTS
    shown = json.loads(value)[: ours.number_bytes].encode()
    assert ours.number_of(shown) == 42
    put = parts(theirs.put("k", value))[2]["value"]
    assert theirs.number_of(put[: theirs.number_bytes].encode()) == 42
