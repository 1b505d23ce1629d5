"""What can be wrong with an HTTP request before it becomes a command."""

from msgspec import Struct

from kvorum.errors import InvalidRequest, KvorumError


class Position(Struct, frozen=True):
    """Where a body stops being JSON; ``byte`` from 0, ``line`` and ``column`` from 1."""

    byte: int
    line: int
    column: int


class MalformedJson(InvalidRequest):
    """The body is not JSON as RFC 8259 has it."""

    def __init__(self, message: str, position: Position) -> None:
        super().__init__(message)
        self.position = position


class UnsupportedMediaType(InvalidRequest):
    """The body is declared to be something else than plain JSON."""


class UnknownRoute(InvalidRequest):
    """No resource has this path."""


class MethodNotAllowed(InvalidRequest):
    """The resource exists but does not know the method."""

    def __init__(self, method: str, allowed: str) -> None:
        super().__init__(f"{method} is not possible here; allowed: {allowed}")
        self.allowed = allowed


class UnknownMember(InvalidRequest):
    """No member has this id, address or name."""


class ChangeUnconfirmed(KvorumError):
    """A change of the membership or of the leader that may yet come to pass."""


class NotReady(KvorumError):
    """The node answers, but should not be sent traffic yet."""
