"""What is left in an object store when answers are lost or lie."""

from collections.abc import Iterator
from typing import cast

import pytest

from kvorum.cli.backup.loaded_stream import LoadedStream
from kvorum.cli.backup.object_place import ObjectPlace
from kvorum.cli.failed import CommandFailed
from kvorum.cli.object_store.bucket import Bucket, Reading
from kvorum.cli.object_store.troubles import StoreTrouble

NAME = "kvorum-20261123T030000Z-r5.snapshot"


class FakeBucket:
    """Keeps everything; ``fails`` names the operations that do, after they were done."""

    def __init__(self, *fails: str, etag: str = "") -> None:
        self.objects: dict[str, bytes] = {}
        self._fails = fails
        self._etag = etag

    def put(self, name: str, reading: Reading) -> str:
        content = b""
        while part := reading.read(100):
            content += part
        self.objects[name] = content
        self._maybe_fail("put")
        return self._etag

    def size_bytes(self, name: str) -> int | None:
        return len(self.objects[name]) if name in self.objects else None

    def read(self, name: str) -> Iterator[bytes]:
        self._maybe_fail("read")
        yield self.objects[name]

    def remove(self, name: str) -> None:
        self._maybe_fail("remove")
        self.objects.pop(name, None)

    def shown(self, name: str) -> str:
        return f"s3://b/{name}"

    def _maybe_fail(self, operation: str) -> None:
        if operation in self._fails:
            raise StoreTrouble(f"cannot {operation} it: it broke off")


def keep(bucket: FakeBucket, content: bytes, *, reads_back: bool = True) -> None:
    place = ObjectPlace(cast("Bucket", bucket), reads_back=reads_back)
    with LoadedStream("b", iter([content]), len(content), lambda done: None) as stream:
        place.keep(stream, NAME, lambda done: None)


def test_it_is_kept(backup: bytes) -> None:
    bucket = FakeBucket()
    keep(bucket, backup)
    assert bucket.objects == {NAME: backup}


@pytest.mark.parametrize("operation", ["put", "read"])
def test_an_answer_that_is_lost_leaves_nothing_unverified(backup: bytes, operation: str) -> None:
    """The object may be there all the same: nobody has verified it."""
    bucket = FakeBucket(operation)
    with pytest.raises(StoreTrouble, match="it broke off"):
        keep(bucket, backup)
    assert bucket.objects == {}


def test_what_may_be_left_is_told(backup: bytes) -> None:
    with pytest.raises(CommandFailed) as caught:
        keep(FakeBucket("read", "remove"), backup)
    assert str(caught.value) == (
        "cannot read it: it broke off. An object that was not verified may be left, since this "
        "failed too: cannot remove it: it broke off"
    )


def test_another_checksum_is_refused(backup: bytes) -> None:
    bucket = FakeBucket(etag="0" * 32)
    with pytest.raises(CommandFailed, match=f"has checksum {'0' * 32}, but [0-9a-f]{{32}} was"):
        keep(bucket, backup, reads_back=False)
    assert bucket.objects == {}


def test_an_etag_that_is_no_checksum_proves_nothing(backup: bytes) -> None:
    bucket = FakeBucket(etag="CLnMhd+n5ocDEAE=")
    keep(bucket, backup, reads_back=False)
    assert bucket.objects == {NAME: backup}


def test_another_size_is_refused(backup: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = FakeBucket()
    monkeypatch.setattr(bucket, "size_bytes", lambda _name: 7)
    with pytest.raises(CommandFailed, match=f"has 7 bytes, but {len(backup)} bytes were stored"):
        keep(bucket, backup, reads_back=False)
    monkeypatch.setattr(bucket, "size_bytes", lambda _name: None)
    with pytest.raises(CommandFailed, match="is missing"):
        keep(bucket, backup, reads_back=False)
