"""From a pattern to addresses, and back."""

import pytest

from kvorum.cli.rollout.ordinals import Ordinals, pod_of, short_name
from tests.unit.cli.rollout.clusters import ORDINALS, PATTERN


@pytest.mark.parametrize("number", [0, 1, 9, 10, 99])
@pytest.mark.parametrize("pattern", [PATTERN, "localhost:91{}", "[fd00::1]:8{}", "n{}.x{}:8001"])
def test_there_and_back(pattern: str, number: int) -> None:
    ordinals = Ordinals.of(pattern)
    assert ordinals.number(ordinals.address(number)) == number


@pytest.mark.parametrize(
    "address",
    [
        "kv-0.kv-headless.other.svc.cluster.local:8001",
        "kv-.kv-headless.db.svc.cluster.local:8001",
        "kv-01.kv-headless.db.svc.cluster.local:8001",
        "kv-x.kv-headless.db.svc.cluster.local:8001",
        "kv-0xkv-headless.db.svc.cluster.local:8001",
        "kv-0.kv-headless.db.svc.cluster.local:80010",
        "my-kv-0.kv-headless.db.svc.cluster.local:8001",
        "kv--1.kv-headless.db.svc.cluster.local:8001",
        "kv-1234567890.kv-headless.db.svc.cluster.local:8001",
        "kv-\u0661.kv-headless.db.svc.cluster.local:8001",
        "localhost:8001",
    ],
)
def test_other_addresses_have_no_number(address: str) -> None:
    assert ORDINALS.number(address) is None


def test_a_pattern_may_have_capitals_as_members_have_none() -> None:
    ordinals = Ordinals.of("KV-{}.Headless:8001")
    assert ordinals.address(3) == "kv-3.headless:8001"
    assert ordinals.number("kv-3.headless:8001") == 3


def test_both_places_have_the_same_number() -> None:
    assert Ordinals.of("n{}.x{}:8001").number("n1.x2:8001") is None


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("kv-0.kv:8001", "has no {} in the place of a node's number"),
        ("kv-{}.kv", "must end in a port"),
        ("kv {}:8001", "has no valid host name"),
        ("{}.0.0.0:8001", "is no address that other nodes can dial"),
        ("", "has no {}"),
        ("[fd00::{}]:8001", "numbers IPv6 addresses"),
    ],
)
def test_what_is_no_pattern_is_refused(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Ordinals.of(pattern)


def test_the_pod_of_an_address() -> None:
    assert pod_of(ORDINALS.address(2)) == ("kv-2", "db")
    assert short_name(ORDINALS.address(2)) == "kv-2"
    for other in ("localhost:8001", "127.0.0.1:8001", "[::1]:8001", "a.b.c.d:8001"):
        assert pod_of(other) is None
        assert short_name(other) == other
