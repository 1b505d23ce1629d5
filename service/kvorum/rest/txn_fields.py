"""The JSON of ``/txn`` and ``/batch``, before it means anything."""

from msgspec import UNSET, Raw, Struct, UnsetType, field

from kvorum.rest.body import Shape
from kvorum.rest.new_value import ABSENT, ValueFields
from kvorum.rest.selection import SelectionFields


class PutFields(ValueFields, frozen=True, kw_only=True):
    """A key to be set."""

    key: str


class DeleteFields(SelectionFields, frozen=True, kw_only=True):
    """Keys to be deleted: all, or the first ``limit``."""

    limit: int | UnsetType = UNSET


class GetFields(SelectionFields, frozen=True, kw_only=True):
    """Keys to be read."""

    limit: int | UnsetType = UNSET


class OpFields(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """One of them."""

    put: PutFields | UnsetType = UNSET
    delete: DeleteFields | UnsetType = UNSET
    get: GetFields | UnsetType = UNSET


class CompareFields(SelectionFields, frozen=True, kw_only=True, rename="camel"):
    """What has to hold; ``value`` is of the kind that ``target`` asks for."""

    target: str
    op: str = "="
    value: Raw = ABSENT
    value_base64: str | UnsetType = UNSET


class TxnFields(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """The body of ``/txn``."""

    compare: tuple[CompareFields, ...] = ()
    then: tuple[OpFields, ...] = ()
    orelse: tuple[OpFields, ...] = field(default=(), name="else")


class BatchFields(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """The body of ``/batch``."""

    operations: tuple[OpFields, ...]


TXN = Shape(TxnFields, '{"compare": [...], "then": [...], "else": [...]}', choice=True)
BATCH = Shape(BatchFields, '{"operations": [...]}')
