"""What a transport tells whoever counts: a port, so that no metric is global."""

from enum import StrEnum
from typing import Protocol


class DropReason(StrEnum):
    """Why a message was not sent."""

    DISCONNECTED = "disconnected"
    QUEUE_FULL = "queue-full"
    TOO_LARGE = "too-large"
    UNKNOWN_PEER = "unknown-peer"
    DISOWNED = "disowned"


class TransportObserver(Protocol):
    """Called on the event loop, on the hot path: must be quick and must not raise.

    ``peer`` is a member's id: as many values at a time as there are members and guests.
    """

    def sent(self, peer: str, messages: int, size_bytes: int) -> None:
        """One frame was handed to the network."""
        ...

    def received(self, peer: str, messages: int, size_bytes: int) -> None:
        """One frame was decoded and delivered."""
        ...

    def dropped(self, peer: str, messages: int, reason: DropReason) -> None:
        """Messages for ``peer`` were thrown away; "" for a peer that is no member."""
        ...

    def connected(self, peer: str, up: bool) -> None:
        """The outgoing link was accepted, or has ended."""
        ...

    def dialled(self, peer: str) -> None:
        """A connection to ``peer`` is attempted."""
        ...

    def forgotten(self, peer: str) -> None:
        """The link has ended for good: ``peer`` is no member any more, or this node stops."""
        ...

    def refused(self, kind: str) -> None:
        """An incoming call was refused or broken off; ``kind`` from a fixed list."""
        ...


class CallObserver(Protocol):
    """Told of the calls that the server answers; ``method`` is one that it has."""

    def answered(self, method: str, code: str, seconds: float) -> None:
        """A call that is no stream has ended."""
        ...

    def unknown(self) -> None:
        """A call of a method that the server does not have."""
        ...

    def opened(self, method: str) -> None:
        """A stream has begun."""
        ...

    def closed(self, method: str, code: str) -> None:
        """A stream has ended."""
        ...


class NoObserver:
    """Counts nothing."""

    def sent(self, peer: str, messages: int, size_bytes: int) -> None:
        pass

    def received(self, peer: str, messages: int, size_bytes: int) -> None:
        pass

    def dropped(self, peer: str, messages: int, reason: DropReason) -> None:
        pass

    def connected(self, peer: str, up: bool) -> None:
        pass

    def dialled(self, peer: str) -> None:
        pass

    def forgotten(self, peer: str) -> None:
        pass

    def refused(self, kind: str) -> None:
        pass

    def answered(self, method: str, code: str, seconds: float) -> None:
        pass

    def unknown(self) -> None:
        pass

    def opened(self, method: str) -> None:
        pass

    def closed(self, method: str, code: str) -> None:
        pass
