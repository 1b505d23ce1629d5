"""What happened in a cluster, one short line each; scenarios compare these lines."""

from typing import assert_never

from kvorum.raft.membership import AddLearner, decode_change, decode_membership
from kvorum.raft.messages import (
    AppendEntries,
    AppendResponse,
    InstallSnapshot,
    InstallSnapshotResponse,
    Message,
    Propose,
    ProposeResponse,
    ReadIndex,
    ReadIndexResponse,
    RequestVote,
    StateHash,
    TimeoutNow,
    TransferLeadership,
    VoteResponse,
)
from kvorum.raft.ready import Event, EventKind, Ready
from kvorum.raft.state import State
from kvorum.raft.types import Entry, EntryId, EntryKind
from tests.support.raft_cluster import Member, Observer


def kind_of(message: Message) -> str:  # noqa: PLR0911 - one line per kind of message
    """The name that scripts select messages by."""
    match message:
        case RequestVote():
            return "PreVote" if message.pre else "Vote"
        case VoteResponse():
            return "PreVoteAnswer" if message.pre else "VoteAnswer"
        case AppendEntries():
            return "Append" if message.entries else "Heartbeat"
        case AppendResponse():
            return "Ack" if message.success else "Refusal"
        case Propose() | ReadIndex() | TimeoutNow() | TransferLeadership() | StateHash():
            return type(message).__name__
        case ProposeResponse():
            return "Receipt"
        case ReadIndexResponse():
            return "ReadIndexAnswer"
        case InstallSnapshot():
            return "Chunk"
        case InstallSnapshotResponse():
            return "ChunkAnswer"
        case _:
            assert_never(message)


def describe(message: Message) -> str:
    return f"{message.sender}→{message.to} {kind_of(message)} {_content(message)}"


def _content(message: Message) -> str:  # noqa: C901, PLR0911, PLR0912 - one line per kind of message
    match message:
        case RequestVote():
            transfer = " transfer" if message.transfer else ""
            return f"term={message.term} last={at(message.last)}{transfer}"
        case VoteResponse():
            return f"term={message.term} {'granted' if message.granted else 'refused'}"
        case AppendEntries():
            entries = "".join(f" {at(entry.id)}" for entry in message.entries)
            text = f"term={message.term} prev={at(message.prev)} commit={message.commit}"
            return text + (f" entries:{entries}" if entries else "") + _round(message.round)
        case AppendResponse():
            return f"term={message.term} {_verdict(message)}{_round(message.round)}"
        case Propose():
            return f"{_proposal(message.kind, message.data)} ticket={message.ticket}"
        case ReadIndex():
            return f"ticket={message.ticket}"
        case ProposeResponse():
            return f"ticket={message.ticket} {_place(message.entry, message.refusal)}"
        case ReadIndexResponse():
            return f"ticket={message.ticket} {_read(message.index)}"
        case InstallSnapshot():
            end = message.offset + len(message.data)
            return f"term={message.term} last={at(message.snapshot.last)} {message.offset}..{end}"
        case InstallSnapshotResponse():
            return f"term={message.term} last={at(message.last)} has={message.offset}"
        case TimeoutNow():
            return f"term={message.term}"
        case TransferLeadership():
            return f"target={message.target or 'any'}"
        case StateHash():
            return f"index={message.index} {message.hash:x}"
        case _:
            assert_never(message)


def _proposal(kind: EntryKind, data: bytes) -> str:
    if kind is EntryKind.MEMBERSHIP:
        change = decode_change(data)
        who = change.address if isinstance(change, AddLearner) else change.node
        return f"{type(change).__name__} {who}"
    return data.decode()


def _verdict(message: AppendResponse) -> str:
    if message.success:
        return f"match={message.match}"
    conflict = f" conflict={at(message.conflict)}" if message.conflict else ""
    return f"rejected={message.rejected}{conflict}"


def _round(number: int) -> str:
    return f" round={number}" if number else ""


def _place(entry: EntryId | None, refusal: str = "") -> str:
    if entry:
        return f"at {at(entry)}"
    return f"refused ({refusal})" if refusal else "refused"


def _read(index: int | None) -> str:
    return "refused" if index is None else f"index={index}"


