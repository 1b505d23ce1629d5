"""What the log means, worked out again in the plainest way: one command after the other.

All that is asked of the real state machine is that it never differs. This one never forgets
which request ids were executed, so it notices when one is executed twice.
"""

from collections import deque
from collections.abc import Iterable, Mapping

from msgspec import Struct

from kvorum.mvcc.command import (
    UNSTAMPED,
    Command,
    Introduce,
    LeaseKeepAlive,
    Stamp,
    decode_batch,
)
from kvorum.mvcc.outcome import Status
from kvorum.mvcc.query import prefix_range
from kvorum.mvcc.state_machine import StateMachine
from kvorum.raft.types import Entry, EntryKind
from kvorum.testing.history import History, WrongAnswer
from kvorum.testing.linearizability import Answer
from kvorum.testing.plain_store import Kept, PlainStore

_ANSWERS: Mapping[Status, Answer] = {
    Status.SUCCESS: Answer.OK,
    Status.KEY_NOT_FOUND: Answer.MISSING,
    Status.VALUE_MISMATCH: Answer.MISMATCH,
    Status.FULL: Answer.FULL,
}


class Result(Struct, frozen=True):
    """What a request id did when it was executed, at the entry ``index``."""

    status: Status
    revision: int
    index: int


class _Kept(Struct, frozen=True):
    request_id: str
    time_ms: int
    index: int


class Oracle:
    def __init__(self, log: Iterable[Entry]) -> None:
        """``log``: all that was ever decided, from index 1 on. Raises :class:`WrongAnswer`."""
        self.store = PlainStore()
        self.results: dict[str, Result] = {}
        self._kept: deque[_Kept] = deque()
        self._kept_ids: set[str] = set()
        self._forgotten = 0
        for number, entry in enumerate(log, 1):
            if entry.index != number:
                raise WrongAnswer(f"nobody was seen to commit entry {number}")
            if entry.kind is EntryKind.COMMANDS:
                self._apply(entry)

    @property
    def revision(self) -> int:
        return self.store.revision

    def value_at(self, key: bytes, revision: int) -> bytes | None:
        """What the key held at that revision of the store."""
        kept = self.store.key_at(key, revision)
        return None if kept is None else kept.value

    # --- commands ----------------------------------------------------------------------

    def _apply(self, entry: Entry) -> None:
        stamp, commands = decode_batch(entry.data)
        self.store.begin(stamp)
        for command in commands:
            self._execute_once(command, entry.index)
        self.store.end()
        self._forget(stamp)

    def _execute_once(self, command: Command, index: int) -> None:
        request_id = command.request_id
        if isinstance(command, Introduce):  # of no consequence for keys
            return
        if isinstance(command, LeaseKeepAlive):  # may be executed as often as it comes
            self.store.execute(command)
            return
        if request_id in self._kept_ids or command.after_index < self._forgotten:
            return
        if request_id in self.results:
            raise WrongAnswer(
                f"{request_id} was executed by entry {self.results[request_id].index} "
                f"and again by entry {index}"
            )
        status = self._execute(command)
        self.results[request_id] = Result(status, self.revision, index)
        self._kept.append(_Kept(request_id, self.store.now_ms, index))
        self._kept_ids.add(request_id)

    def _execute(self, command: Command) -> Status:
        try:
            return self.store.execute(command)
        except ValueError as error:
            raise WrongAnswer(str(error)) from error

    def _forget(self, stamp: Stamp) -> None:
        if stamp == UNSTAMPED:
            return
        oldest_ms = self.store.now_ms - stamp.outcomes_age_s_max * 1000
        kept = self._kept
        while kept and (len(kept) > stamp.outcomes_count_max or kept[0].time_ms < oldest_ms):
            forgotten = kept.popleft()
            self._kept_ids.discard(forgotten.request_id)
            self._forgotten = forgotten.index


def check_answers(oracle: Oracle, history: History) -> None:
    """Whatever clients were told is what the log says. Raises :class:`WrongAnswer`."""
    for ended in history.ended:
        result = oracle.results.get(ended.request_id)
        if result is None:
            raise WrongAnswer(f"acknowledged, but not in the log: {ended.operation}")
        said = (ended.operation.result, ended.operation.revision)
        if said != (_ANSWERS[result.status], result.revision):
            raise WrongAnswer(f"the log says {result}, the client was told: {ended.operation}")
    for request_id in history.refused:
        if request_id in oracle.results:
            raise WrongAnswer(
                f"{request_id} was refused, but executed: {oracle.results[request_id]}"
            )
    for read in history.reads:
        value = oracle.value_at(read.key.encode(), read.revision)
        if value != read.value:
            raise WrongAnswer(f"{read}, but the log says {value!r}")


def check_state(oracle: Oracle, machine: StateMachine, node: str) -> None:
    """A node that has applied everything holds what the log says. Raises :class:`WrongAnswer`."""
    store = oracle.store
    if machine.revision != oracle.revision:
        raise WrongAnswer(f"{node} is at revision {machine.revision}, not {oracle.revision}")
    page = machine.range(prefix_range(b""), limit=1 << 20, bytes_max=1 << 40)
    found = {
        key: Kept(
            record.value,
            record.create_revision,
            record.mod_revision,
            record.version,
            record.lease,
        )
        for key, record in page.items
    }
    for key in sorted({*found, *store.keys}):
        if found.get(key) != store.keys.get(key) or machine.get(key) != dict(page.items).get(key):
            raise WrongAnswer(f"{node} holds {found.get(key)} under {key!r}: {store.keys.get(key)}")
    if machine.compacted_revision != store.compacted:
        raise WrongAnswer(
            f"{node} is compacted at {machine.compacted_revision}, not {store.compacted}"
        )
    if machine.is_full is not store.is_full:
        raise WrongAnswer(f"{node} has is_full {machine.is_full}, not {store.is_full}")
    leases = {lease.id: lease.deadline_ms for lease in machine.leases("", 1 << 20)}
    expected = {id_: lease.deadline_ms for id_, lease in store.leases.items()}
    if leases != expected:
        raise WrongAnswer(f"{node} has the leases {leases}, not {expected}")
