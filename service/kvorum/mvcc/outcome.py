"""What became of a command: kept in the replicated state under its request id."""

from enum import IntEnum

from msgspec import Struct

SUCCESS_MESSAGE = "success"


class Status(IntEnum):
    """How a command ended; numbers are part of the replicated state, never reused."""

    SUCCESS = 0
    KEY_NOT_FOUND = 1
    VALUE_MISMATCH = 2


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

    @property
    def success(self) -> bool:
        return self.status is Status.SUCCESS
