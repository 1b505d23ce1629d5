"""Answers about several keys at once: pages, counts, transactions, batches."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from kvorum.rest.schemas import (
    AppliedIndex,
    CommitIndex,
    CommonAnswer,
    KeyValue,
    LastContactMs,
    RequestId,
    Revision,
)


class KeysAnswer(CommonAnswer, frozen=True, kw_only=True):
    """A page of a range of keys, in order, all as they were at `revision`."""

    request_id: RequestId
    items: list[KeyValue]
    more: Annotated[bool, Meta(description="Whether the range goes on; then there is a `cursor`.")]
    cursor: (
        Annotated[
            str,
            Meta(
                description="Pass it on to get the next page, of the same revision.",
                examples=["lQEqksQGdXNlcnPCxAE"],
            ),
        ]
        | UnsetType
    ) = UNSET
    revision: Revision
    last_contact_ms: LastContactMs | UnsetType = UNSET
    applied_index: AppliedIndex | UnsetType = UNSET
    commit_index: CommitIndex | UnsetType = UNSET


class CountAnswer(CommonAnswer, frozen=True, kw_only=True):
    """How many keys a range has."""

    request_id: RequestId
    count: Annotated[int, Meta(description="Keys in the range at `revision`.", examples=[1200])]
    revision: Revision
    last_contact_ms: LastContactMs | UnsetType = UNSET
    applied_index: AppliedIndex | UnsetType = UNSET
    commit_index: CommitIndex | UnsetType = UNSET


class KeysDeletedAnswer(CommonAnswer, frozen=True, kw_only=True):
    """The keys of a range are deleted, or the first of them."""

    request_id: RequestId
    deleted: Annotated[int, Meta(description="How many keys there were.", examples=[3])]
    more: Annotated[bool, Meta(description="With `limit`: whether keys of the range are left.")]
    revision: Revision


class TxnPut(Struct, frozen=True, gc=False):
    """A put has nothing to tell."""


class TxnDeleted(Struct, frozen=True, gc=False, kw_only=True, rename="camel"):
    """How many keys a deletion met."""

    deleted: Annotated[int, Meta(description="Keys that were there.", examples=[2])]


class TxnRead(Struct, frozen=True, gc=False, kw_only=True, rename="camel"):
    """Keys as they were before the writes of the transaction."""

    items: list[KeyValue]
    more: Annotated[bool, Meta(description="Whether there are more keys than `limit`.")]


class TxnOpResult(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What one operation did: the member is named as the operation is."""

    put: TxnPut | UnsetType = UNSET
    delete: TxnDeleted | UnsetType = UNSET
    get: TxnRead | UnsetType = UNSET


class TxnAnswer(CommonAnswer, frozen=True, kw_only=True):
    """The transaction is committed and applied."""

    request_id: RequestId
    succeeded: Annotated[
        bool, Meta(description="Whether all comparisons held: `then` was done, not `else`.")
    ]
    revision: Revision
    results: (
        Annotated[
            list[TxnOpResult],
            Meta(
                description="One for each operation that was done, in order; absent if what it "
                "read is compacted (of a repeated request)."
            ),
        ]
        | UnsetType
    ) = UNSET


class BatchAnswer(CommonAnswer, frozen=True, kw_only=True):
    """All operations are committed and applied, at one revision."""

    request_id: RequestId
    revision: Revision
    changed: Annotated[int, Meta(description="Keys that were put or deleted.", examples=[3])]
