"""Reads that can still be told: bounded in number and bytes."""

from kvorum.mvcc.store import Record
from kvorum.node.recent_reads import RecentReads
from kvorum.node.views import ReadResult


def result(request_id: str, size_bytes: int = 1) -> ReadResult:
    return ReadResult(request_id, Record(b"x" * size_bytes, 1, 1, 1), 1)


def test_the_oldest_go_first_when_there_are_too_many() -> None:
    reads = RecentReads(count_max=2)
    for request_id in ("a", "b", "c"):
        reads.add(result(request_id))
    assert reads.find("a") is None
    assert reads.find("b") == result("b")
    assert reads.find("c") == result("c")


def test_the_oldest_go_first_when_they_are_too_large() -> None:
    reads = RecentReads(bytes_max=100)
    reads.add(result("a", 60))
    reads.add(result("b", 40))
    assert reads.find("a") is not None
    reads.add(result("c", 1))
    assert reads.find("a") is None
    assert reads.find("b") is not None


def test_bytes_that_were_forgotten_make_room_again() -> None:
    reads = RecentReads(bytes_max=100)
    for number in range(50):
        reads.add(result(str(number), 50))
        assert reads.find(str(number)) is not None
    assert reads.find("48") is not None
    assert reads.find("47") is None


def test_a_result_over_the_limit_is_not_kept_and_harms_no_later_one() -> None:
    reads = RecentReads(bytes_max=100)
    reads.add(result("huge", 101))
    assert reads.find("huge") is None
    reads.add(result("a", 100))
    assert reads.find("a") is not None


def test_a_repeated_request_id_keeps_its_latest_result() -> None:
    reads = RecentReads(count_max=2)
    first, second = result("a", 1), result("a", 2)
    reads.add(first)
    reads.add(second)
    reads.add(result("b"))  # pushes the first "a" out, not the second
    assert reads.find("a") is second


def test_reads_of_missing_keys_count_too() -> None:
    reads = RecentReads(count_max=10)
    for number in range(11):
        reads.add(ReadResult(str(number), None, 1))
    assert reads.find("0") is None
    assert reads.find("10") is not None
