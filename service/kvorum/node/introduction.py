"""A node makes itself known in the log: its member id, its data directory, its name.

From then on every member knows that this id belongs to this data directory. Should the
directory be lost, whoever comes back in its place is not taken for this node, whose votes
and acknowledgements it cannot remember (§3.8).
"""

import logging
from asyncio import Future
from collections.abc import Iterable, Sequence

from kvorum.errors import KvorumError
from kvorum.mvcc.command import Command, Introduce, decode_batch, encode_command
from kvorum.mvcc.outcome import Outcome
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.fence import Fence
from kvorum.node.leadership import LeadershipWatch
from kvorum.node.options import NodeOptions
from kvorum.node.ports import Clock
from kvorum.node.proposals import Proposals
from kvorum.raft.types import Entry, EntryKind, NodeId

_log = logging.getLogger("kvorum.node")


class Introductions:
    """Looked after at every tick: what is missing is proposed, again if need be."""

    def __init__(
        self,
        options: NodeOptions,
        machine: StateMachine,
        *,
        proposals: Proposals,
        leadership: LeadershipWatch,
        fence: Fence,
        clock: Clock,
    ) -> None:
        self._options = options
        self._machine = machine
        self._proposals = proposals
        self._leadership = leadership
        self._fence = fence
        self._clock = clock
        self._count = 0
        self._again_s = 0.0

    def look(self, *, is_member: bool) -> None:
        """``is_member``: the membership in force names this node."""
        options = self._options
        known = self._machine.members.get(options.member)
        if known is not None and known.uid != options.uid:
            self._fence.raise_for(
                f"its id {options.member} belongs to another data directory. Give this one back "
                "the directory it had, or start it with an empty one: it is then replaced"
            )
        if known is not None and known.name == options.node_id:
            return
        now_s = self._clock.monotonic_s()
        if not is_member or self._leadership.leader is None or now_s < self._again_s:
            return
        self._again_s = now_s + options.request_timeout_s
        self._introduce()

    def _introduce(self) -> None:
        options = self._options
        self._count += 1
        request_id = f"introduce-{options.incarnation:x}-{self._count:x}"
        command = Introduce(request_id, options.member, options.uid, options.node_id)
        try:
            future = self._proposals.submit(request_id, encode_command(command))
        except KvorumError as error:
            _log.debug("not introduced yet: %s", error)
            return
        future.add_done_callback(_tell)


def uids_in(entries: Iterable[Entry], member: NodeId) -> set[str]:
    """The data directories with which ``member`` introduces itself in these entries."""
    sought = member.encode()  # few entries have it, and only those need to be decoded
    commands = (
        command
        for entry in entries
        if entry.kind is EntryKind.COMMANDS and sought in entry.data
        for command in _commands_of(entry)
    )
    return {each.uid for each in commands if isinstance(each, Introduce) and each.member == member}


def _commands_of(entry: Entry) -> Sequence[Command]:
    try:
        return decode_batch(entry.data)[1]
    except ValueError:
        return ()  # it introduces nobody; should it be decided, the applier deals with it


def _tell(done: "Future[Outcome]") -> None:
    """Whatever went wrong, the next look sees it and tries again."""
    error = None if done.cancelled() else done.exception()
    if error is not None:
        _log.debug("not introduced yet: %s", error)
