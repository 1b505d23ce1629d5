"""The reads of one node against a leader whose answers come late, twice, in any order, or never.

In a cluster such an answer has to meet a read that it would harm, which is rare; here all of
them do.
"""

import asyncio
from collections.abc import Callable
from random import Random

from kvorum.raft.ready import ReadState
from kvorum.raft.types import Index, Ticket
from tests.support.raft_invariants import require
from tests.unit.node.fakes import OTHER, Bench

STEPS = 400


def mislead(seed: int) -> None:
    asyncio.run(_mislead(Random(seed)))


async def _mislead(random: Random) -> None:
    leader = _Leader(random)
    for _ in range(STEPS):
        random.choice(leader.actions)()


class _Leader:
    """A commit index that grows, and answers under way to the node on the bench."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._bench = Bench()
        self._bench.leadership.report(OTHER)
        self._commit = self.applied = 0
        self._asked: list[Ticket] = []
        self._answers: list[ReadState] = []
        self.actions: tuple[Callable[[], None], ...] = (
            self._commit_one,
            self._apply,
            self._read,
            self._ask,
            self._be_asked,
            self._be_asked,
            self._answer,
            self._answer,
            self._wait,
        )

    def _commit_one(self) -> None:
        self._commit += 1

    def _apply(self) -> None:
        self.applied = self._random.randint(self.applied, self._commit)
        self._serve()

    def _serve(self) -> None:
        self._bench.reads.serve(Index(self.applied))

    def _read(self) -> None:
        """Whatever is committed now must be visible to it (§6.4)."""
        self._bench.reads.submit(_Read(self, self._commit))

    def _ask(self) -> None:
        ticket = self._bench.reads.take_ticket()
        if ticket is not None:
            self._asked.append(ticket)

    def _be_asked(self) -> None:
        if self._asked:
            ticket = self._asked.pop(self._random.randrange(len(self._asked)))
            self._answers.append(ReadState(ticket, Index(self._commit)))

    def _answer(self) -> None:
        if not self._answers:
            return
        at = self._random.randrange(len(self._answers))
        answer = self._answers[at] if self._random.random() < 0.2 else self._answers.pop(at)
        self._bench.reads.on_read_state(answer)
        self._serve()

    def _wait(self) -> None:
        options = self._bench.options
        self._bench.clock.advance(options.heartbeat_ticks * options.tick_s)
        self._bench.reads.expire()


class _Read:
    weight = 1

    def __init__(self, leader: _Leader, floor: int) -> None:
        self.waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiter.add_done_callback(asyncio.Future.exception)  # giving up is no matter here
        self._leader = leader
        self._floor = floor

    def serve(self) -> None:
        applied = self._leader.applied
        require(applied >= self._floor, "a read sees what was there", applied, self._floor)
        self.waiter.set_result(None)
