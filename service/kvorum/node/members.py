"""Changes of the membership, as seen by whoever asked for them.

A change is proposed like a write, on any node. It is complete when the membership that it
led to is committed and applied here and no joint one is left (§4.3). Besides, a node
introduces itself once (so that its id and its data directory belong together for ever),
and a leader replaces a member that came back with an empty disk.
"""

import asyncio
import logging
from asyncio import Future
from collections.abc import Callable

from kvorum.errors import Conflict, NoLeader, OutcomeUnknown, Rejected
from kvorum.node.leadership import LeadershipWatch
from kvorum.node.options import NodeOptions
from kvorum.node.ports import Clock
from kvorum.raft.core import Core
from kvorum.raft.membership import (
    AddLearner,
    Change,
    Membership,
    Promote,
    Remove,
    Replace,
    encode_change,
)
from kvorum.raft.ready import Receipt
from kvorum.raft.types import EntryId, EntryKind, NodeId, Ticket

_log = logging.getLogger("kvorum.node")

_TICKETS_APART = 1 << 40
"""Proposals of writes count their tickets from the same start; so many they never make."""


class _Asked:
    """A change under way; ``entry`` is where it stands, once the receipt says so.

    ``is_applied`` once that very entry was applied here. ``unsure`` once an attempt ended
    without news: it may have been appended. Then a ``refusal`` of the next one may only mean
    that the change is made already.
    """

    __slots__ = (
        "asked_s",
        "change",
        "deadline_s",
        "entry",
        "future",
        "is_applied",
        "refusal",
        "unsure",
    )

    def __init__(self, change: Change, deadline_s: float) -> None:
        self.change = change
        self.future: Future[None] = asyncio.get_running_loop().create_future()
        self.deadline_s = deadline_s
        self.asked_s = 0.0
        self.entry: EntryId | None = None
        self.is_applied = False
        self.unsure = False
        self.refusal = ""


