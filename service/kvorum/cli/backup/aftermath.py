"""What follows a backup that was made. None of it may fail the backup, which is there."""

from collections.abc import Collection
from datetime import datetime

from kvorum.cli.backup.loaded_stream import Content
from kvorum.cli.backup.names import Names
from kvorum.cli.backup.places import Place
from kvorum.cli.failed import CommandFailed
from kvorum.client import Client
from kvorum.client.errors import ClientError
from kvorum.client.model import Json

RECORD_KEY = "_backups/last"
"""What the nodes' metrics read: when, up to which revision, how large, under which name."""


class Aftermath:
    """Of the backup ``name``. What goes wrong is in ``warnings``."""

    def __init__(self, place: Place, names: Names, name: str) -> None:
        self._place = place
        self._names = names
        self._name = name
        self.removed: list[str] = []
        self.warnings: list[str] = []

    def record(self, client: Client, content: Content, began: datetime) -> bool:
        """The time is that of the beginning: nothing newer is certain to be in it."""
        record: Json = {
            "time": int(began.timestamp()),
            "revision": content.revision,
            "bytes": content.size_bytes,
            "name": self._name,
        }
        try:
            client.put(RECORD_KEY, record)
        except ClientError as error:
            self._warn(f"{RECORD_KEY}, which the metrics read, could not be written: {error}")
            return False
        return True

    def remove_surplus(self, keep: int, earlier: Collection[str]) -> int | None:
        """How many are left; None if nobody knows.

        Only what was there before this one was begun, ``earlier``, may go: of two that are made
        at a time and keep one each, both would go otherwise.
        """
        try:
            found = self._place.names(self._names)
        except CommandFailed as failure:
            self._warn(f"older ones stay: {failure}")
            return None
        old = [name for name in found if name in earlier]
        for name in self._names.surplus(old, self._name, keep):
            try:
                self._place.remove(name)
            except CommandFailed as failure:
                self._warn(f"an older one stays: {failure}")
            else:
                self.removed.append(name)
        return self._names.count(found) - len(self.removed)

    def _warn(self, text: str) -> None:
        self.warnings.append(f"the backup is good, but {text}")
