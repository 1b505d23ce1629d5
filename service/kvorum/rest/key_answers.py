"""Results of ``/key/{key}`` as answers: pure functions."""

import msgspec
from msgspec import UNSET, Raw, UnsetType

from kvorum.mvcc.outcome import (
    MISMATCH_MESSAGE,
    READ_MISSING_MESSAGE,
    SUCCESS_MESSAGE,
    Outcome,
    missing_key_message,
)
from kvorum.mvcc.record import Record
from kvorum.node.views import Leadership, ReadResult, Staleness
from kvorum.rest.answer import JSON_TYPE, Answer, Headers
from kvorum.rest.locations import command_location
from kvorum.rest.preconditions import entity_tag
from kvorum.rest.problems import (
    KEY_NOT_FOUND,
    PRECONDITION_FAILED,
    VALUE_MISMATCH,
    Context,
    encoded,
    refusal_of,
)
from kvorum.rest.schemas import AcceptedAnswer, KeyValue, Problem, ReadAnswer, WriteAnswer
from kvorum.rest.values import value_fields

_encode = msgspec.json.Encoder().encode

_HARMLESS = (
    (b"content-security-policy", b"sandbox; default-src 'none'"),
    (b"x-content-type-options", b"nosniff"),
)
"""A browser must not run what somebody stored: its origin is the node's."""


def write_answer(
    outcome: Outcome, leadership: Leadership, previous: KeyValue | UnsetType | None = UNSET
) -> Answer:
    """200: it is applied."""
    body = WriteAnswer(
        is_leader=leadership.is_leader,
        leader_id=leadership.leader_id,
        request_id=outcome.request_id,
        success=True,
        message=outcome.message,
        revision=outcome.revision,
        previous=previous,
    )
    return Answer(200, _encode(body))


def read_answer(result: ReadResult, record: Record, leadership: Leadership) -> Answer:
    """200 with the value; a stale read's answer says how old it may be."""
    if record.content_type or record.lease or result.staleness is not None:
        body = _full_body(result, record, leadership)
    else:  # nearly always: fields that are not set need not be filled in
        body = ReadAnswer(
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
        )
    etag = b'"%d"' % record.mod_revision
    return Answer(200, _encode(body), JSON_TYPE, ((b"etag", etag),))


def _full_body(result: ReadResult, record: Record, leadership: Leadership) -> ReadAnswer:
    value, value_base64, content_type = value_fields(record)
    contact_ms, applied, commit = age_fields(result.staleness)
    return ReadAnswer(
        is_leader=leadership.is_leader,
        leader_id=leadership.leader_id,
        request_id=result.request_id,
        success=True,
        message=SUCCESS_MESSAGE,
        value=value,
        value_base64=value_base64,
        content_type=content_type,
        revision=result.revision,
        create_revision=record.create_revision,
        mod_revision=record.mod_revision,
        version=record.version,
        lease=record.lease or UNSET,
        last_contact_ms=contact_ms,
        applied_index=applied,
        commit_index=commit,
    )


def raw_answer(record: Record, revision: int) -> Answer:
    """200 with the value's own bytes."""
    headers: Headers = (
        (b"etag", entity_tag(record.mod_revision)),
        (b"vary", b"accept"),
        (b"kvorum-revision", b"%d" % revision),
        (b"kvorum-mod-revision", b"%d" % record.mod_revision),
        (b"kvorum-create-revision", b"%d" % record.create_revision),
        (b"kvorum-version", b"%d" % record.version),
        *_HARMLESS,
    )
    media_type = record.content_type.encode("ascii") if record.content_type else JSON_TYPE
    return Answer(200, record.value, media_type, headers)


def unchanged_answer(record: Record) -> Answer:
    """304: the client has it."""
    return Answer(304, b"", headers=((b"etag", entity_tag(record.mod_revision)),))


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


def unread_answer(result: ReadResult, context: Context) -> Answer:
    """404 to a read."""
    contact_ms, applied, commit = age_fields(result.staleness)
    problem = Problem(
        type=KEY_NOT_FOUND.type_uri,
        title=KEY_NOT_FOUND.title,
        status=KEY_NOT_FOUND.status,
        detail=READ_MISSING_MESSAGE,
        error=READ_MISSING_MESSAGE,
        instance=context.path,
        is_leader=context.leadership.is_leader,
        leader_id=context.leadership.leader_id,
        request_id=result.request_id,
        success=False,
        message=READ_MISSING_MESSAGE,
        revision=result.revision,
        last_contact_ms=contact_ms,
        applied_index=applied,
        commit_index=commit,
    )
    return encoded(problem)


def missing_answer(outcome: Outcome, key: bytes, context: Context) -> Answer:
    """404 to a write that is a transaction for its conditions, and met no key."""
    message = missing_key_message(key)
    return refusal_of(outcome, context, kind=KEY_NOT_FOUND, message=message)


def mismatch_answer(outcome: Outcome, context: Context) -> Answer:
    """409 to such a PATCH."""
    return refusal_of(outcome, context, kind=VALUE_MISMATCH, message=MISMATCH_MESSAGE)


def unmet_answer(outcome: Outcome, record: Record | UnsetType | None, context: Context) -> Answer:
    """412, with what the key held; ``record`` UNSET: nobody knows any more."""
    mod_revision: int | UnsetType = UNSET
    if record is UNSET:
        found = "the key had changed"
    elif record is None:
        found, mod_revision = "the key does not exist", 0
    else:
        mod_revision = record.mod_revision
        found = f"the key exists, last written at revision {mod_revision}"
    message = f"If-Match or If-None-Match does not hold: {found}"
    return refusal_of(
        outcome, context, kind=PRECONDITION_FAILED, message=message, mod_revision=mod_revision
    )


_Age = tuple[int | UnsetType | None, int | UnsetType, int | UnsetType]


def age_fields(staleness: Staleness | None) -> _Age:
    """``lastContactMs``, ``appliedIndex`` and ``commitIndex`` of a stale read."""
    if staleness is None:
        return UNSET, UNSET, UNSET
    return staleness.last_contact_ms, staleness.applied_index, staleness.commit_index
