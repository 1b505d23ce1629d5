"""Leadership given away on purpose, and waiting until it has moved (§3.10)."""

import asyncio
from asyncio import Future
from collections.abc import Callable

from kvorum.errors import Conflict, NoLeader, Rejected
from kvorum.node.leadership import LeadershipWatch
from kvorum.node.options import NodeOptions
from kvorum.node.ports import Clock
from kvorum.raft.core import Core
from kvorum.raft.types import NodeId


class Handover:
    """One at a time; the driver calls ``settle`` after every turn."""

    def __init__(
        self,
        options: NodeOptions,
        core: Core,
        clock: Clock,
        leadership: LeadershipWatch,
        wake: Callable[[], None],
    ) -> None:
        self._wake = wake
        self._core = core
        self._clock = clock
        self._leadership = leadership
        self._timeout_s = 2 * options.election_timeout_s_max
        self._from: NodeId | None = None
        self._deadline_s = 0.0
        self._waiting: Future[None] | None = None

    def begin(self, target: NodeId | None) -> "Future[None]":
        """Done once somebody else leads; raises ``Conflict`` or ``NoLeader`` at once.

        The future fails with ``Rejected`` if leadership has not moved in time.
        """
        leader = self._leadership.leader
        if leader is None:
            raise NoLeader(self._leadership.no_leader_message())
        if self._waiting is not None:
            raise Conflict("leadership is being handed over already; wait until it has moved")
        if target == leader:
            raise Conflict(f"{target} leads already")
        refusal = self._core.transfer(target)
        if refusal:
            raise Conflict(refusal)
        self._from = leader
        self._deadline_s = self._clock.monotonic_s() + self._timeout_s
        self._waiting = asyncio.get_running_loop().create_future()
        self._wake()
        return self._waiting

    def settle(self) -> None:
        waiting = self._waiting
        if waiting is None:
            return
        leader, state = self._leadership.leader, self._core.state
        if leader is not None and leader != self._from:
            self._end(None)
        elif leader == state.node and state.transfer is None:
            self._end(Rejected("whoever was to take over did not; try again, or name another one"))
        elif self._clock.monotonic_s() >= self._deadline_s:
            self._end(
                Rejected(
                    f"{self._from} still leads: nobody could take over in time. "
                    "See which members are active, and try again"
                )
            )

    def close(self) -> None:
        """The node stops: nobody may be left waiting."""
        if self._waiting is not None:
            self._end(Rejected("this node is stopping; ask another one"))

    def _end(self, error: Exception | None) -> None:
        waiting, self._waiting = self._waiting, None
        assert waiting is not None, "only what began ends"
        if waiting.done():
            return
        if error is None:
            waiting.set_result(None)
        else:
            waiting.set_exception(error)
