"""What happened in a cluster, one short line each; scenarios compare these lines."""

from typing import assert_never

from kvorum.raft.messages import (
    AppendEntries,
    AppendResponse,
    Message,
    Propose,
    ProposeResponse,
    ReadIndex,
    ReadIndexResponse,
    RequestVote,
    VoteResponse,
)
from kvorum.raft.ready import Event, EventKind, Ready
from kvorum.raft.types import Entry, EntryId
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
        case Propose() | ReadIndex():
            return type(message).__name__
        case ProposeResponse():
            return "Receipt"
        case ReadIndexResponse():
            return "ReadIndexAnswer"
        case _:
            assert_never(message)


def describe(message: Message) -> str:
    return f"{message.sender}→{message.to} {kind_of(message)} {_content(message)}"


def _content(message: Message) -> str:  # noqa: PLR0911 - one line per kind of message
    match message:
        case RequestVote():
            return f"term={message.term} last={at(message.last)}"
        case VoteResponse():
            return f"term={message.term} {'granted' if message.granted else 'refused'}"
        case AppendEntries():
            entries = "".join(f" {at(entry.id)}" for entry in message.entries)
            text = f"term={message.term} prev={at(message.prev)} commit={message.commit}"
            return text + (f" entries:{entries}" if entries else "") + _round(message.round)
        case AppendResponse():
            return f"term={message.term} {_verdict(message)}{_round(message.round)}"
        case Propose():
            return f"{message.data.decode()} ticket={message.ticket}"
        case ReadIndex():
            return f"ticket={message.ticket}"
        case ProposeResponse():
            return f"ticket={message.ticket} {_place(message.entry)}"
        case ReadIndexResponse():
            return f"ticket={message.ticket} {_read(message.index)}"
        case _:
            assert_never(message)


def _verdict(message: AppendResponse) -> str:
    if message.success:
        return f"match={message.match}"
    conflict = f" conflict={at(message.conflict)}" if message.conflict else ""
    return f"rejected={message.rejected}{conflict}"


def _round(number: int) -> str:
    return f" round={number}" if number else ""


def _place(entry: EntryId | None) -> str:
    return f"at {at(entry)}" if entry else "refused"


def _read(index: int | None) -> str:
    return "refused" if index is None else f"index={index}"


def at(entry: EntryId) -> str:
    return f"{entry.term}/{entry.index}"


def _told(event: Event) -> str:
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
        case _:
            assert_never(event.kind)


def _applied(entries: tuple[Entry, ...]) -> str:
    return "apply " + " ".join(
        entry.data.decode() if entry.data else f"no-op({entry.term})" for entry in entries
    )


def consequences(ready: Ready) -> list[str]:
    """What a node did that is not a message."""
    done = [_told(event) for event in ready.events]
    done += [f"receipt {r.ticket} {_place(r.entry)}" for r in ready.receipts]
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
        if kind in ("Append", "Propose", "ReadIndex"):
            self.lines.append(line)
        elif done or kind == "Refusal":
            self._tell_once(line)


def summary(node: Member) -> str:
    """One line about a node as it is now."""
    if node.core is None:
        return f"{node.node}: down"
    state = node.core.state
    terms = " ".join(str(term) for term in node.terms)
    log = state.log
    return (
        f"{node.node}: {state.role} term={state.term} log=[{terms}] "
        f"stable={log.stable} commit={log.commit}"
    )
