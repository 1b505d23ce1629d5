"""Results of ``/txn`` and ``/batch`` as answers."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import UNSET

from kvorum.mvcc.outcome import Outcome, Status
from kvorum.mvcc.query import RangePage
from kvorum.node.views import Deleted, Leadership, StoreInfo
from kvorum.node.views import TxnOpResult as OpResult
from kvorum.rest.answer import Answer
from kvorum.rest.fullness import full_detail
from kvorum.rest.problems import Context, refusal_of
from kvorum.rest.range_schemas import (
    BatchAnswer,
    TxnAnswer,
    TxnDeleted,
    TxnOpResult,
    TxnPut,
    TxnRead,
)
from kvorum.rest.values import key_value

CARRIED_OUT: Final = (Status.SUCCESS, Status.OTHERWISE)
"""A branch of the transaction: the one or the other."""
_SUCCESS: Final = Status.SUCCESS
_REFUSALS = (Status.LEASE_NOT_FOUND, Status.FULL, Status.TOO_MANY, Status.EXPIRED)
_DONE = TxnOpResult(put=TxnPut())

_encode = msgspec.json.Encoder().encode


def txn_answer(
    outcome: Outcome, results: Sequence[OpResult] | None, leadership: Leadership
) -> Answer:
    """To a transaction one of whose branches was carried out.

    Without results if they are forgotten: that is no reason to call it a failure.
    """
    body = TxnAnswer(
        is_leader=leadership.is_leader,
        leader_id=leadership.leader_id,
        request_id=outcome.request_id,
        succeeded=outcome.status is _SUCCESS,
        revision=outcome.revision,
        results=UNSET if results is None else [_shown(result) for result in results],
    )
    return Answer(200, _encode(body))


def batch_answer(outcome: Outcome, leadership: Leadership) -> Answer:
    """To a batch that was carried out."""
    body = BatchAnswer(
        is_leader=leadership.is_leader,
        leader_id=leadership.leader_id,
        request_id=outcome.request_id,
        revision=outcome.revision,
        changed=outcome.changed,
    )
    return Answer(200, _encode(body))


def refused_answer(outcome: Outcome, store: StoreInfo, context: Context) -> Answer:
    """To either if nothing was changed."""
    detail = full_detail(outcome, store)
    return refusal_of(outcome, context, detail=detail, possible=_REFUSALS)


def _shown(result: OpResult) -> TxnOpResult:
    if result is None:
        return _DONE
    if isinstance(result, Deleted):
        return TxnOpResult(delete=TxnDeleted(deleted=result.count))
    assert isinstance(result, RangePage), "a read is all that is left"
    shown = [key_value(key, record) for key, record in result.items]
    return TxnOpResult(get=TxnRead(items=shown, more=result.more))
