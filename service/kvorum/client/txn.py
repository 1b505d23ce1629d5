"""The words of a transaction: what to compare, and what to do.

::

    from kvorum.client.txn import delete, get, key, put

    client.txn(
        when=[key("stock/7").value > 0, key("order/1").version == 0],
        then=[put("order/1", {"item": 7}), delete("cart/1")],
        otherwise=[get("stock/7")],
    )

All of it is one atomic step with one revision. Reads see the state before the writes, and no
key may be written twice in a branch.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from kvorum.client.model import Json
from kvorum.client.wire import lifetime_fields, selector, value_fields


@dataclass(frozen=True, slots=True)
class Comparison:
    """A condition; made by :func:`key` and :func:`keys`, not by hand."""

    fields: Mapping[str, object]

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "a comparison is decided by the cluster: give several as a list instead of joining "
            "them with `and`"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A property of a key, to be compared by ==, !=, < or >."""

    selected: Mapping[str, str]
    target: str

    def __eq__(  # type: ignore[override]  # a comparison is described, not made
        self, other: "Json | bytes"
    ) -> Comparison:
        return self._compared("=", other)

    def __ne__(  # type: ignore[override]  # a comparison is described, not made
        self, other: "Json | bytes"
    ) -> Comparison:
        return self._compared("!=", other)

    def __lt__(self, other: "Json | bytes") -> Comparison:
        return self._compared("<", other)

    def __gt__(self, other: "Json | bytes") -> Comparison:
        return self._compared(">", other)

    __hash__ = None  # type: ignore[assignment]  # as for everything whose == is no equality

    def _compared(self, relation: str, operand: "Json | bytes") -> Comparison:
        operand_fields = value_fields(operand)
        operand_fields.pop("contentType", None)
        fields = {**self.selected, "target": self.target, "op": relation, **operand_fields}
        return Comparison(fields)


@dataclass(frozen=True, slots=True)
class Subjects:
    """A key, or every key of a range, as the subject of comparisons."""

    selected: Mapping[str, str]

    @property
    def value(self) -> Subject:
        """JSON or bytes. Of a key that does not exist only ``!=`` holds."""
        return Subject(self.selected, "value")

    @property
    def version(self) -> Subject:
        """Writes since the key was created; 0 if it does not exist."""
        return Subject(self.selected, "version")

    @property
    def create_revision(self) -> Subject:
        """0 if it does not exist."""
        return Subject(self.selected, "createRevision")

    @property
    def mod_revision(self) -> Subject:
        """0 if it does not exist."""
        return Subject(self.selected, "modRevision")

    @property
    def lease(self) -> Subject:
        """The id of its lease; "" for none."""
        return Subject(self.selected, "lease")

    @property
    def exists(self) -> Comparison:
        return Subject(self.selected, "exists") == True  # noqa: E712  # builds a comparison

    @property
    def is_missing(self) -> Comparison:
        return Subject(self.selected, "exists") == False  # noqa: E712  # builds a comparison


def key(name: str) -> Subjects:
    """One key."""
    return Subjects({"key": name})


def keys(
    *, prefix: str | None = None, start: str | None = None, end: str | None = None
) -> Subjects:
    """Every key of a range: the comparison must hold for each one that exists."""
    return Subjects(selector(prefix=prefix, start=start, end=end))


@dataclass(frozen=True, slots=True)
class Put:
    """A write of one key; made by :func:`put`."""

    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Delete:
    """A deletion; made by :func:`delete` and :func:`delete_range`."""

    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Get:
    """A read; made by :func:`get` and :func:`get_range`."""

    fields: Mapping[str, object]


Write = Put | Delete
Operation = Put | Delete | Get

P = TypeVar("P", bound=Comparison | Put | Delete | Get)


def put(
    key: str,
    value: "Json | bytes",
    *,
    content_type: str = "",
    ttl_s: float | None = None,
    lease: str = "",
) -> Put:
    """Set ``key``, as :meth:`kvorum.client.Client.put` does."""
    fields = value_fields(value, content_type)
    return Put({"key": key, **fields, **lifetime_fields(ttl_s, lease)})


def delete(key: str) -> Delete:
    """Remove ``key`` if it exists."""
    return Delete({"key": key})


def delete_range(
    *, prefix: str | None = None, start: str | None = None, end: str | None = None
) -> Delete:
    """Remove every key of a range."""
    return Delete(selector(prefix=prefix, start=start, end=end))


def get(key: str) -> Get:
    """Read ``key``: no item if it does not exist."""
    return Get({"key": key})


def get_range(
    *,
    prefix: str | None = None,
    start: str | None = None,
    end: str | None = None,
    limit: int | None = None,
) -> Get:
    """Read the first ``limit`` keys of a range."""
    fields: dict[str, object] = dict(selector(prefix=prefix, start=start, end=end))
    return Get(fields if limit is None else {**fields, "limit": limit})


def wire_operation(operation: Operation) -> Mapping[str, object]:
    """As it stands in a request."""
    match operation:
        case Put(fields):
            return {"put": fields}
        case Delete(fields):
            return {"delete": fields}
        case Get(fields):
            return {"get": fields}


def many(given: P | Iterable[P]) -> tuple[P, ...]:
    """One or several, as a tuple."""
    if isinstance(given, Iterable):
        return tuple(given)
    return (given,)
