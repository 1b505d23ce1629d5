"""What waits for one connected peer: bounded in messages and bytes."""

import asyncio
from asyncio import Future
from collections import deque

from kvorum.raft.messages import InstallSnapshot, Message
from kvorum.transport.encoding import message_bytes
from kvorum.transport.observer import DropReason


class Outbox:
    """A queue that refuses when closed or full; one task empties it.

    Closed while the peer is away, because Raft repeats what matters and traffic
    from before an outage would only delay what comes after it. Make it inside the event loop.

    Bytes of a snapshot are many and not urgent: they travel in frames of their own, in turn
    with everything else that waits, and at most one message of them waits, the newest.
    """

    def __init__(self, *, messages_max: int, bytes_max: int, message_bytes_max: int) -> None:
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._message_bytes_max = message_bytes_max
        self._waiting: deque[tuple[Message, int]] = deque()
        self._bytes = 0
        self._snapshot: InstallSnapshot | None = None
        self._is_snapshots_turn = False
        self._open = False
        self._loop = asyncio.get_running_loop()
        self._idle: Future[None] | None = None  # done when the consumer has to look around

    def __len__(self) -> int:
        return len(self._waiting) + (self._snapshot is not None)

    @property
    def is_open(self) -> bool:
        return self._open

    def open(self) -> None:
        self._open = True

    def close(self) -> int:
        """Refuse from now on; the number of messages thrown away."""
        dropped = len(self)
        self._open = False
        self._waiting.clear()
        self._snapshot = None
        self._bytes = 0
        return dropped

    def offer(self, message: Message) -> DropReason | None:
        """Queue ``message``, or say why not. The newest is dropped, so order holds."""
        if not self._open:
            return DropReason.DISCONNECTED
        size = message_bytes(message)
        if size > self._message_bytes_max:
            return DropReason.TOO_LARGE
        if isinstance(message, InstallSnapshot):
            return self._offer_snapshot(message)
        if len(self._waiting) >= self._messages_max or self._bytes + size > self._bytes_max:
            return DropReason.QUEUE_FULL
        self._waiting.append((message, size))
        self._bytes += size
        self.wake()
        return None

    def _offer_snapshot(self, message: InstallSnapshot) -> DropReason | None:
        """It replaces one that still waits: whoever asks again has no use for that."""
        replaced = self._snapshot is not None
        self._snapshot = message
        self.wake()
        return DropReason.QUEUE_FULL if replaced else None

    def take(self, bytes_max: int) -> list[Message]:
        """The oldest messages, up to ``bytes_max`` together but at least one if any waits."""
        snapshot = self._snapshot
        if snapshot is not None and (self._is_snapshots_turn or not self._waiting):
            self._snapshot, self._is_snapshots_turn = None, False
            return [snapshot]
        self._is_snapshots_turn = snapshot is not None
        taken: list[Message] = []
        room = bytes_max
        waiting = self._waiting
        while waiting and (not taken or waiting[0][1] <= room):
            message, size = waiting.popleft()
            taken.append(message)
            room -= size
            self._bytes -= size
        return taken

    async def wait(self) -> None:
        """Until something waits, or until ``wake``."""
        if not self._waiting and self._snapshot is None:
            self._idle = self._loop.create_future()
            await self._idle

    def wake(self) -> None:
        """End a ``wait``: the consumer should look around."""
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)
