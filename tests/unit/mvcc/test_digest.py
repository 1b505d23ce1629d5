"""The state's hash notices every change, and does not depend on the way to a state."""

from zlib import crc32

import pytest
from msgspec.structs import replace

from kvorum.mvcc.digest import (
    PRIME,
    combine,
    event_factor,
    event_factors,
    outcome_digest,
    overwrite_digest,
    record_digest,
    records_digest,
    success_digests,
)
from kvorum.mvcc.outcome import SUCCESS_MESSAGE, Outcome, Status
from kvorum.mvcc.record import Record

RECORD = Record(b'{"name":"value"}', 1_000, 2_000_000, 3)
OUTCOME = Outcome("2a599fd1f6949ec5-1f", Status.SUCCESS, SUCCESS_MESSAGE, 12, 3_600_000)


def of(key: bytes, record: Record) -> int:
    return record_digest(crc32(key), record) % PRIME


def flipped(data: bytes, bit: int) -> bytes:
    return (int.from_bytes(data, "big") ^ 1 << bit).to_bytes(len(data), "big")


def test_every_bit_of_a_record_counts() -> None:
    key = b"key"
    changed = [of(flipped(key, bit), RECORD) for bit in range(len(key) * 8)]
    value_bits = range(len(RECORD.value) * 8)
    changed += [of(key, replace(RECORD, value=flipped(RECORD.value, bit))) for bit in value_bits]
    for field in ("create_revision", "mod_revision", "version"):
        numbers = [getattr(RECORD, field) ^ 1 << bit for bit in range(61)]
        changed += [of(key, replace(RECORD, **{field: number})) for number in numbers]
    assert of(key, RECORD) not in changed
    assert len(set(changed)) == len(changed), "nor are any two of them alike"


def test_many_records_count_as_each_of_them() -> None:
    records = [RECORD, replace(RECORD, lease="l"), replace(RECORD, content_type="text/plain")]
    crcs = [crc32(b"a"), crc32(b"b"), crc32(b"c")]
    assert records_digest(crcs, records) == sum(map(record_digest, crcs, records))


def test_the_boundary_of_key_and_value_counts() -> None:
    assert of(b"ab", Record(b"c", 1, 1, 1)) != of(b"a", Record(b"bc", 1, 1, 1))


@pytest.mark.parametrize("field", ["value", "create_revision", "mod_revision", "version"])
def test_contents_that_trade_places_show(field: str) -> None:
    """Sums of checksums alone would be the same."""
    one, other = Record(b"1111", 10, 20, 3), Record(b"2222", 11, 25, 7)
    traded = (
        replace(one, **{field: getattr(other, field)}),
        replace(other, **{field: getattr(one, field)}),
    )
    before = (of(b"k1", one) + of(b"k2", other)) % PRIME
    assert before != (of(b"k1", traded[0]) + of(b"k2", traded[1])) % PRIME


@pytest.mark.parametrize("old", [RECORD, replace(RECORD, lease="l"), replace(RECORD, lease="m")])
@pytest.mark.parametrize("attributes", [("", ""), ("l", ""), ("", "text/plain"), ("l", "t/p")])
def test_overwriting_is_taking_off_and_adding(old: Record, attributes: tuple[str, str]) -> None:
    crc, new = (
        crc32(b"key"),
        Record(b"2", old.create_revision, 2_000_001, old.version + 1, *attributes),
    )
    difference = record_digest(crc, new) - record_digest(crc, old)
    assert overwrite_digest(crc, old, new) == difference


def test_lease_and_content_type_of_a_record_count() -> None:
    attributes = [("", ""), ("l", ""), ("", "l"), ("la", "b"), ("l", "ab"), ("l", "a"), ("m", "a")]
    digests = {of(b"key", replace(RECORD, lease=a, content_type=b)) for a, b in attributes}
    assert len(digests) == len(attributes)


def test_every_bit_of_an_events_place_counts() -> None:
    place = (1_000, 5, 3_600_000)
    factors = {event_factor(*place) % PRIME}
    for position in range(3):
        for bit in range(60):
            numbers = list(place)
            numbers[position] ^= 1 << bit
            factors.add(event_factor(*numbers) % PRIME)
    assert len(factors) == 1 + 3 * 60
    assert 0 not in factors


def test_events_that_trade_places_show() -> None:
    one, other = of(b"a", RECORD), of(b"b", RECORD)
    early, late = event_factor(9, 0, 100), event_factor(9, 1, 100)
    assert (one * early + other * late) % PRIME != (one * late + other * early) % PRIME


@pytest.mark.parametrize(
    "changed",
    [
        replace(OUTCOME, request_id="2a599fd1f6949ec5-1e"),
        replace(OUTCOME, status=Status.KEY_NOT_FOUND),
        replace(OUTCOME, message="Success"),
        replace(OUTCOME, revision=13),
        replace(OUTCOME, time_ms=3_600_001),
    ],
)
def test_every_field_of_an_outcome_counts(changed: Outcome) -> None:
    assert outcome_digest(changed, 7) != outcome_digest(OUTCOME, 7)
    assert outcome_digest(OUTCOME, 8) != outcome_digest(OUTCOME, 7)


@pytest.mark.parametrize("field", ["revision", "time_ms", "changed"])
def test_every_bit_of_an_outcomes_counters_counts(field: str) -> None:
    numbers = [getattr(OUTCOME, field) ^ 1 << bit for bit in range(60)]
    digests = {outcome_digest(replace(OUTCOME, **{field: number}), 7) for number in numbers}
    digests |= {outcome_digest(OUTCOME, 7 ^ 1 << bit) for bit in range(60)}
    digests.add(outcome_digest(OUTCOME, 7))
    assert len(digests) == 121
    assert 0 < min(digests) < max(digests) < 1 << 62


def test_digests_of_successes_and_of_their_events_come_in_rows() -> None:
    ids = ["a", "bc", "2a599fd1f6949ec5-1f"]
    outcomes = [
        Outcome(request_id, Status.SUCCESS, SUCCESS_MESSAGE, revision, 3_600_000, 1)
        for revision, request_id in enumerate(ids, 1 << 40)
    ]
    row = success_digests(ids, 1 << 40, 9, 3_600_000)
    assert row == [outcome_digest(outcome, 9) for outcome in outcomes]
    assert list(event_factors(5, 3, 77)) == [
        event_factor(revision, 0, 77) for revision in (5, 6, 7)
    ]


def test_every_bit_of_every_part_counts() -> None:
    parts = [0, 5, 2**64 - 1, 123_456_789, 0, 2**60]
    whole = combine(*parts)
    for position in range(len(parts)):
        for bit in range(64):
            changed = parts.copy()
            changed[position] ^= 1 << bit
            assert combine(*changed) != whole
    assert combine(5, 0) != combine(0, 5)
    assert 0 <= whole < 2**64


def test_numbers_are_the_same_for_ever() -> None:
    """Replicas of two releases compare them, and snapshots hold them."""
    assert of(b"key", RECORD) == 0x47B1961EDC4956F
    assert outcome_digest(OUTCOME, 7) == 0x10CA5B9C1288C720
    assert combine(1, 2, 3) == 0x973638D3CE0F3AD5
    assert event_factor(1, 2, 3) == 2590219828
    assert of(b"key", replace(RECORD, lease="l", content_type="t/p")) == 1336165560982678884
