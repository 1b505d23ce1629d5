"""Results of ``/key/{key}`` as answers: pure functions."""

import msgspec
from msgspec import UNSET, Raw, UnsetType

from kvorum.mvcc.outcome import READ_MISSING_MESSAGE, SUCCESS_MESSAGE, Outcome, Status
from kvorum.mvcc.store import Record
from kvorum.node.views import Leadership, ReadResult
from kvorum.rest.answer import Answer
from kvorum.rest.locations import command_location, shown_path
from kvorum.rest.problems import KEY_NOT_FOUND, VALUE_MISMATCH, Kind, encoded
from kvorum.rest.schemas import AcceptedAnswer, Problem, ReadAnswer, WriteAnswer

_encode = msgspec.json.Encoder().encode


def write_answer(outcome: Outcome, leadership: Leadership, raw_path: bytes) -> Answer:
    """200, or the problem that the outcome's status stands for."""
    if outcome.status is not Status.SUCCESS:
        kind = VALUE_MISMATCH if outcome.status is Status.VALUE_MISMATCH else KEY_NOT_FOUND
        return encoded(_refusal(kind, outcome, leadership, raw_path))
    body = WriteAnswer(
        is_leader=leadership.is_leader,
        leader_id=leadership.leader_id,
        request_id=outcome.request_id,
        success=True,
        message=outcome.message,
        revision=outcome.revision,
    )
    return Answer(200, _encode(body))


def read_answer(result: ReadResult, leadership: Leadership, raw_path: bytes) -> Answer:
    """200 with the value, or 404; a stale read's answer says how old it may be."""
    if result.record is None:
        return encoded(_missing(result, leadership, raw_path))
    return Answer(200, _encode(_found(result, result.record, leadership)))


def accepted_answer(request_id: str, leadership: Leadership) -> Answer:
    """202 of RFC 7240: the request was taken, its outcome is found elsewhere."""
    body = AcceptedAnswer(
        is_leader=leadership.is_leader, leader_id=leadership.leader_id, request_id=request_id
    )
    headers = (
        (b"location", command_location(request_id).encode("ascii")),
        (b"preference-applied", b"respond-async"),
    )
    return Answer(202, _encode(body), headers=headers)


def _found(result: ReadResult, record: Record, leadership: Leadership) -> ReadAnswer:
    contact_ms, applied, commit = _age(result)
    return ReadAnswer(
        is_leader=leadership.is_leader,
        leader_id=leadership.leader_id,
        request_id=result.request_id,
        success=True,
        message=SUCCESS_MESSAGE,
        value=Raw(record.value),
        revision=result.revision,
        create_revision=record.create_revision,
        mod_revision=record.mod_revision,
        version=record.version,
        last_contact_ms=contact_ms,
        applied_index=applied,
        commit_index=commit,
    )


def _missing(result: ReadResult, leadership: Leadership, raw_path: bytes) -> Problem:
    contact_ms, applied, commit = _age(result)
    return Problem(
        type=KEY_NOT_FOUND.type_uri,
        title=KEY_NOT_FOUND.title,
        status=KEY_NOT_FOUND.status,
        detail=READ_MISSING_MESSAGE,
        error=READ_MISSING_MESSAGE,
        instance=shown_path(raw_path),
        is_leader=leadership.is_leader,
        leader_id=leadership.leader_id,
        request_id=result.request_id,
        success=False,
        message=READ_MISSING_MESSAGE,
        revision=result.revision,
        last_contact_ms=contact_ms,
        applied_index=applied,
        commit_index=commit,
    )


def _refusal(kind: Kind, outcome: Outcome, leadership: Leadership, raw_path: bytes) -> Problem:
    return Problem(
        type=kind.type_uri,
        title=kind.title,
        status=kind.status,
        detail=outcome.message,
        error=outcome.message,
        instance=shown_path(raw_path),
        is_leader=leadership.is_leader,
        leader_id=leadership.leader_id,
        request_id=outcome.request_id,
        success=False,
        message=outcome.message,
        revision=outcome.revision,
    )


_Age = tuple[int | UnsetType | None, int | UnsetType, int | UnsetType]


def _age(result: ReadResult) -> _Age:
    staleness = result.staleness
    if staleness is None:
        return UNSET, UNSET, UNSET
    return staleness.last_contact_ms, staleness.applied_index, staleness.commit_index
