"""What backups are called, and which of them are too many."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from msgspec import Struct

SUFFIX = ".snapshot"
UNFINISHED = ".unfinished"
PREFIX = "kvorum"

_TIME = "%Y%m%dT%H%M%SZ"
_SHAPE = re.compile(r"(\d{8}T\d{6}Z)-r(\d+)\.snapshot")
_UNFINISHED_SHAPE = re.compile(r"(\d{8}T\d{6}Z)\.unfinished")
_ABANDONED = timedelta(days=1)
"""No backup takes that long: whoever began it was killed."""


class Made(Struct, frozen=True, order=True):
    """A name taken apart; the order is that of their times."""

    time: datetime
    revision: int
    name: str


class Names(Struct, frozen=True):
    """Those of one series of backups: all that begin with ``prefix``, and are shaped like ours.

    Without colons, which some file systems refuse; an alphabetical listing is in order.
    """

    prefix: str

    def finished(self, time: datetime, revision: int) -> str:
        """``kvorum-20261123T030000Z-r1234.snapshot``."""
        return f"{self.prefix}-{time.astimezone(UTC):{_TIME}}-r{revision}{SUFFIX}"

    def unfinished(self, time: datetime) -> str:
        """Of a file that is being written."""
        return f"{self.prefix}-{time.astimezone(UTC):{_TIME}}{UNFINISHED}"

    @property
    def beginning(self) -> str:
        """All of them begin so, and others may."""
        return f"{self.prefix}-"

    def surplus(self, names: Iterable[str], newest: str, keep: int) -> list[str]:
        """What is there beyond ``keep``, the oldest first; never ``newest``.

        That one was just made, whatever the clocks said at the others.
        """
        others = sorted(made for name in names if (made := self._made(name)) and name != newest)
        return [made.name for made in others[: max(0, len(others) - keep + 1)]]

    def count(self, names: Iterable[str]) -> int:
        """How many are ours."""
        return sum(self._made(name) is not None for name in names)

    def abandoned(self, names: Iterable[str], now: datetime) -> list[str]:
        """Unfinished ones that nobody goes on with."""
        return [name for name in names if self._is_abandoned(name, now)]

    def _made(self, name: str) -> Made | None:
        found = _SHAPE.fullmatch(name.removeprefix(self.beginning))
        if found is None or not name.startswith(self.beginning):
            return None
        time = _time(found[1])
        return None if time is None else Made(time, int(found[2]), name)

    def _is_abandoned(self, name: str, now: datetime) -> bool:
        found = _UNFINISHED_SHAPE.fullmatch(name.removeprefix(self.beginning))
        if found is None or not name.startswith(self.beginning):
            return False
        time = _time(found[1])
        return time is not None and now - time > _ABANDONED


def _time(text: str) -> datetime | None:
    """None for the thirteenth month and the like."""
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
