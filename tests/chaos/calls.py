"""What one client asked and what it learned: the entries of a history."""

from enum import Enum, auto

from msgspec import Struct

from kvorum.testing.linearizability import Answer as Result
from kvorum.testing.linearizability import Kind, Operation
from tests.chaos.rest_client import Answer


class Outcome(Enum):
    OK = auto()
    MISSING = auto()
    MISMATCH = auto()
    FAILED = auto()  # certainly not applied
    UNKNOWN = auto()

    @property
    def is_definite(self) -> bool:
        """An answer by the state machine."""
        return self in {Outcome.OK, Outcome.MISSING, Outcome.MISMATCH}


RESULTS = {
    Outcome.OK: Result.OK,
    Outcome.MISSING: Result.MISSING,
    Outcome.MISMATCH: Result.MISMATCH,
    Outcome.UNKNOWN: Result.UNKNOWN,
}


class Call(Struct):
    """One operation, over all its attempts. Times in seconds of the monotonic clock."""

    client: str
    key: str
    kind: Kind
    args: tuple[str, ...]
    request_id: str
    start: float
    end: float | None = None
    outcome: Outcome = Outcome.FAILED
    value: str | None = None
    revision: int | None = None
    resolved: bool = False  # learned afterwards, by its request id

    @property
    def is_write(self) -> bool:
        return self.kind is not Kind.GET

    @property
    def changed(self) -> bool:
        """Whether it certainly made a revision."""
        return self.is_write and self.outcome is Outcome.OK

    def operation(self) -> Operation:
        result: bytes | Result = RESULTS[self.outcome]
        if self.kind is Kind.GET and self.outcome is Outcome.OK:
            assert self.value is not None
            result = self.value.encode()
        return Operation(
            client=self.client,
            key=self.key,
            kind=self.kind,
            args=tuple(arg.encode() for arg in self.args),
            result=result,
            start=self.start,
            end=self.end,
            revision=self.revision,
        )


METHODS = {Kind.GET: "GET", Kind.PUT: "PUT", Kind.CAS: "PATCH", Kind.DELETE: "DELETE"}


def body(kind: Kind, args: tuple[str, ...]) -> dict[str, str] | None:
    match kind:
        case Kind.PUT:
            return {"value": args[0]}
        case Kind.CAS:
            return {"oldValue": args[0], "newValue": args[1]}
        case _:
            return None


def outcome_of(answer: Answer) -> Outcome:
    """What docs/rest.md promises about each status."""
    match answer.status:
        case 200:
            return Outcome.OK
        case 404:
            return Outcome.MISSING
        case 409:
            return Outcome.MISMATCH
        case 429 | 503:
            return Outcome.FAILED
        case 500 | 504:
            return Outcome.UNKNOWN
        case _:
            raise AssertionError(f"an answer that no client should get: {answer}")
