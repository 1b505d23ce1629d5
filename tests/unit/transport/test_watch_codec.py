"""What clients are told, in bytes; and that it is made once for all of them."""

import pytest

from kvorum.mvcc.record import Event, Record
from kvorum.node.views import Change
from kvorum.transport.pb import kvorum_pb2 as pb
from kvorum.transport.watch_codec import PART_BYTES, ChangeEncoder, encode_change


def record(value: bytes = b"1", revision: int = 7) -> Record:
    return Record(value, 3, revision, 2, "lease-1", "image/png")


def change(revision: int = 7, value: bytes = b"1") -> Change:
    put = Event(revision, b"a", record(value, revision), record(b"0", revision - 1))
    return Change(revision, (put, Event(revision, b"b", None, record(b"0", revision - 1))))


def decoded(raw: bytes) -> pb.WatchChange:
    return pb.WatchResponse.FromString(raw).change


def test_everything_of_a_record_is_told() -> None:
    (raw,) = encode_change(change(), previous=True)
    put, delete = decoded(raw).events
    assert put.record == pb.Record(
        value=b"1",
        create_revision=3,
        mod_revision=7,
        version=2,
        lease="lease-1",
        content_type="image/png",
    )
    assert put.previous.value == delete.previous.value == b"0"
    assert put.previous.mod_revision == 6
    assert not delete.HasField("record")


@pytest.mark.parametrize(
    ("sizes", "parts"),
    [
        ([10, 10], [2]),
        ([PART_BYTES + 1, 10], [1, 1]),
        ([10, PART_BYTES + 1, 10], [1, 1, 1]),
        ([PART_BYTES // 2 - 10] * 4, [2, 2]),
    ],
)
def test_large_changes_are_parted_between_events(sizes: list[int], parts: list[int]) -> None:
    events = tuple(Event(7, b"%d" % at, record(b"x" * size), None) for at, size in enumerate(sizes))
    told = [decoded(raw) for raw in encode_change(Change(7, events), previous=False)]
    assert [len(part.events) for part in told] == parts
    assert [part.continued for part in told] == [True] * (len(parts) - 1) + [False]


class TestChangeEncoder:
    def test_encodes_once(self) -> None:
        encoder, told = ChangeEncoder(), change()
        first = encoder.encode(told, previous=False)
        assert encoder.encode(told, previous=False) is first
        assert first == encode_change(told, previous=False)

    def test_with_and_without_previous_values(self) -> None:
        encoder, told = ChangeEncoder(), change()
        plain, full = (encoder.encode(told, previous=each) for each in (False, True))
        assert plain == encode_change(told, previous=False)
        assert full == encode_change(told, previous=True)

    def test_keeps_few_and_small_ones(self) -> None:
        encoder = ChangeEncoder(changes_max=3, bytes_max=1000)
        changes = [change(revision) for revision in range(1, 10)]
        for told in (*changes, change(10, b"x" * 2000)):
            assert encoder.encode(told, previous=False) == encode_change(told, previous=False)
        assert [kept.revision for kept, _ in encoder._known.values()] == [7, 8, 9]