def at(entry: EntryId) -> str:
    return f"{entry.term}/{entry.index}"


def _told(event: Event) -> str:  # noqa: PLR0911 - one line per kind of event
    """``event 2 (why)``, as far as there is something to say."""
    match event.kind:
        case EventKind.PRE_CAMPAIGN | EventKind.CAMPAIGN | EventKind.LEADER:
            return f"{event.kind} term={event.term}"
        case EventKind.FOLLOW:
            return f"follow {event.node} term={event.term}"
        case EventKind.VOTE:
            return f"granted ({event.why})"
        case EventKind.REFUSE_VOTE | EventKind.REFUSE_APPEND:
            return f"rejected ({event.why})"
        case EventKind.STEP_DOWN | EventKind.TRUNCATE | EventKind.LOST_ENTRIES:
            return f"{event.kind} ({event.why})"
        case EventKind.MEMBERSHIP | EventKind.REMOVED:
            return f"{event.kind} ({event.why})"
        case EventKind.SEND_SNAPSHOT | EventKind.INSTALL_SNAPSHOT | EventKind.TRANSFER_FAILED:
            return f"{event.kind} {event.node} ({event.why})"
        case EventKind.TRANSFER:
            return f"{event.kind} {event.node}"
        case _:
            assert_never(event.kind)


def _applied(entries: tuple[Entry, ...]) -> str:
    return "apply " + " ".join(map(_content_of, entries))


def _content_of(entry: Entry) -> str:
    match entry.kind:
        case EntryKind.COMMANDS:
            return entry.data.decode()
        case EntryKind.NOOP:
            return f"no-op({entry.term})"
        case EntryKind.MEMBERSHIP:
            return f"membership({decode_membership(entry.data).describe()})"
        case _:
            assert_never(entry.kind)


def consequences(ready: Ready) -> list[str]:
    """What a node did that is not a message."""
    done = [_told(event) for event in ready.events]
    done += [f"receipt {r.ticket} {_place(r.entry, r.refusal)}" for r in ready.receipts]
    done += [f"read {r.ticket} {_read(r.index)}" for r in ready.read_states]
    if ready.committed:
        done.append(_applied(ready.committed))
    return done


class Trace(Observer):
    """Lines; a delivery that changed nothing worth telling is left out.

    That keeps entries, votes asked for, what was refused, and whatever made a node
    do something; it hides the answers and heartbeats in between. A heartbeat, an
    answer or a loss that repeats under the same command is told once.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._cause: Message | None = None
        self._told_once: set[str] = set()

    def delivered(self, message: Message, node: Member) -> None:
        self._cause = message

    def command(self, text: str) -> None:
        self.lines.append(f"> {text}")
        self._told_once.clear()

    def lost(self, message: Message) -> None:
        self._tell_once(f"{describe(message)}: lost")

    def _tell_once(self, line: str) -> None:
        if line not in self._told_once:
            self._told_once.add(line)
            self.lines.append(line)

    def ready(self, node: Member, ready: Ready) -> None:
        cause, self._cause = self._cause, None
        done = ", ".join(consequences(ready))
        if cause is None:
            self.lines += [f"{node.node}: {done}"] if done else []
            return
        line = describe(cause) + (f": {done}" if done else "")
        kind = kind_of(cause)
        if kind in ("Append", "Propose", "ReadIndex", "Chunk", "ChunkAnswer", "TimeoutNow"):
            self.lines.append(line)
        elif done or kind == "Refusal":
            self._tell_once(line)


def summary(node: Member) -> str:
    """One line about a node as it is now."""
    if node.core is None:
        return f"{node.node}: down"
    state = node.core.state
    log = state.log
    begin = [f"…{at(log.base)}|"] if log.base.index else []
    terms = " ".join(begin + [str(term) for term in node.terms])
    return (
        f"{node.node}: {state.role} term={state.term} log=[{terms}] "
        f"stable={log.stable} commit={log.commit}{_members(state)}"
    )


def _members(state: State) -> str:
    """Told only once there has been a change."""
    changed = state.memberships.latest_index > 0 or not state.membership.voters
    return f" [{state.membership.describe() or 'nobody'}]" if changed else ""
