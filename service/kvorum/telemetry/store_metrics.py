"""What the store holds, and how old the last backup is; read when somebody scrapes."""

from operator import attrgetter
from typing import Annotated

from msgspec import Meta, Struct

from kvorum.telemetry.meters import SampledTopic

_Time = Annotated[float, Meta(ge=0, le=1e12)]
_Count = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]


class BackupSample(Struct, frozen=True):
    """What ``kvorum backup`` noted of its last success; figures that can be shown."""

    time: _Time  # Unix, seconds
    revision: _Count
    bytes: _Count


class StoreSample(Struct, frozen=True, kw_only=True):
    keys: int
    store_bytes: int
    revision: int
    outcomes: int
    store_is_full: bool
    store_quota_bytes: int
    leases: int
    compacted_revision: int
    history_revisions: int
    history_bytes: int
    backup: BackupSample | None = None


_GAUGES: dict[str, str] = {
    "keys": "Keys in the store.",
    "store_bytes": "Size of the store as the quota counts it: keys, values, 256 bytes a key.",
    "store_quota_bytes": "Size at which writes are refused, as kvorum_store_bytes; 0: no bound.",
    "store_is_full": "1 while writes are refused for the quota, else 0. Deletes pass; it clears "
    "itself at 90 % of the quota.",
    "revision": "Revision of the store: how many writes have changed it.",
    "outcomes": "Outcomes of executed commands that are kept to recognise repeated requests.",
    "leases": "Leases that have not ended, those of single keys included.",
    "compacted_revision": "History before this revision is forgotten.",
    "history_revisions": "Former revisions that can still be read and watched.",
    "history_bytes": "What those keep of keys and values.",
}
_BACKUP_NOTE = "By the key _backups/last, which `kvorum backup` writes; no series without it."


class StoreMetrics(SampledTopic[StoreSample]):
    """The gauges of backups are the same on all nodes that are level."""

    title = "The store"

    def _declare(self) -> None:
        for field, text in _GAUGES.items():
            self.gauge(f"kvorum_{field}", text, attrgetter(field))
        self._backup_gauge(
            "kvorum_backup_last_success_timestamp_seconds",
            "When the last backup succeeded, seconds since 1970. Much older than the schedule: "
            "look at the job that makes them.",
            "time",
        )
        self._backup_gauge(
            "kvorum_backup_last_revision",
            "Revision of the store in the last backup; kvorum_revision less this would be lost.",
            "revision",
        )
        self._backup_gauge(
            "kvorum_backup_last_size_bytes",
            "Size of the last backup. Much smaller than those before: look into it.",
            "bytes",
        )

    def _backup_gauge(self, name: str, text: str, field: str) -> None:
        def value_of(sample: StoreSample) -> float | None:
            return None if sample.backup is None else float(getattr(sample.backup, field))

        self.gauge(name, f"{text} {_BACKUP_NOTE}", value_of)
