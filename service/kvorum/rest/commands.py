"""``/command/{id}``: what became of a request."""

import msgspec
from msgspec import UNSET, Raw

from kvorum.mvcc.outcome import READ_MISSING_MESSAGE, SUCCESS_MESSAGE, Outcome
from kvorum.node.service import KvService
from kvorum.node.views import ReadResult
from kvorum.rest.answer import Answer
from kvorum.rest.schemas import CommandAnswer, CommandInfo
from kvorum.rest.values import value_fields

UNKNOWN_MESSAGE = "request not found"

_NULL = Raw(b"null")
_encode = msgspec.json.Encoder().encode


async def command_answer(service: KvService, request_id: str, *, stale: bool) -> Answer:
    """200 in any case, as in the original: ``found`` tells.

    A node that does not know the request catches up with everything acknowledged
    so far before it says so, unless ``stale``. Raises ``Rejected`` if it cannot.
    """
    known = service.find_command(request_id)
    if known is None and not stale:
        await service.catch_up()
        known = service.find_command(request_id)
    leadership = service.leadership()
    body = CommandAnswer(
        is_leader=leadership.is_leader, leader_id=leadership.leader_id, info=_info(known)
    )
    return Answer(200, _encode(body))


def _info(known: Outcome | ReadResult | None) -> CommandInfo:
    if known is None:
        return CommandInfo(found=False, value=_NULL, message=UNKNOWN_MESSAGE, success=False)
    if isinstance(known, Outcome):
        return CommandInfo(
            found=True,
            value=_NULL,
            message=known.message,
            success=known.success,
            revision=known.revision,
        )
    return _read_info(known)


def _read_info(result: ReadResult) -> CommandInfo:
    record = result.record
    if record is None:
        return CommandInfo(
            found=True,
            value=_NULL,
            message=READ_MISSING_MESSAGE,
            success=False,
            revision=result.revision,
        )
    value, value_base64, content_type = value_fields(record)
    return CommandInfo(
        found=True,
        value=_NULL if value is UNSET else value,
        value_base64=value_base64,
        content_type=content_type,
        message=SUCCESS_MESSAGE,
        success=True,
        revision=result.revision,
        create_revision=record.create_revision,
        mod_revision=record.mod_revision,
        version=record.version,
        lease=record.lease or UNSET,
    )
