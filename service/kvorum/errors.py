"""What can go wrong, sorted by what the caller may do about it.

The one distinction that matters to a client of a replicated store is whether
its write *certainly did not happen* (:class:`Rejected`: retry freely) or *may
yet happen* (:class:`OutcomeUnknown`: retry only under the same request id,
thesis §6.3). Everything else stops a node before it serves.
"""


class KvorumError(Exception):
    """Base of every error that kvorum raises on purpose."""


class InvalidRequest(KvorumError):
    """The request itself is wrong; sending it again cannot help."""


class Forbidden(InvalidRequest):
    """The request names something that no client may touch."""


class TooLarge(InvalidRequest):
    """A key, a value or a body is over its limit."""


class Compacted(InvalidRequest):
    """The revision asked for is forgotten; the oldest that is left is ``oldest_revision``."""

    def __init__(self, message: str, *, oldest_revision: int) -> None:
        super().__init__(message)
        self.oldest_revision = oldest_revision


class FutureRevision(InvalidRequest):
    """The store has not reached the revision asked for."""


class LeaseNotFound(InvalidRequest):
    """There is no lease of this id: it never was, or it has ended."""


class Full(InvalidRequest):
    """The store is at its quota; deleting is always allowed, and makes room."""


class WatchEnded(KvorumError):
    """A watch is over: ``compacted``, ``lagging`` (it was read too slowly) or ``stopping``.

    Watch on from ``resume_revision``; after ``compacted`` read anew, and watch from there.
    """

    def __init__(self, message: str, *, reason: str, resume_revision: int) -> None:
        super().__init__(message)
        self.reason = reason
        self.resume_revision = resume_revision


class Conflict(InvalidRequest):
    """The request contradicts what the cluster is now; it may make sense later."""


class Rejected(KvorumError):
    """Certainly not applied: retrying is safe."""

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NoLeader(Rejected):
    """No leader is known, or it could not prove its leadership in time."""


class Overloaded(Rejected):
    """A bounded queue is full."""


class OutcomeUnknown(KvorumError):
    """May yet apply: retry only under the same request id (§6.3)."""

    def __init__(self, message: str, *, request_id: str) -> None:
        super().__init__(message)
        self.request_id = request_id


class StartError(KvorumError):
    """The node must not start; the message says what to change."""


class ConfigurationError(StartError):
    """A setting is missing, unknown or contradicts another one."""


class DataDirectoryError(StartError):
    """The data directory is locked, foreign or not usable."""


class SnapshotDamaged(KvorumError):
    """A snapshot file is not what it was when it was written; the message names it."""


class CorruptLog(DataDirectoryError):
    """The log is damaged where it had been durable: never repaired by guessing."""

    def __init__(self, file: str, offset: int, reason: str) -> None:
        super().__init__(
            f"{file}: damaged at byte {offset}: {reason}. "
            "Nothing was changed. While a majority of the members is well, move the data directory "
            "away and start with an empty one: the node is replaced. What else can be done is told "
            "in docs/operations.md under 'damaged'."
        )
        self.file = file
        self.offset = offset
        self.reason = reason
