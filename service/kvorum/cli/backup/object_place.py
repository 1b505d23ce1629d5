"""Backups in an S3-compatible object store.

The parts of an upload stay invisible until all of them are there, and they are only put together
when the whole backup was loaded. Nothing is written to a disk here.
"""

import hashlib
import re
import signal
from types import FrameType

from kvorum.cli.backup.loaded_stream import Content, LoadedStream
from kvorum.cli.backup.names import Names
from kvorum.cli.backup.places import refuse_other_bytes
from kvorum.cli.data.progress import Progress
from kvorum.cli.exits import Exit
from kvorum.cli.failed import CommandFailed
from kvorum.cli.object_store.bucket import PART_BYTES, Bucket
from kvorum.cli.object_store.troubles import StoreTrouble
from kvorum.cli.signals import ENDING, Interrupted, handling

_CHECKSUM = re.compile(r"[0-9a-f]{32}(-\d+)?")
_REFUSED = ("AccessDenied", "NoSuchBucket", "InvalidAccessKeyId", "SignatureDoesNotMatch")


class ObjectPlace:
    """``reads_back`` False: the store's own word is enough, a checksum or else the size."""

    def __init__(self, bucket: Bucket, *, reads_back: bool) -> None:
        self._bucket = bucket
        self._reads_back = reads_back

    def refuse_early(self, names: Names, *, needs_names: bool) -> None:
        """As of :class:`Place`. Who may only add objects may not list them either."""
        try:
            self._bucket.names(names.beginning)
        except StoreTrouble as trouble:
            if needs_names or trouble.store_code != "AccessDenied":
                raise

    def keep(self, stream: LoadedStream, name: str, tell: Progress) -> Content:
        """As of :class:`Place`."""
        upload = _Upload(stream, counts_etag=not self._reads_back)
        try:
            etag = self._put(name, upload)
            if self._reads_back:
                refuse_other_bytes(self.shown(name), stream.content, self._bucket.read(name), tell)
            else:
                self._refuse_other_facts(name, stream.content, etag, upload.etag)
        except BaseException as reason:
            if upload.may_be_there:
                self._discard(name, reason)
            raise
        return stream.content

    def _put(self, name: str, upload: "_Upload") -> str:
        try:
            with handling((signal.SIGINT, *ENDING), upload.interrupt):
                etag = self._bucket.put(name, upload)
        except _Stop:
            upload.check()
            raise
        except StoreTrouble as trouble:
            if trouble.store_code in _REFUSED:
                upload.may_be_there = False
            raise
        upload.check()
        return etag

    def names(self, names: Names) -> list[str]:
        """As of :class:`Place`."""
        return self._bucket.names(names.beginning)

    def remove(self, name: str) -> None:
        """As of :class:`Place`."""
        self._bucket.remove(name)

    def shown(self, name: str) -> str:
        """As of :class:`Place`."""
        return self._bucket.shown(name)

    def _refuse_other_facts(self, name: str, content: Content, etag: str, expected: str) -> None:
        """The checksum came with the answer: who may only add objects may not ask for more."""
        if _CHECKSUM.fullmatch(etag):
            if etag != expected:
                raise CommandFailed(
                    Exit.FAILED,
                    f"{self.shown(name)} has checksum {etag}, but {expected} was stored",
                )
            return
        size_bytes = self._bucket.size_bytes(name)
        if size_bytes != content.size_bytes:
            found = "is missing" if size_bytes is None else f"has {size_bytes} bytes"
            raise CommandFailed(
                Exit.FAILED,
                f"{self.shown(name)} {found}, but {content.size_bytes} bytes were stored",
            )

    def _discard(self, name: str, reason: BaseException) -> None:
        """What may be there was not verified."""
        try:
            self._bucket.remove(name)
        except StoreTrouble as trouble:
            raise CommandFailed(
                Exit.FAILED,
                f"{str(reason) or 'interrupted'}. An object that was not verified may be left, "
                f"since this failed too: {trouble}",
            ) from reason


class _Upload:
    """Hands the backup to the library, which takes its upload back if an ``Exception`` comes.

    Ctrl-C is none, so signals wait for the next read.
    """

    def __init__(self, stream: LoadedStream, *, counts_etag: bool) -> None:
        self._stream = stream
        self._etag = _Etag() if counts_etag else None
        self._interrupted: Interrupted | None = None
        self.may_be_there = False
        """Once all was handed over: before, parts cannot have become an object."""

    @property
    def etag(self) -> str:
        return "" if self._etag is None else self._etag.text

    def read(self, size_bytes: int, /) -> bytes:
        if self._interrupted is not None:
            raise _Stop
        part = self._stream.read(size_bytes)
        if self._etag is not None:
            self._etag.add(part)
        self.may_be_there = not part
        return part

    def interrupt(self, number: int, _frame: FrameType | None) -> None:
        """The second one does not wait."""
        if self._interrupted is not None:
            raise self._interrupted
        self._interrupted = Interrupted(number)

    def check(self) -> None:
        """Raises what came too late for a read."""
        if self._interrupted is not None:
            raise self._interrupted


class _Stop(Exception):
    """Ends the upload; told by the signal that came."""


class _Etag:
    """What an S3 ETag is without encryption: MD5, of several parts that of their MD5s."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._digest = hashlib.md5(usedforsecurity=False)
        self._room_bytes = PART_BYTES

    def add(self, part: bytes) -> None:
        view = memoryview(part)
        while view:
            if not self._room_bytes:
                self._end_part()
            fitting = view[: self._room_bytes]
            self._digest.update(fitting)
            self._room_bytes -= len(fitting)
            view = view[len(fitting) :]

    def _end_part(self) -> None:
        self._parts.append(self._digest.digest())
        self._digest = hashlib.md5(usedforsecurity=False)
        self._room_bytes = PART_BYTES

    @property
    def text(self) -> str:
        if not self._parts:
            return self._digest.hexdigest()
        parts = [*self._parts, self._digest.digest()]
        return f"{hashlib.md5(b''.join(parts), usedforsecurity=False).hexdigest()}-{len(parts)}"
