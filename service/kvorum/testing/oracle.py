"""What the log means, worked out again in the plainest way: one command after the other.

All that is asked of the real state machine is that it never differs. This one never forgets
which request ids were executed, so it notices when one is executed twice.
"""

from collections import deque
from collections.abc import Iterable, Mapping

from msgspec import Struct

from kvorum.mvcc.command import (
    REPEATABLE,
    UNSTAMPED,
    Command,
    CompareAndSet,
    Delete,
    Put,
    Stamp,
    decode_batch,
)
from kvorum.mvcc.outcome import Status
from kvorum.mvcc.state_machine import StateMachine
from kvorum.raft.types import Entry, EntryKind
from kvorum.testing.history import History, WrongAnswer
from kvorum.testing.linearizability import Answer

_ANSWERS: Mapping[Status, Answer] = {
    Status.SUCCESS: Answer.OK,
    Status.KEY_NOT_FOUND: Answer.MISSING,
    Status.VALUE_MISMATCH: Answer.MISMATCH,
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
        self.revision = 0
        self.results: dict[str, Result] = {}
        self._versions: dict[bytes, list[tuple[int, bytes | None]]] = {}  # by revision
        self._kept: deque[_Kept] = deque()
        self._kept_ids: set[str] = set()
        self._now_ms = 0
        self._forgotten = 0
        for number, entry in enumerate(log, 1):
            if entry.index != number:
                raise WrongAnswer(f"nobody was seen to commit entry {number}")
            if entry.kind is EntryKind.COMMANDS:
                self._apply(entry)

    def value_at(self, key: bytes, revision: int) -> bytes | None:
        """What the key held at that revision of the store."""
        value = None
        for changed, new in self._versions.get(key, ()):
            if changed > revision:
                break
            value = new
        return value

    def value(self, key: bytes) -> bytes | None:
        return self.value_at(key, self.revision)

    @property
    def keys(self) -> list[bytes]:
        """All that ever were."""
        return list(self._versions)

    # --- commands ----------------------------------------------------------------------

    def _apply(self, entry: Entry) -> None:
        stamp, commands = decode_batch(entry.data)
        self._now_ms = max(self._now_ms, stamp.time_ms)
        for command in commands:
            self._execute_once(command, entry.index)
        self._forget(stamp)

    def _execute_once(self, command: Command, index: int) -> None:
        request_id = command.request_id
        if type(command) in REPEATABLE:  # and of no consequence for keys
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
        self._kept.append(_Kept(request_id, self._now_ms, index))
        self._kept_ids.add(request_id)

    def _execute(self, command: Command) -> Status:
        if not isinstance(command, Put | CompareAndSet | Delete):
            raise WrongAnswer(f"nobody was to send {command}")
        value = self.value(command.key)
        if isinstance(command, Put):
            self._set(command.key, command.value)
        elif value is None:
            return Status.KEY_NOT_FOUND
        elif isinstance(command, Delete):
            self._set(command.key, None)
        elif isinstance(command, CompareAndSet):
            if value != command.expected:
                return Status.VALUE_MISMATCH
            self._set(command.key, command.value)
        return Status.SUCCESS

    def _set(self, key: bytes, value: bytes | None) -> None:
        self.revision += 1
        self._versions.setdefault(key, []).append((self.revision, value))

    def _forget(self, stamp: Stamp) -> None:
        if stamp == UNSTAMPED:
            return
        oldest_ms = self._now_ms - stamp.outcomes_age_s_max * 1000
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
    """A node that has applied everything holds what the log says."""
    if machine.revision != oracle.revision:
        raise WrongAnswer(f"{node} is at revision {machine.revision}, not {oracle.revision}")
    for key in oracle.keys:
        record, value = machine.get(key), oracle.value(key)
        if (record.value if record else None) != value:
            raise WrongAnswer(f"{node} holds {record} under {key!r}, not {value!r}")
