"""Calls about single keys, and what became of a request."""

from msgspec import Raw, Struct

from kvorum.client.call import Answer, Call, Query, flag, quoted, write_id
from kvorum.client.errors import ClientError, InvalidRequest, NotFound
from kvorum.client.model import JSON_TYPE, Json, KeyValue, Outcome, Written
from kvorum.client.wire import (
    WireKeyValue,
    decoded,
    encode,
    json_text,
    lifetime_fields,
    value_fields,
)

JSON_CONTENT: Query = (("content-type", JSON_TYPE),)


class _Written(Struct, rename="camel"):
    revision: int
    request_id: str
    previous: WireKeyValue | None = None


class _Outcome(Struct, rename="camel"):
    found: bool
    success: bool
    message: str
    revision: int = 0


class _Command(Struct):
    info: _Outcome


def key_path(key: str) -> str:
    return f"/key/{quoted(key, 'key')}"


def get(key: str, *, revision: int = 0, stale: bool = False) -> Call[KeyValue]:
    """``revision`` 0: now."""
    query: Query = (("revision", str(revision)),) if revision else ()

    def read(answer: Answer) -> KeyValue:
        return decoded(answer, WireKeyValue).item(key)

    return Call(
        "get",
        "GET",
        key_path(key),
        read,
        query=query + consistency(stale),
        prefers_leader=not stale,
    )


def consistency(stale: bool) -> Query:
    """Of any read; linearizable is the default of the nodes."""
    return (("consistency", "stale"),) if stale else ()


def put(
    key: str,
    value: Json | bytes,
    *,
    content_type: str = "",
    ttl_s: float | None = None,
    lease: str = "",
    if_revision: int | None = None,
    if_absent: bool = False,
    previous: bool = False,
    request_id: str = "",
) -> Call[Written]:
    """Set ``key``."""
    fields = {**value_fields(value, content_type), **lifetime_fields(ttl_s, lease)}
    return _write(
        "put",
        "PUT",
        key,
        content=encode(fields),
        conditions=_conditions(if_revision, if_absent),
        previous=previous,
        request_id=request_id,
    )


def delete(
    key: str,
    *,
    if_revision: int | None = None,
    missing_ok: bool = False,
    previous: bool = False,
    request_id: str = "",
) -> Call[Written]:
    """Remove ``key``."""
    return _write(
        "delete",
        "DELETE",
        key,
        conditions=_conditions(if_revision, if_absent=False),
        previous=previous,
        request_id=request_id,
        missing_ok=missing_ok,
    )


def cas(key: str, old: Json, new: Json, *, request_id: str = "") -> Call[Written]:
    """Set ``key`` to ``new`` if it holds ``old``."""
    content = encode({"oldValue": Raw(json_text(old)), "newValue": Raw(json_text(new))})
    return _write("cas", "PATCH", key, content=content, request_id=request_id)


def _conditions(if_revision: int | None, if_absent: bool) -> Query:
    """If-Match and If-None-Match (RFC 9110 §13.1)."""
    if if_revision is not None and if_absent:
        raise InvalidRequest("if_revision and if_absent contradict each other")
    if if_absent or if_revision == 0:  # a key that does not exist has revision 0
        return (("if-none-match", "*"),)
    return () if if_revision is None else (("if-match", f'"{if_revision}"'),)


def _write(
    operation: str,
    method: str,
    key: str,
    *,
    content: bytes | None = None,
    conditions: Query = (),
    previous: bool = False,
    request_id: str = "",
    missing_ok: bool = False,
) -> Call[Written]:
    def read(answer: Answer) -> Written:
        said = decoded(answer, _Written)
        before = said.previous.item(key) if said.previous else None
        return Written(said.revision, said.request_id, previous=before)

    return Call(
        operation,
        method,
        key_path(key),
        read,
        query=flag("previous", previous),
        headers=conditions + (JSON_CONTENT if content is not None else ()),
        content=content,
        request_id=write_id(request_id),
        is_write=True,
        forgive=_nothing_there if missing_ok else None,
    )


def _nothing_there(error: ClientError) -> Written:
    if not isinstance(error, NotFound) or error.problem is None:
        raise error
    problem = error.problem
    return Written(problem.number("revision"), problem.request_id, changed=False)


def outcome(request_id: str) -> Call[Outcome]:
    """What became of a write under this id."""

    def read(answer: Answer) -> Outcome:
        info = decoded(answer, _Command).info
        return Outcome(info.found, info.success, info.message, info.revision)

    return Call("outcome", "GET", f"/command/{quoted(request_id, 'request id')}", read)