class Members:
    """The membership's changes; called by the driver once per turn and tick."""

    def __init__(
        self,
        options: NodeOptions,
        core: Core,
        clock: Clock,
        leadership: LeadershipWatch,
        wake: Callable[[], None],
    ) -> None:
        self._wake = wake
        self._options = options
        self._core = core
        self._clock = clock
        self._leadership = leadership
        self._last_ticket = options.incarnation + _TICKETS_APART
        self._asked: dict[Ticket, _Asked] = {}
        self._again: list[_Asked] = []  # certainly not appended: proposed anew at the next tick
        self._lost: dict[NodeId, float] = {}  # when its replacement may be proposed again

    def change(self, change: Change) -> "Future[None]":
        """Ask for a change; raises ``Rejected`` at once without a leader.

        The future fails with ``Conflict`` (it makes no sense now), ``Rejected`` (nothing was
        changed), or ``OutcomeUnknown``.
        """
        if self._leadership.leader is None:
            raise NoLeader(self._leadership.no_leader_message())
        deadline_s = self._clock.monotonic_s() + self._options.request_timeout_s
        return self._ask(_Asked(change, deadline_s))

    def _ask(self, asked: _Asked) -> "Future[None]":
        asked.asked_s = self._clock.monotonic_s()
        self._last_ticket += 1
        ticket = Ticket(self._last_ticket)
        self._asked[ticket] = asked
        self._core.propose(ticket, encode_change(asked.change), EntryKind.MEMBERSHIP)
        self._wake()
        return asked.future

    def on_receipt(self, receipt: Receipt) -> None:
        """Where a change was appended, or why not; other receipts pass."""
        asked = self._asked.get(receipt.ticket)
        if asked is None:
            return
        if receipt.entry is not None:
            asked.entry = receipt.entry
            return
        if receipt.refusal and asked.unsure:
            asked.refusal = receipt.refusal
            return
        del self._asked[receipt.ticket]
        if receipt.refusal:
            _fail(asked, Conflict(receipt.refusal))
        else:
            self._again.append(asked)  # the leader is new, or about to hand over

    def settle(self) -> None:
        """Answer those whose change is complete, or certainly lost."""
        if not self._asked:
            return
        state = self._core.state
        applied, membership = state.log.applied, state.membership
        is_final = not membership.is_joint and state.memberships.latest_index <= applied
        for ticket, asked in list(self._asked.items()):
            if asked.entry is not None and asked.entry.index <= applied:
                self._look_at_entry(ticket, asked, asked.entry)
            if is_final and (asked.is_applied or _is_made(asked, membership)):
                self._asked.pop(ticket, None)
                if not asked.future.done():
                    asked.future.set_result(None)

    def _look_at_entry(self, ticket: Ticket, asked: _Asked, entry: EntryId) -> None:
        """Whether what was applied in its place is it; a snapshot in its place tells nothing."""
        term = self._core.state.log.term_at(entry.index)
        if term == entry.term:
            asked.is_applied = True
        elif asked.is_applied:
            return  # compacted since
        elif term is None:
            asked.entry, asked.unsure = None, True
        else:
            del self._asked[ticket]
            _fail(asked, Rejected("the leader changed before this was decided; ask again"))

    def expire(self) -> None:
        """Give up on changes that take too long; called at every tick."""
        again, self._again = self._again, []
        now_s = self._clock.monotonic_s()
        for asked in again:
            if asked.deadline_s <= now_s and asked.unsure:
                _give_up(asked)
            elif asked.deadline_s <= now_s:
                _fail(asked, NoLeader(self._leadership.no_leader_message()))
            else:
                _ = self._ask(asked)
        for ticket in [t for t, asked in self._asked.items() if asked.deadline_s <= now_s]:
            _give_up(self._asked.pop(ticket))
        overdue_s = now_s - self._options.election_timeout_s_max
        for ticket, asked in list(self._asked.items()):
            if asked.entry is None and not asked.refusal and asked.asked_s < overdue_s:
                del self._asked[ticket]
                asked.unsure = True
                _ = self._ask(asked)

    def close(self) -> None:
        """The node stops: nobody may be left waiting."""
        for asked in (*self._asked.values(), *self._again):
            _fail(
                asked,
                OutcomeUnknown("this node stopped before the change was complete", request_id=""),
            )
        self._asked.clear()
        self._again.clear()

    def lost_disk(self, member: NodeId) -> None:
        """A node with an empty disk is where ``member`` was: it is replaced, if we lead."""
        now_s = self._clock.monotonic_s()
        if not self._leadership.is_leader or self._lost.get(member, 0.0) > now_s:
            return
        self._lost = {node: at_s for node, at_s in self._lost.items() if at_s > now_s}
        self._lost[member] = now_s + self._options.election_timeout_s_max
        _log.warning("a member came back with an empty disk: replacing it", extra={"peer": member})
        asked = _Asked(Replace(member), now_s + self._options.request_timeout_s)
        asked.future.add_done_callback(lambda done: _tell(member, done))
        _ = self._ask(asked)


def _is_made(asked: _Asked, membership: Membership) -> bool:
    """An attempt that we heard nothing of seems to have led to this membership."""
    if not asked.unsure:
        return False
    match asked.change:
        case AddLearner(address):
            return membership.at_address(address) is not None
        case Promote(node):
            return node in membership.voters
        case Remove(node) | Replace(node):
            return node not in membership.members


def _give_up(asked: _Asked) -> None:
    """Without a word, or refused after an attempt that nothing was heard of: who knows?"""
    what = "the change of the membership was proposed, but not completed in time"
    if asked.refusal:
        what += f"; asked again, the leader says: {asked.refusal}"
    _fail(asked, OutcomeUnknown(what, request_id=""))


def _fail(asked: _Asked, error: Exception) -> None:
    if not asked.future.done():
        asked.future.set_exception(error)


def _tell(member: NodeId, done: "Future[None]") -> None:
    error = None if done.cancelled() else done.exception()
    if error is None:
        _log.info("a learner takes the place of a lost member", extra={"peer": member})
    else:
        _log.warning("cannot replace a lost member yet", extra={"peer": member, "why": str(error)})
