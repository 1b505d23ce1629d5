"""What one restore of a backup is called: all nodes of the new cluster are given the same name.

It is made once, of the time and chance. The chance tells apart two clusters that are made of one
backup; the time puts the revisions of the later one above all that the earlier one made.
"""

import re
from datetime import UTC, datetime, timedelta

from msgspec import Struct

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FORM = re.compile(r"(\d{8}T\d{6}\.\d{6})-[0-9a-f]{8}", re.ASCII)
_TIME = "%Y%m%dT%H%M%S.%f"
_YEARS = range(1970, 2200)
"""Until then a revision that is a time in microseconds is below 2^53, as JSON numbers must be."""


class RestoreId(Struct, frozen=True):
    """Compared and handed on as its text."""

    text: str  # 20260131T235959.123456-1f2e3d4c: UTC, and 32 random bits
    time_us: int  # since 1970: the least revision with which the new cluster begins


def new_restore_id(now_us: int, chance: int) -> RestoreId:
    """``chance``: 32 random bits. Raises ValueError if the clock is beyond all reason."""
    now = _EPOCH + timedelta(microseconds=now_us)
    return parse_restore_id(f"{now.strftime(_TIME)}-{chance:08x}")


def parse_restore_id(text: str) -> RestoreId:
    """Raises ValueError."""
    form = _FORM.fullmatch(text)
    if form is None:
        raise ValueError(f"{text!r} is no id of a restore, such as 20260131T235959.123456-1f2e3d4c")
    time = datetime.strptime(form[1], _TIME).replace(tzinfo=UTC)
    if time.year not in _YEARS:
        raise ValueError(f"{text!r} is of the year {time.year}: set the clock of that machine")
    return RestoreId(text, (time - _EPOCH) // _MICROSECOND)
