"""``/compact`` and ``/snapshot``: forgetting history, and a copy of everything."""

from collections.abc import AsyncGenerator

import msgspec
from litestar.types import HTTPScope
from msgspec import UNSET, Struct, UnsetType

from kvorum.errors import Compacted, InvalidRequest
from kvorum.mvcc.outcome import Status
from kvorum.node.backup import Backup
from kvorum.node.service import KvService
from kvorum.rest.answer import Answer
from kvorum.rest.body import Shape, decoded
from kvorum.rest.coordination_schemas import CompactAnswer
from kvorum.rest.locations import shown_path
from kvorum.rest.problems import Context, refusal_of
from kvorum.rest.streaming import Streamed

REVISION_MAX = (1 << 63) - 1
_CHUNK_BYTES = 256 << 10

_REFUSALS = (Status.FUTURE_REVISION, Status.EXPIRED)

_encode = msgspec.json.Encoder().encode


class _CompactFields(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    revision: int | UnsetType = UNSET
    keep_revisions: int | UnsetType = UNSET


_COMPACT = Shape(_CompactFields, '{"revision": number} or {"keepRevisions": number}', choice=True)


class Compaction(Struct, frozen=True):
    """To a ``revision``, or, if that is 0, to ``keep_revisions`` before the present."""

    revision: int
    keep_revisions: int


def parse_compact(body: bytes) -> Compaction:
    """Raises ``InvalidRequest``, which names the field."""
    fields = decoded(body, _COMPACT)
    if (fields.revision is UNSET) == (fields.keep_revisions is UNSET):
        raise InvalidRequest("give either revision, the oldest to keep, or keepRevisions")
    if fields.revision is not UNSET:
        return Compaction(_in_range(fields.revision, "revision", 1), 0)
    assert fields.keep_revisions is not UNSET, "one of them is there"
    return Compaction(0, _in_range(fields.keep_revisions, "keepRevisions", 0))


def _in_range(number: int, name: str, low: int) -> int:
    if not low <= number <= REVISION_MAX:
        raise InvalidRequest(f"{name} must be {low} to {REVISION_MAX}, not {str(number)[:40]}")
    return number


async def compact_answer(
    service: KvService, request_id: str, wanted: Compaction, raw_path: bytes
) -> Answer:
    """200 once it is done, and if there is nothing left to forget; raises ``Compacted``."""
    revision = wanted.revision or await _oldest_to_keep(service, wanted.keep_revisions)
    if revision > service.store_info().compacted_revision or wanted.revision:
        outcome = await service.compact(request_id, revision)
        oldest_revision = service.store_info().compacted_revision
        if outcome.status is Status.COMPACTED and not wanted.keep_revisions:
            raise Compacted(
                f"revision {revision} is compacted already; the oldest one is {oldest_revision}",
                oldest_revision=oldest_revision,
            )
        if outcome.status not in (Status.SUCCESS, Status.COMPACTED):
            context = Context(shown_path(raw_path), service.leadership())
            return refusal_of(outcome, context, possible=_REFUSALS)
    leadership = service.leadership()
    body = CompactAnswer(
        is_leader=leadership.is_leader,
        leader_id=leadership.leader_id,
        request_id=request_id,
        compacted_revision=service.store_info().compacted_revision,
    )
    return Answer(200, _encode(body))


async def _oldest_to_keep(service: KvService, keep_revisions: int) -> int:
    await service.catch_up()
    return max(0, service.store_info().revision - keep_revisions)


class SnapshotApi:
    """Streams the whole store as a file."""

    def __init__(self, service: KvService) -> None:
        self._service = service

    async def open(self, scope: HTTPScope) -> Streamed:
        """Raises ``Rejected`` and, for a disk that fails, ``OSError``."""
        del scope  # there is nothing to choose
        backup = await self._service.open_backup()
        headers = (
            (b"content-length", b"%d" % backup.size_bytes),
            (b"content-disposition", b'attachment; filename="%b"' % backup.name.encode("ascii")),
            (b"cache-control", b"no-store"),
            (b"kvorum-revision", b"%d" % backup.revision),
        )
        return Streamed(b"application/octet-stream", _parts(backup), backup.close, headers)


async def _parts(backup: Backup) -> AsyncGenerator[bytes, None]:
    offset = 0
    while offset < backup.size_bytes:
        part = await backup.read(offset, min(_CHUNK_BYTES, backup.size_bytes - offset))
        if not part:
            raise OSError(f"{backup.name} ends at byte {offset} of {backup.size_bytes}")
        offset += len(part)
        yield part
