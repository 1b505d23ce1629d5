"""Batches side by side: order, account of what is through, and what is refused."""

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvorum.cli.data.batching import BATCH_BYTES_MAX, Batch, batches
from kvorum.cli.data.formats import Entry
from kvorum.cli.data.import_state import Failure, ImportState, Job, load_state, save_state
from kvorum.cli.data.importer import Importer
from kvorum.cli.failed import CommandFailed
from kvorum.client import Client
from kvorum.client.errors import ClientError, Full, InvalidRequest, Unavailable
from kvorum.client.txn import Put

JOB = Job(1, 2, "", "jsonl", "c")


def entries(*keys: str) -> list[tuple[int, Entry]]:
    return [(at, Entry(at + 1, key, b"%d" % at)) for at, key in enumerate(keys)]


def shapes(found: Iterable[Batch]) -> list[tuple[int, str]]:
    return [(batch.first, "".join(entry.key for entry in batch.entries)) for batch in found]


class TestBatches:
    def test_of_a_number(self) -> None:
        assert shapes(batches(entries(*"abcde"), 2)) == [(0, "ab"), (2, "cd"), (4, "e")]

    def test_no_key_twice(self) -> None:
        assert shapes(batches(entries(*"abacc"), 9)) == [(0, "ab"), (2, "ac"), (4, "c")]

    def test_of_a_size(self) -> None:
        large = b"x" * (BATCH_BYTES_MAX // 2)
        given_ = [(at, Entry(at, str(at), large)) for at in range(3)]
        assert shapes(batches(given_, 9)) == [(0, "0"), (1, "1"), (2, "2")]

    def test_of_nothing(self) -> None:
        assert shapes(batches([], 9)) == []

    @given(st.lists(st.sampled_from("abcd")), st.integers(1, 5))
    def test_nothing_is_lost_and_the_order_stays(self, keys: list[str], count_max: int) -> None:
        found = list(batches(entries(*keys), count_max))
        assert [entry for batch in found for entry in batch.entries] == [
            entry for _, entry in entries(*keys)
        ]
        for batch in found:
            assert len(batch.keys) == len(batch.entries) <= count_max
            assert batch.entries[0].line == batch.first + 1


class FakeClient:
    """Keeps what it is given; refuses what it is told to."""

    def __init__(self, **refused: ClientError) -> None:
        self.store: dict[str, str] = {}
        self.requests = 0
        self.most_at_once = 0
        self.is_closed = False
        self._refused = refused
        self._at_once = 0
        self._lock = threading.Lock()

    def batch(self, operations: Iterable[Put]) -> None:
        writes = [operation.fields for operation in operations]
        with self._lock:
            self.requests += 1
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            for fields in writes:
                if fields["key"] in self._refused:
                    raise self._refused[str(fields["key"])]
            for fields in writes:
                self.store[str(fields["key"])] = bytes(cast("bytes", fields["value"])).decode()
        finally:
            with self._lock:
                self._at_once -= 1

    def close(self) -> None:
        self.is_closed = True


class Kit:
    def __init__(self, client: FakeClient, *, done: int = 0, parallel: int = 3) -> None:
        self.client = client
        self.told: list[Failure] = []
        self.saved: list[int] = []
        self.importer = Importer(
            cast("Client", client),
            ImportState(JOB, done=done),
            parallel=parallel,
            tell=self.told.append,
            save=lambda state: self.saved.append(state.done),
        )

    @property
    def state(self) -> ImportState:
        return self.importer.state

    def run(self, keys: Sequence[str], count_max: int = 2) -> None:
        self.importer.run(batches(entries(*keys), count_max), lambda _done: None)


class TestImporter:
    @pytest.mark.parametrize("parallel", [1, 2, 5])
    def test_the_last_of_a_key_stays(self, parallel: int) -> None:
        kit = Kit(FakeClient(), parallel=parallel)
        keys = [str(at % 5) for at in range(100)]
        kit.run(keys)
        assert kit.client.store == {str(at % 5): str(at) for at in range(95, 100)}
        assert (kit.state.done, kit.state.imported, kit.state.failed) == (100, 100, 0)

    def test_no_more_at_once_than_allowed(self) -> None:
        kit = Kit(FakeClient(), parallel=3)
        kit.run([str(at) for at in range(100)], count_max=1)
        assert 1 <= kit.client.most_at_once <= 3

    def test_what_is_refused_is_found_in_its_batch(self) -> None:
        refused = {key: InvalidRequest(f"no {key}") for key in ("3", "60")}
        kit = Kit(FakeClient(**refused))
        kit.run([str(at) for at in range(64)], count_max=32)
        assert sorted(kit.told, key=lambda failure: failure.line) == [
            Failure(4, "no 3", "3"),
            Failure(61, "no 60", "60"),
        ]
        assert len(kit.client.store) == 62
        assert (kit.state.imported, kit.state.failed, kit.state.done) == (62, 2, 64)
        assert kit.client.requests < 30

    @pytest.mark.parametrize("error", [Full("full"), Unavailable("nobody")])
    def test_what_concerns_all_ends_it(self, error: ClientError) -> None:
        kit = Kit(FakeClient(**{"50": error}), parallel=1)
        with pytest.raises(type(error)):
            kit.run([str(at) for at in range(100)], count_max=1)
        assert kit.told == []
        assert kit.client.is_closed
        assert kit.saved[-1] == kit.state.done == 50

    def test_what_is_done_is_counted_from_the_start_without_a_hole(self) -> None:
        """A batch that is slow holds back the account, not the others."""
        release = threading.Event()

        class Slow(FakeClient):
            def batch(self, operations: Iterable[Put]) -> None:
                given_ = list(operations)
                if given_[0].fields["key"] == "0":
                    assert release.wait(30)
                if given_[0].fields["key"] == "9":
                    release.set()
                super().batch(given_)

        seen: list[int] = []
        kit = Kit(Slow(), parallel=2)
        kit.importer.run(batches(entries(*map(str, range(10))), 1), seen.append)
        assert seen[:8] == [0] * 8
        assert kit.state.done == 10

    def test_goes_on_with_what_it_had(self) -> None:
        kit = Kit(FakeClient(), done=7)
        kit.importer.run(batches(entries(*"abcdefghij")[7:], 2), lambda _done: None)
        assert kit.client.store.keys() == {"h", "i", "j"}
        assert kit.state.done == 10


class TestState:
    def test_there_and_back(self, tmp_path: Path) -> None:
        state = ImportState(JOB, 7, 6, 1, [Failure(3, "no", "k")])
        save_state(tmp_path / "s", state)
        save_state(tmp_path / "s", state)
        assert load_state(tmp_path / "s", JOB) == state
        assert [one.name for one in tmp_path.iterdir()] == ["s"]

    def test_none(self, tmp_path: Path) -> None:
        assert load_state(tmp_path / "s", JOB) == ImportState(JOB)

    @pytest.mark.parametrize(
        ("other", "words"),
        [
            (Job(9, 2, "", "jsonl", "c"), "another file"),
            (Job(1, 9, "", "jsonl", "c"), "another file"),
            (Job(1, 2, "p", "jsonl", "c"), "another prefix or format"),
            (Job(1, 2, "", "env", "c"), "another prefix or format"),
            (Job(1, 2, "", "jsonl", "d"), "another cluster"),
        ],
    )
    def test_of_another_import(self, tmp_path: Path, other: Job, words: str) -> None:
        save_state(tmp_path / "s", ImportState(JOB, done=3))
        with pytest.raises(CommandFailed, match=words):
            load_state(tmp_path / "s", other)
