"""A one-node ``KvService`` in memory, on the real state machine; answers can be held or failed."""

import asyncio
from asyncio import Future
from typing import TypeVar

from kvorum.errors import Forbidden
from kvorum.mvcc.command import (
    Command,
    CompareAndSet,
    Delete,
    Put,
    Stamp,
    encode_batch,
    encode_command,
)
from kvorum.mvcc.outcome import INTERNAL_KEY_MESSAGE, Outcome
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.service import KvService
from kvorum.node.views import (
    ClusterInfo,
    Leadership,
    LogEntry,
    LogPage,
    PeerProgress,
    ReadResult,
    Staleness,
)

INTERNAL_KEY = b"_executed"
_STAMP = Stamp(time_ms=1, outcomes_count_max=1000, outcomes_age_s_max=3600)

_T = TypeVar("_T")


class FakeService(KvService):
    """Leads itself. Tests set the attributes to make it follow, fail or wait."""

    def __init__(self) -> None:
        self.machine = StateMachine()
        self.log: list[LogEntry] = [LogEntry(1, 1, committed=True, commands=())]
        self.machine.apply_noop(1)
        self.leads = True
        self.leader_id = "Node-1"
        self.failure: Exception | None = None  # of every future made from now on
        self.raised: Exception | None = None  # by every call from now on
        self.held: list[Future[None]] | None = None  # not None: futures wait in here
        self.ready = (True, "")
        self.reads: dict[str, ReadResult] = {}
        self.hidden: set[str] = set()  # outcomes that only catching up brings here
        self.caught_up = 0
        self.ids = 0

    def value(self, key: bytes) -> bytes | None:
        record = self.machine.get(key)
        return record.value if record else None

    def release(self) -> None:
        """Let all held futures go on."""
        held, self.held = self.held or [], None
        for gate in held:
            gate.set_result(None)

    def new_request_id(self) -> str:
        self.ids += 1
        return f"Node-1-{self.ids}"

    def put(self, request_id: str, key: bytes, value: bytes) -> "Future[Outcome]":
        return self._write(key, Put(request_id, key, value))

    def compare_and_set(
        self, request_id: str, key: bytes, expected: bytes, value: bytes
    ) -> "Future[Outcome]":
        return self._write(key, CompareAndSet(request_id, key, expected, value))

    def delete(self, request_id: str, key: bytes) -> "Future[Outcome]":
        return self._write(key, Delete(request_id, key))

    def get(self, request_id: str, key: bytes) -> "Future[ReadResult]":
        self._guard(key)
        result = ReadResult(request_id, self.machine.get(key), self.machine.revision)
        self.reads[request_id] = result
        return self._future(result)

    def get_stale(self, request_id: str, key: bytes) -> ReadResult:
        self._guard(key)
        record, revision = self.machine.get(key), self.machine.revision
        return ReadResult(request_id, record, revision, self.staleness())

    def find_command(self, request_id: str) -> Outcome | ReadResult | None:
        if request_id in self.hidden:
            return None
        return self.machine.outcome(request_id) or self.reads.get(request_id)

    def catch_up(self) -> "Future[None]":
        self.caught_up += 1
        self.hidden.clear()
        return self._future(None)

    def leadership(self) -> Leadership:
        return Leadership(self.leads, self.leader_id)

    def staleness(self) -> Staleness:
        index = self.machine.applied_index
        return Staleness(0 if self.leads else None, index, index)

    def cluster_info(self) -> ClusterInfo:
        members = ("localhost:8001", "localhost:8002", "localhost:8003")
        last = len(self.log)
        peers = (
            PeerProgress("Node-3", members[2], last, last - 1),
            PeerProgress("Node-2", members[1], last + 1, last),
        )
        return ClusterInfo(
            node_id="Node-1",
            cluster_id="test",
            role="leader" if self.leads else "follower",
            current_term=1,
            commit_index=last,
            last_applied=self.machine.applied_index,
            last_index=last,
            revision=self.machine.revision,
            members=members,
            peers=peers if self.leads else (),
        )

    def cluster_log(self, first_index: int, limit: int) -> LogPage:
        entries = tuple(self.log[first_index - 1 : first_index - 1 + limit])
        following = first_index + len(entries)
        more = bool(entries) and following <= len(self.log)
        return LogPage(entries, len(self.log), following if more else None)

    def is_ready(self) -> tuple[bool, str]:
        return self.ready

    def append(self, *commands: Command) -> list[Outcome]:
        """One log entry, applied at once."""
        index = len(self.log) + 1
        self.log.append(LogEntry(index, 1, committed=True, commands=commands))
        data = encode_batch([encode_command(command) for command in commands], _STAMP)
        return self.machine.apply(index, data)

    def _write(self, key: bytes, command: Command) -> "Future[Outcome]":
        self._guard(key)
        if self.failure is not None:
            return self._future(None)  # type: ignore[arg-type] # it fails before it has a result
        return self._future(self.append(command)[0])

    def _guard(self, key: bytes) -> None:
        if self.raised is not None:
            raise self.raised
        if key == INTERNAL_KEY:
            raise Forbidden(INTERNAL_KEY_MESSAGE)

    def _future(self, result: _T) -> "Future[_T]":
        future: Future[_T] = asyncio.get_running_loop().create_future()
        failure = self.failure

        def settle(_: object = None) -> None:
            if failure is None:
                future.set_result(result)
            else:
                future.set_exception(failure)

        if self.held is None:
            settle()
        else:
            gate: Future[None] = asyncio.get_running_loop().create_future()
            gate.add_done_callback(settle)
            self.held.append(gate)
        return future
