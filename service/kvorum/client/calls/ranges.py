"""Calls about ranges of keys, and transactions."""

from collections.abc import Iterable

from msgspec import Struct

from kvorum.client.call import Answer, Call, Query, flag, write_id
from kvorum.client.calls.keys import consistency
from kvorum.client.calls.posting import posting
from kvorum.client.errors import InvalidRequest
from kvorum.client.model import BatchResult, KeyValue, OpResult, Page, RangeDeleted, TxnResult
from kvorum.client.txn import Comparison, Operation, Write, many, wire_operation
from kvorum.client.wire import WireKeyValue, as_query, decoded, items_of, selector


class Range(Struct, frozen=True, kw_only=True):
    """What a range read asks for; see :meth:`kvorum.client.Client.range`."""

    prefix: str | None = None
    start: str | None = None
    end: str | None = None
    reverse: bool = False
    keys_only: bool = False
    revision: int = 0
    stale: bool = False

    def page(self, cursor: str, limit: int) -> Call[Page[KeyValue]]:
        """As a pager asks for it."""
        return page(self, limit=limit, cursor=cursor)


class _Page(Struct, rename="camel"):
    revision: int
    items: tuple[WireKeyValue, ...]
    more: bool = False
    cursor: str = ""


class _Count(Struct):
    count: int


class _Deleted(Struct, rename="camel"):
    revision: int
    deleted: int
    more: bool = False
    request_id: str = ""


class _OpResult(Struct):
    items: tuple[WireKeyValue, ...] = ()
    more: bool = False
    deleted: int = 0


class _Txn(Struct, rename="camel"):
    succeeded: bool
    revision: int
    results: tuple[dict[str, _OpResult], ...] = ()
    request_id: str = ""


class _Batch(Struct, rename="camel"):
    revision: int
    changed: int
    request_id: str = ""


def page(asked: Range, *, limit: int, cursor: str = "") -> Call[Page[KeyValue]]:
    """One page; the cursor of the page before it stands for range, direction and revision."""
    chosen = selector(prefix=asked.prefix, start=asked.start, end=asked.end)
    if cursor:
        query: Query = (("cursor", cursor),)
    else:
        query = (*as_query(chosen), *_revision(asked.revision), *flag("reverse", asked.reverse))
    query += (("limit", str(limit)), *flag("keysOnly", asked.keys_only))

    def read(answer: Answer) -> Page[KeyValue]:
        said = decoded(answer, _Page)
        return Page(items_of(said.items), said.cursor if said.more else "", said.revision)

    return Call(
        "range",
        "GET",
        "/keys",
        read,
        query=query + consistency(asked.stale),
        prefers_leader=not asked.stale,
    )


def count(asked: Range) -> Call[int]:
    """How many keys there are."""
    chosen = selector(prefix=asked.prefix, start=asked.start, end=asked.end)
    query = (*as_query(chosen), *_revision(asked.revision), ("countOnly", "true"))

    def read(answer: Answer) -> int:
        return decoded(answer, _Count).count

    return Call(
        "count",
        "GET",
        "/keys",
        read,
        query=query + consistency(asked.stale),
        prefers_leader=not asked.stale,
    )


def _revision(revision: int) -> Query:
    return (("revision", str(revision)),) if revision else ()


def delete_range(
    *,
    prefix: str | None,
    start: str | None,
    end: str | None,
    limit: int | None,
    everything: bool,
    request_id: str = "",
) -> Call[RangeDeleted]:
    """Remove the keys of a range; the whole store only with ``everything``."""
    chosen = as_query(selector(prefix=prefix, start=start, end=end))
    is_whole = chosen == (("prefix", ""),)
    if is_whole is not everything:
        raise InvalidRequest(
            "this would delete every key: say everything=True if that is meant"
            if is_whole
            else "everything=True allows no choice of keys beside it"
        )
    query = flag("all", True) if everything else chosen
    if limit is not None:
        query += (("limit", str(limit)),)

    def read(answer: Answer) -> RangeDeleted:
        said = decoded(answer, _Deleted)
        return RangeDeleted(said.revision, said.request_id, said.deleted, said.more)

    return Call(
        "delete_range",
        "DELETE",
        "/keys",
        read,
        query=query,
        request_id=write_id(request_id),
        is_write=True,
    )


def txn(
    when: Comparison | Iterable[Comparison],
    then: Operation | Iterable[Operation],
    otherwise: Operation | Iterable[Operation],
    *,
    request_id: str = "",
) -> Call[TxnResult]:
    """Compare, then one branch or the other."""
    body = {
        "compare": [condition.fields for condition in many(when)],
        "then": [wire_operation(operation) for operation in many(then)],
        "else": [wire_operation(operation) for operation in many(otherwise)],
    }

    def read(answer: Answer) -> TxnResult:
        said = decoded(answer, _Txn)
        results = tuple(_op_result(result) for result in said.results)
        return TxnResult(said.succeeded, said.revision, said.request_id, results)

    return posting("txn", "/txn", body, read, request_id=request_id)


def _op_result(result: dict[str, _OpResult]) -> OpResult:
    for said in result.values():
        return OpResult(items_of(said.items), said.more, said.deleted)
    return OpResult()


def batch(operations: Write | Iterable[Write], *, request_id: str = "") -> Call[BatchResult]:
    """Writes that are done together or not at all."""
    body = {"operations": [wire_operation(operation) for operation in many(operations)]}

    def read(answer: Answer) -> BatchResult:
        said = decoded(answer, _Batch)
        return BatchResult(said.revision, said.request_id, said.changed)

    return posting("batch", "/batch", body, read, request_id=request_id)
