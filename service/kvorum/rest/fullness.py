"""What a refusal for the quota says: how much is used, and whether there is room for less."""

from kvorum.errors import Full
from kvorum.mvcc.outcome import FULL_MESSAGE, Outcome, Status
from kvorum.mvcc.quota import RELIEF_PERCENT
from kvorum.node.views import StoreInfo

_UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
_SHOWN_MIN = 10  # of a unit; below it too much would be rounded away


def full_detail(outcome: Outcome, store: StoreInfo, value_bytes: int | None = None) -> str:
    """Empty unless the outcome is a refusal for the quota; ``value_bytes``: of the one value."""
    if outcome.status is not Status.FULL or outcome.message != FULL_MESSAGE:
        return ""
    return _detail(store, value_bytes)


def full_error(error: Full, store: StoreInfo) -> Full:
    """The same of a refusal that was raised."""
    if str(error) != FULL_MESSAGE:
        return error
    return Full(_detail(store, None) or FULL_MESSAGE)


def _detail(store: StoreInfo, value_bytes: int | None) -> str:
    if not store.quota_bytes:  # it is the leader's that counts
        return ""
    used = f"{_used(store.size_bytes, store.quota_bytes)} are used (QUOTA_BYTES)"
    if store.is_full:
        return (
            f"the store is full: {used}; delete keys until at most {RELIEF_PERCENT} % are, or "
            "raise its quota"
        )
    what = "the write" if value_bytes is None else f"a value of {value_bytes:,} bytes"
    return f"{what} does not fit: {used}; write less, delete keys, or raise the store's quota"


def _used(size_bytes: int, quota_bytes: int) -> str:
    for unit_bytes, unit in _UNITS:
        if quota_bytes >= _SHOWN_MIN * unit_bytes:
            return f"{_part(size_bytes, unit_bytes)} of {_part(quota_bytes, unit_bytes)} {unit}"
    return f"{size_bytes:,} of {quota_bytes:,} bytes"


def _part(size_bytes: int, unit_bytes: int) -> str:
    return f"{size_bytes / unit_bytes:,.0f}"
