"""What a call of the client can end in, sorted by what the caller may do about it.

::

    ClientError
      Refused              certainly not applied; the same again is refused again
        InvalidRequest       the request itself is wrong
          TooLarge  Forbidden  FutureRevision
        NotFound             the key does not exist
        LeaseNotFound        the lease never existed, or has ended
        PreconditionFailed   if_revision / if_absent does not hold; see mod_revision
        Conflict             it contradicts what the cluster is now
          ValueMismatch        cas: the key holds something else
          Taken                a lock or an election that somebody else has
        Compacted            that revision is forgotten; see oldest_revision
        Full                 the store is at its quota; deleting makes room
      OutcomeUnknown       may yet be applied: repeat it only with request_id
      DeadlineExceeded     the call's time is over
        Unavailable          … and certainly nothing was applied
        WriteUnconfirmed     … and it may yet be applied: an OutcomeUnknown as well
      ServerFault          a node failed at a read
      UnexpectedAnswer     this is no answer of a kvorum node
      ClientClosed         the client was closed
"""

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from kvorum.errors import KvorumError

_NOTHING: Mapping[str, object] = MappingProxyType({})
_NOTHING_SAID: Mapping[str, str] = MappingProxyType({})


class Problem(Struct, frozen=True):
    """What the node said (RFC 9457): ``kind`` ends its type URI, ``fields`` are all of it."""

    status: int
    kind: str
    detail: str
    endpoint: str = ""
    request_id: str = ""
    fields: Mapping[str, object] = _NOTHING

    def number(self, name: str) -> int:
        """An integer among the fields; 0 if it is missing."""
        value = self.fields.get(name)
        return value if isinstance(value, int) else 0


class ClientError(KvorumError):
    """Base of all; ``problem`` is what a node answered, None if none did."""

    def __init__(self, detail: str, *, problem: Problem | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.problem = problem
        self.reasons: Mapping[str, str] = _NOTHING_SAID
        """Of a call that was given up: what came of the last attempt at each endpoint."""

    @property
    def status(self) -> int | None:
        """The HTTP status behind it, if there was an answer."""
        return self.problem.status if self.problem else None


class Refused(ClientError):
    """Certainly not applied; the same request is refused again until something changes."""


class InvalidRequest(Refused):
    """The request itself is wrong; sending it again cannot help."""


class TooLarge(InvalidRequest):
    """A key, a value or a body is over its limit."""


class Forbidden(InvalidRequest):
    """It names something that no client may touch."""


class FutureRevision(InvalidRequest):
    """The store has not reached the revision asked for."""


class NotFound(Refused):
    """The key does not exist (at the revision asked for)."""


class LeaseNotFound(Refused):
    """There is no lease of this id: it never was, or it has ended."""


class PreconditionFailed(Refused):
    """``if_revision`` or ``if_absent`` does not hold."""

    @property
    def mod_revision(self) -> int:
        """At which the key was last changed in truth; 0: it does not exist."""
        return self.problem.number("modRevision") if self.problem else 0


class Conflict(Refused):
    """It contradicts what the cluster is now; it may make sense later."""


class ValueMismatch(Conflict):
    """The key holds another value than the one that was expected."""


class Taken(Conflict):
    """Somebody else holds the lock, or leads."""


class Compacted(Refused):
    """The revision asked for is forgotten."""

    def __init__(
        self, detail: str, *, oldest_revision: int = 0, problem: Problem | None = None
    ) -> None:
        super().__init__(detail, problem=problem)
        self.oldest_revision = oldest_revision
        """The oldest that can be read, or from which can be watched; 0 if the node did not say."""


class Full(Refused):
    """The store is at its quota; deleting is always allowed, and makes room."""


class OutcomeUnknown(ClientError):
    """May yet be applied: repeat it only under the same ``request_id`` (thesis §6.3).

    ``request_id`` "" says that the operation has none: look at what it was to change.
    """

    def __init__(
        self, detail: str, *, request_id: str = "", problem: Problem | None = None
    ) -> None:
        super().__init__(detail, problem=problem)
        self.request_id = request_id


class DeadlineExceeded(ClientError):
    """The call's time is over; itself it is raised for reads, which change nothing."""


class Unavailable(DeadlineExceeded):
    """No endpoint could serve the call in time; certainly nothing was applied."""


class WriteUnconfirmed(OutcomeUnknown, DeadlineExceeded):
    """The time is over, and an attempt at the write may yet be applied."""


class ServerFault(ClientError):
    """A node failed at a read, again and again; its log says why."""


class UnexpectedAnswer(ClientError):
    """Something answered that is no kvorum node, or one of an incompatible release."""


class ClientClosed(ClientError):
    """The client was closed."""
