"""``/keys``: many keys at once, page by page."""

import asyncio
from collections.abc import Sequence

import msgspec
from litestar.types import HTTPScope, Receive
from msgspec import UNSET, UnsetType

from kvorum.errors import Rejected
from kvorum.mvcc.command import DELETE_KEYS_MAX, DeleteOp
from kvorum.mvcc.outcome import Outcome, Status
from kvorum.mvcc.query import KeyRange
from kvorum.mvcc.record import Record
from kvorum.node.service import KvService
from kvorum.node.views import KeyCount, KeyRead, Leadership
from kvorum.rest.answer import Answer
from kvorum.rest.cursor import new_cursor
from kvorum.rest.exchange import Desk, Exchange
from kvorum.rest.key_answers import age_fields
from kvorum.rest.options import RestOptions
from kvorum.rest.problems import refusal_of
from kvorum.rest.range_requests import ListRequest, parse_delete, parse_list
from kvorum.rest.range_schemas import CountAnswer, KeysAnswer, KeysDeletedAnswer
from kvorum.rest.schemas import KeyValue
from kvorum.rest.values import key_only, key_value

_TOO_MANY_ADVICE = (
    f"more than {DELETE_KEYS_MAX} keys: nothing was deleted; give limit={DELETE_KEYS_MAX} or less, "
    "and repeat the request while the answer says that there are more"
)

_REFUSALS = (Status.TOO_MANY, Status.EXPIRED)
PART_ITEMS = 1000
"""Of a page that are made in one go: about half a millisecond."""
_encode = msgspec.json.Encoder().encode


class RangeApi:
    """Answers requests for ``/keys``; never raises for what a request can cause."""

    def __init__(self, service: KvService, options: RestOptions, desk: Desk) -> None:
        self._service = service
        self._options = options
        self._desk = desk

    async def list(self, scope: HTTPScope, receive: Receive) -> Answer:
        return await self._desk.answer(scope, receive, self._list)

    async def delete(self, scope: HTTPScope, receive: Receive) -> Answer:
        return await self._desk.answer(scope, receive, self._delete)

    async def _list(self, exchange: Exchange) -> Answer:
        wanted = parse_list(exchange.scope["query_string"], self._options.key_bytes_max)
        request_id = self._desk.begin(exchange)
        if wanted.count_only:
            count = await self._service.count(
                request_id, wanted.keys, revision=wanted.revision, stale=wanted.stale
            )
            return self._counted(count)
        read = await self._service.range(
            request_id,
            wanted.keys,
            revision=wanted.revision,
            limit=wanted.limit,
            reverse=wanted.reverse,
            stale=wanted.stale,
        )
        return await self._listed(read, wanted)

    def _counted(self, count: KeyCount) -> Answer:
        leadership = self._service.leadership()
        contact_ms, applied, commit = age_fields(count.staleness)
        body = CountAnswer(
            is_leader=leadership.is_leader,
            leader_id=leadership.leader_id,
            request_id=count.request_id,
            count=count.count,
            revision=count.revision,
            last_contact_ms=contact_ms,
            applied_index=applied,
            commit_index=commit,
        )
        return Answer(200, _encode(body))

    async def _listed(self, read: KeyRead, wanted: ListRequest) -> Answer:
        """A long page in parts, so that it does not hold up everybody else."""
        items: list[KeyValue] = []
        for first in range(0, len(read.page.items), PART_ITEMS):
            if first:
                await asyncio.sleep(0)
            items += shown_items(read.page.items[first : first + PART_ITEMS], wanted)
        return page_answer(read, wanted, items, self._service.leadership())

    async def _delete(self, exchange: Exchange) -> Answer:
        wanted = parse_delete(exchange.scope["query_string"], self._options.key_bytes_max)
        keys = wanted.selection.range
        request_id = self._desk.begin(exchange)
        op = DeleteOp(keys.start, wanted.selection.end, wanted.limit)
        outcome = await self._service.write(request_id, (), (op,))
        if outcome.status is not Status.SUCCESS:
            context = self._desk.context(exchange)
            return refusal_of(outcome, context, detail=_advice(outcome), possible=_REFUSALS)
        leadership = self._service.leadership()
        body = KeysDeletedAnswer(
            is_leader=leadership.is_leader,
            leader_id=leadership.leader_id,
            request_id=outcome.request_id,
            deleted=outcome.changed,
            more=await self._is_more(keys, outcome, wanted.limit),
            revision=outcome.revision,
        )
        return Answer(200, _encode(body))

    async def _is_more(self, keys: KeyRange, outcome: Outcome, limit: int) -> bool:
        """Whether keys are left; this node has applied the deletion at least.

        If it has stopped serving since, there may be: the deletion itself is no failure.
        """
        if not limit or outcome.changed < limit:
            return False
        try:
            left = await self._service.range(outcome.request_id, keys, limit=1, stale=True)
        except Rejected:
            return True
        return bool(left.page.items)


def shown_items(items: Sequence[tuple[bytes, Record]], wanted: ListRequest) -> list[KeyValue]:
    """Keys as the answer has them."""
    shown = key_only if wanted.keys_only else key_value
    return [shown(key, record) for key, record in items]


def page_answer(
    read: KeyRead, wanted: ListRequest, items: list[KeyValue], leadership: Leadership
) -> Answer:
    """200 with the page, whose keys are ``items``."""
    page = read.page
    contact_ms, applied, commit = age_fields(read.staleness)
    body = KeysAnswer(
        is_leader=leadership.is_leader,
        leader_id=leadership.leader_id,
        request_id=read.request_id,
        items=items,
        more=page.more,
        cursor=_cursor(read, wanted),
        revision=page.revision,
        last_contact_ms=contact_ms,
        applied_index=applied,
        commit_index=commit,
    )
    return Answer(200, _encode(body))


def _advice(outcome: Outcome) -> str:
    return _TOO_MANY_ADVICE if outcome.status is Status.TOO_MANY else ""


def _cursor(read: KeyRead, wanted: ListRequest) -> str | UnsetType:
    page = read.page
    if not page.more or page.last is None:
        return UNSET
    return new_cursor(page.revision, wanted.whole, page.last, reverse=wanted.reverse)
