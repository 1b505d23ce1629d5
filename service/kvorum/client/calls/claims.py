"""Calls about locks and elections: queues for something that one lease holds at a time."""

from dataclasses import replace
from enum import Enum
from typing import Any

from msgspec import Raw, Struct, structs

from kvorum.client.call import Answer, Call, quoted, write_id
from kvorum.client.calls.posting import posting
from kvorum.client.errors import ClientError, Conflict, Taken, ValueMismatch
from kvorum.client.model import Claim, ClaimQueue, Json, Page
from kvorum.client.wire import decoded, json_text

WAIT_S_MAX = 60.0
"""That a node waits at a time."""


NamesCall = Call[Page[str]]


class Kind(Enum):
    """What is claimed; the value begins its path."""

    LOCK = "locks"
    ELECTION = "elections"

    @property
    def noun(self) -> str:
        return "lock" if self is Kind.LOCK else "election"


class _Claim(Struct):
    lease: str
    token: int = 0
    value: Any = None
    position: int = 0
    held: bool = False

    def claim(self) -> Claim:
        return Claim(self.lease, self.token, self.value, self.position, self.held)


class _Queue(Struct):
    name: str = ""
    holder: _Claim | None = None
    leader: _Claim | None = None
    queue: tuple[_Claim, ...] = ()
    more: bool = False


class _Names(Struct):
    names: tuple[str, ...]
    more: bool = False


class _Released(Struct):
    released: bool = True


def claim_path(kind: Kind, name: str) -> str:
    return f"/{kind.value}/{quoted(name, 'name')}"


def acquire(
    kind: Kind, name: str, lease: str, *, value: Json = None, wait_s: float, queue: bool
) -> Call[Claim]:
    """Queue up with ``lease``, and wait for at most ``wait_s`` (≤ 60) to hold it.

    Again with the same lease: the same place in the queue. Not ``queue``: hold it now or raise
    :class:`Taken`.
    """
    body = {
        "lease": lease,
        "value": Raw(json_text(value)),
        "waitSeconds": wait_s,
        "queue": queue,
    }

    def read(answer: Answer) -> Claim:
        return decoded(answer, _Claim).claim()

    call = posting(f"{kind.noun}_acquire", claim_path(kind, name), body, read, patience_s=wait_s)
    return replace(call, forgive=_taken)


def _taken(error: ClientError) -> Claim:
    if isinstance(error, Conflict) and not isinstance(error, ValueMismatch):
        raise Taken(error.detail, problem=error.problem) from error
    raise error


def show(kind: Kind, name: str) -> Call[ClaimQueue]:
    """Who holds it, and who waits."""

    def read(answer: Answer) -> ClaimQueue:
        said = decoded(answer, _Queue)
        first = said.holder or said.leader
        holder = structs.replace(first.claim(), held=True) if first else None
        return ClaimQueue(name, holder, tuple(waiter.claim() for waiter in said.queue), said.more)

    return Call(
        f"{kind.noun}_show", "GET", claim_path(kind, name), read, query=(("limit", "1000"),)
    )


def names(kind: Kind, after: str = "", limit: int = 500) -> Call[Page[str]]:
    """Names that somebody holds or waits for, behind ``after``."""

    def read(answer: Answer) -> Page[str]:
        said = decoded(answer, _Names)
        return Page(said.names, said.names[-1] if said.more and said.names else "")

    query = (("after", after),) if after else ()
    return Call(
        f"{kind.noun}_list",
        "GET",
        f"/{kind.value}",
        read,
        query=(*query, ("limit", str(limit))),
    )


def release(kind: Kind, name: str, lease: str) -> Call[bool]:
    """Give it up, or leave the queue; whether there was a claim."""

    def read(answer: Answer) -> bool:
        return decoded(answer, _Released).released

    return Call(
        f"{kind.noun}_release",
        "DELETE",
        claim_path(kind, name),
        read,
        query=(("lease", lease),),
        request_id=write_id(""),
        is_write=True,
    )


def proclaim(name: str, lease: str, value: Json) -> Call[None]:
    """Change what the leader says; :class:`Conflict` unless ``lease`` leads."""
    body = {"lease": lease, "value": Raw(json_text(value))}
    path = claim_path(Kind.ELECTION, name)
    return posting("election_proclaim", path, body, _nothing, method="PUT")


def _nothing(_answer: Answer) -> None:
    return None
