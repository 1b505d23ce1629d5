"""What became of a command: kept in the replicated state under its request id.

Messages are part of that state too, so a release that changes one must be able
to stand beside a release that did not.
"""

from enum import IntEnum

from msgspec import Struct

SUCCESS_MESSAGE = "success"
MISMATCH_MESSAGE = "old value does not match"
READ_MISSING_MESSAGE = "key not found"
"""For a read of a missing key; a write of one answers :func:`missing_key_message`."""
EXPIRED_MESSAGE = "an earlier attempt may have been applied and forgotten"
"""For a command that was on its way for longer than outcomes are kept."""
MEMBER_TAKEN_MESSAGE = "this member is known with another uid"
"""For an introduction under the id of a member whose data directory is another one."""
INTERNAL_KEY_MESSAGE = "cannot get value of internal key"
"""For a client that names the key under which outcomes are kept."""


OTHERWISE_MESSAGE = "a comparison does not hold"
"""For a transaction that took its other branch."""
LEASE_TAKEN_MESSAGE = "this lease id is taken"
LEASE_RESERVED_MESSAGE = 'lease ids that begin with "ttl-" are made by the store'
FULL_MESSAGE = "the store is full: delete keys, or raise its quota"
LEASES_FULL_MESSAGE = "there are as many leases as there may be: revoke some"
TOO_MANY_DELETED_MESSAGE = "it would delete too many keys at once: use several, with a limit"
TOO_MANY_COMPARED_MESSAGE = "it compares too many keys or too large values: compare fewer"


def missing_key_message(key: bytes) -> str:
    """For a compare-and-set or delete of a key that does not exist; never raises."""
    return f'key "{key.decode("utf-8", "backslashreplace")}" doesn\'t exist'


def missing_lease_message(lease: str) -> str:
    """For whatever names a lease that never was, or has ended."""
    return f'lease "{lease}" doesn\'t exist'


def compacted_message(revision: int, oldest: int) -> str:
    """For compacting to a revision below the oldest that is left."""
    return f"revision {revision} is compacted; the oldest one left is {oldest}"


def future_message(revision: int, newest: int) -> str:
    """For compacting to a revision that the store has not reached."""
    return f"revision {revision} is not there yet; the newest one is {newest}"


class Status(IntEnum):
    """How a command ended; numbers are part of the replicated state, never reused."""

    SUCCESS = 0
    KEY_NOT_FOUND = 1
    VALUE_MISMATCH = 2
    EXPIRED = 3  # not executed: an earlier attempt may have been, and been forgotten
    CONFLICT = 4  # what it names belongs to somebody else
    OTHERWISE = 5  # a transaction whose comparisons did not hold: its other branch was taken
    LEASE_NOT_FOUND = 6  # it never existed, or has ended
    FULL = 7  # the store is at its quota
    TOO_MANY = 8  # it would delete, or compare, more than one command may
    COMPACTED = 9  # the revision to compact to is below the one compacted to already
    FUTURE_REVISION = 10  # the store has not reached the revision that it names


class Outcome(Struct, frozen=True, gc=False):
    """The first and only result of a request id.

    ``revision`` is the store's revision after the command: the one it made if it
    changed something, else the one it saw.
    """

    request_id: str
    status: Status
    message: str
    revision: int
    time_ms: int  # of the batch, for retention
    changed: int = 0  # how many keys it put or deleted; 0: it made no revision

    @property
    def success(self) -> bool:
        return self.status is Status.SUCCESS
