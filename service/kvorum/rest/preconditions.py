"""Entity tags and the conditions on them (RFC 9110 §8.8.3, §13.1).

The tag of a key is the revision of its last write, in quotes. It names the key's state,
whatever the form in which an answer shows it.
"""

import re
from collections.abc import Iterable

from kvorum.errors import InvalidRequest
from kvorum.mvcc.command import Compare, Field, Relation
from kvorum.mvcc.record import Record
from kvorum.rest.headers import RequestHead
from kvorum.rest.query import REVISION_MAX

_TAG = re.compile(rb'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_LIST = re.compile(rb'\s*(?:W/)?(?:"[^"]*"|[0-9]+)(?:\s*,\s*(?:W/)?(?:"[^"]*"|[0-9]+))*\s*')
_ELEMENT = re.compile(rb'(W/)?(?:"([^"]*)"|([0-9]+))')
_SHOWN_MAX = 40  # bytes of what the client sent


def entity_tag(mod_revision: int) -> bytes:
    return b'"%d"' % mod_revision


def is_known(if_none_match: bytes, mod_revision: int) -> bool:
    """Whether the client has this state already, so that 304 is the answer to a GET.

    Compared weakly (§13.1.2). What cannot be parsed is no tag of ours.
    """
    if if_none_match.strip() == b"*":
        return True
    tag = b"%d" % mod_revision
    return any(match[2] == tag for match in _TAG.finditer(if_none_match))


def preconditions(head: RequestHead, key: bytes) -> tuple[Compare, ...]:
    """What has to hold for a write; raises ``InvalidRequest``."""
    return (
        *_if_match(head.if_match.strip(), key),
        *_if_none_match(head.if_none_match.strip(), key),
    )


def required_revision(conditions: Iterable[Compare]) -> int:
    """That of ``If-Match`` with an entity tag; 0 if there is none."""
    for condition in conditions:
        if condition.field is Field.MOD_REVISION and condition.relation is Relation.EQUAL:
            assert isinstance(condition.operand, int), "a revision"
            return condition.operand
    return 0


def _if_match(field: bytes, key: bytes) -> tuple[Compare, ...]:
    if not field:
        return ()
    if field == b"*":
        return (Compare(key, Field.VERSION, Relation.GREATER, 0),)
    revisions = _revisions("If-Match", field)
    if len(revisions) > 1:
        raise InvalidRequest("If-Match lists several entity tags; give one")
    return (Compare(key, Field.MOD_REVISION, Relation.EQUAL, revisions[0]),)


def _if_none_match(field: bytes, key: bytes) -> tuple[Compare, ...]:
    if not field:
        return ()
    if field == b"*":
        return (Compare(key, Field.VERSION, Relation.EQUAL, 0),)
    return tuple(
        Compare(key, Field.MOD_REVISION, Relation.NOT_EQUAL, revision)
        for revision in _revisions("If-None-Match", field)
    )


def _revisions(name: str, field: bytes) -> list[int]:
    """A bare number is accepted as well."""
    if not _LIST.fullmatch(field):
        raise _no_tag(name, field)
    return [
        _revision(name, match[0], match[1], match[2] or match[3] or b"")
        for match in _ELEMENT.finditer(field)
    ]


def _revision(name: str, element: bytes, weak: bytes | None, digits: bytes) -> int:
    if weak and name == "If-Match":
        raise InvalidRequest(
            f"{name}: {_shown(element)} is weak and matches nothing (RFC 9110 §13.1.1); "
            "send it without W/"
        )
    revision = int(digits) if digits.isdigit() and len(digits) <= 19 else 0
    if not 1 <= revision <= REVISION_MAX:
        raise _no_tag(name, element)
    return revision


def _no_tag(name: str, text: bytes) -> InvalidRequest:
    return InvalidRequest(
        f'{name}: {_shown(text)} is neither * nor an entity tag of this store, as in {name}: "42", '
        "where 42 is a modRevision"
    )


def _shown(text: bytes) -> str:
    return text[:_SHOWN_MAX].decode("latin-1")


def failed(conditions: tuple[Compare, ...], record: Record | None) -> bool:
    """Whether one of them does not hold of what the key held; see :func:`preconditions`."""
    return not all(_holds(condition, record) for condition in conditions)


def _holds(condition: Compare, record: Record | None) -> bool:
    match condition.field, condition.relation:
        case Field.VERSION, Relation.GREATER:
            return record is not None
        case Field.VERSION, _:
            return record is None
        case _, Relation.EQUAL:
            return record is not None and record.mod_revision == condition.operand
    return record is None or record.mod_revision != condition.operand
