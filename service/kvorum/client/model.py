"""What the client's operations give back: plain, immutable values."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")

JSON_TYPE = "application/json"

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]
"""What ``put`` takes as a JSON value; ``bytes`` are stored as they are instead."""


MISSING: Any = object()
"""As a default: none was given."""


class KeyValue(Struct, frozen=True):
    """A key and what it holds.

    ``raw`` are the bytes exactly as they are stored: JSON text, or anything under another
    ``content_type``. ``version`` counts the writes since the key was created, from 1. Without
    its value (``keys_only``) ``raw`` is empty and the content type is not known.
    """

    key: str
    raw: bytes
    create_revision: int
    mod_revision: int
    version: int
    lease: str = ""
    content_type: str = JSON_TYPE

    @property
    def is_json(self) -> bool:
        return self.content_type == JSON_TYPE

    @property
    def value(self) -> Any:
        """The JSON value, or the bytes if they are not JSON; ValueError for ``keys_only``."""
        if not self.is_json:
            return self.raw
        if not self.raw:
            raise ValueError(f"the value of {self.key!r} was not asked for (keys_only)")
        return json.loads(self.raw)


class Written(Struct, frozen=True):
    """A write that is done: committed on a majority, and durable there.

    ``revision`` is the one it made, or saw if it changed nothing. ``previous`` is what the key
    held before, if that was asked for and there was something.
    """

    revision: int
    request_id: str
    changed: bool = True
    previous: KeyValue | None = None


class BatchResult(Struct, frozen=True):
    """A batch that is done: how many keys it put and deleted."""

    revision: int
    request_id: str
    changed: int


class RangeDeleted(Struct, frozen=True):
    """``more``: the range still had keys behind the ones that ``limit`` allowed to delete."""

    revision: int
    request_id: str
    deleted: int
    more: bool


class Page(Struct, Generic[T], frozen=True):
    """One page of a listing; ``cursor`` "" on the last one. ``revision`` of a range's keys."""

    items: tuple[T, ...]
    cursor: str = ""
    revision: int = 0


class OpResult(Struct, frozen=True):
    """What one operation of a transaction did: ``items`` of a get, ``deleted`` of a delete."""

    items: tuple[KeyValue, ...] = ()
    more: bool = False
    deleted: int = 0

    @property
    def item(self) -> KeyValue | None:
        """The only (or first) key that a get found."""
        return self.items[0] if self.items else None


class TxnResult(Struct, frozen=True):
    """Which branch was taken, and what each of its operations did, in their order."""

    succeeded: bool
    revision: int
    request_id: str
    results: tuple[OpResult, ...] = ()

    def __bool__(self) -> bool:
        return self.succeeded


class Outcome(Struct, frozen=True):
    """What became of a request id; not ``found``: nothing so far, or it is forgotten."""

    found: bool
    success: bool
    message: str
    revision: int = 0


class Event(Struct, frozen=True):
    """One key changed. ``item`` is what it holds now, None if it was deleted.

    ``previous`` is what it held before, if that was asked for and there was something.
    """

    key: str
    item: KeyValue | None
    previous: KeyValue | None = None

    @property
    def is_delete(self) -> bool:
        return self.item is None


class Change(Struct, frozen=True):
    """All that one revision changed of what is watched, in the order it was written."""

    revision: int
    events: tuple[Event, ...]


class LeaseInfo(Struct, frozen=True):
    """A lease; ``remaining_s`` as of the answer. ``keys`` only if they were asked for."""

    id: str
    ttl_s: float
    remaining_s: float = 0.0
    key_count: int = 0
    keys: tuple[str, ...] = ()


class Claim(Struct, frozen=True):
    """A place in the queue for a lock or an election.

    Whoever is at ``position`` 0 holds it. ``token`` is its fencing token: it only ever grows
    from holder to holder, so whatever the lock protects can refuse a holder whose time is over.
    """

    lease: str
    token: int
    value: Any = None
    position: int = 0
    held: bool = False


class ClaimQueue(Struct, frozen=True):
    """Who holds a lock or leads, None if nobody does, and who waits, in order.

    ``more``: still others wait behind them.
    """

    name: str
    holder: Claim | None
    queue: tuple[Claim, ...] = ()
    more: bool = False


class Observation(Struct, frozen=True):
    """Who leads now, as ``observe`` tells it at its start and at every change."""

    leader: Claim | None


class NodeStatus(Struct, frozen=True):
    """What one endpoint says of itself; ``error`` why it says nothing.

    ``info`` and ``store`` are the objects of ``GET /cluster/info`` as they came.
    """

    endpoint: str
    error: str = ""
    is_leader: bool = False
    leader_id: str = ""
    info: Mapping[str, Any] = {}
    store: Mapping[str, Any] = {}

    @property
    def is_reachable(self) -> bool:
        return not self.error


class Member(Struct, frozen=True, rename="camel"):
    """One member. What only the leader knows of the others is None elsewhere."""

    id: str
    name: str
    address: str
    role: str
    is_leader: bool
    active: bool | None = None
    match_index: int | None = None
    lag: int | None = None


class Members(Struct, frozen=True, rename="camel"):
    """The membership in force on the node that answered."""

    cluster_id: str
    index: int
    is_joint: bool
    members: tuple[Member, ...]
    is_leader: bool = False
    leader_id: str = ""
