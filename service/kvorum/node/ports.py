"""What a node needs from the outside, owned by the node: disk, network, time."""

from asyncio import Future
from collections.abc import Sequence
from typing import Protocol

from kvorum.raft.messages import Message
from kvorum.raft.types import Entry, HardState


class LogStore(Protocol):
    """All the driver needs from disk; ``storage.Wal`` fits, so will a faulty one."""

    def append(self, hard_state: HardState | None, entries: Sequence[Entry]) -> "Future[None]":
        """Write one batch; the future is done when it is durable.

        Entries may begin at or below the last one stored: they replace it and all
        that follow. The caller waits for one append before it starts the next. A
        failed write is final: the process must end, because the page cache may
        have dropped what it could not write.
        """
        ...


class Peers(Protocol):
    """All the driver needs from the network."""

    def send(self, messages: Sequence[Message]) -> None:
        """Queue messages to the members they name.

        Never blocks and never raises: what does not fit is dropped, Raft repeats it.
        """
        ...


class Clock(Protocol):
    """Time from outside the core; it never jumps. Nothing in a node asks for the date."""

    def monotonic_s(self) -> float: ...
