"""Mutants of writes and reads on their way through a node, and of what they leave behind."""

from kvorum.mvcc.outcomes import Outcomes
from kvorum.mvcc.state_machine import StateMachine
from kvorum.mvcc.store import Store
from kvorum.node.applier import Applier
from kvorum.node.driver import Driver
from kvorum.node.pending import PendingWrites
from kvorum.node.proposals import Proposals
from kvorum.node.reads import Reads
from kvorum.node.snapshotting import SnapshotTaker
from kvorum.node.state_check import StateCheck
from kvorum.raft import read_rounds
from kvorum.raft.log import RaftLog
from kvorum.raft.read_only import ReadQueue
from tests.mutants.mutant import Edit, Mutant

REQUESTS = (
    Mutant(
        "read-round-reused",
        "all rounds of leadership checks have the same number, so an old answer confirms a new one",
        ("model", "simulator"),
        (Edit(ReadQueue, "begin", "self.round += 1", "self.round = 1"),),
    ),
    Mutant(
        "read-ticket-reused",
        "the answer to an earlier batch of reads serves a later one",
        ("reads", "simulator"),
        (
            Edit(
                Reads,
                "on_read_state",
                "not self._first_ticket <= state.ticket <= self._last_ticket",
                "False",
            ),
        ),
    ),
    Mutant(
        "read-before-apply",
        "a read is served before its index is applied",
        ("reads", "simulator"),
        (
            Edit(
                Reads,
                "_serve",
                "while confirmed and confirmed[0][0] <= applied:",
                "while confirmed:",
            ),
        ),
    ),
    Mutant(
        "lease-read-after-pause",
        "whoever was heard some ticks ago counts as a follower, but a paused leader does not tick",
        ("disruption", "simulator"),
        (
            Edit(
                read_rounds,
                "confirm",
                "progress[v].round_acked >= reads.round",
                "progress[v].silent_ticks < state.options.election_ticks_min",
            ),
        ),
    ),
    Mutant(
        "stale-leader-reads",
        "a leader answers reads without asking whether it still leads",
        ("model", "simulator"),
        (Edit(read_rounds, "confirm", "if not is_majority(", "if False and not is_majority("),),
    ),
    Mutant(
        "any-term-vouches",
        "a follower that left this leader's term vouches for its reads there",
        ("rules",),
        (Edit(read_rounds, "_proves_itself", "read.term == state.term and ", ""),),
    ),
    Mutant(
        "follower-vouches-for-all",
        "a follower's question confirms the round that is open",
        ("rules",),
        (
            Edit(
                read_rounds,
                "on_read_index",
                "        state.answer_read(request, state.log.commit)\n",
                "        state.answer_read(request, state.log.commit)\n"
                "        for other in state.reads.drop():\n"
                "            state.answer_read(other, state.log.commit)\n",
            ),
        ),
    ),
    Mutant(
        "read-without-own-entry",
        "a new leader gives out its commit index before an entry of its own term is committed",
        ("model", "simulator"),
        (
            Edit(
                read_rounds,
                "_may_read",
                "return state.log.term_at(state.log.commit) == state.term",
                "return True",
            ),
        ),
    ),
    Mutant(
        "answered-at-append",
        "a write is acknowledged when it stands in the leader's log",
        ("simulator",),
        (
            Edit(
                Proposals,
                "on_receipt",
                "    if batch is None:\n        return\n",
                "    if batch is None:\n        return\n"
                "    if receipt.entry is not None:\n"
                "        from kvorum.mvcc.outcome import Status\n"
                "        for write in batch.writes:\n"
                "            self.writes.answer(\n"
                '                Outcome(write.request_id, Status.SUCCESS, "done", 0, 0)\n'
                "            )\n"
                "        return\n",
            ),
        ),
    ),
    Mutant(
        "retried-under-a-new-id",
        "a batch that is proposed again gets new request ids, so that it is executed twice",
        ("simulator",),
        (
            Edit(
                Proposals,
                "_requeue",
                "write.queued = True",
                "write.queued = True\n"
                "            from msgspec import msgpack\n"
                "            from msgspec.structs import replace\n"
                "            from kvorum.mvcc.command import Command, encode_command\n"
                "            command = msgpack.decode(write.command, type=Command)\n"
                "            again = replace(command, request_id=command.request_id + '+')\n"
                "            write.command = encode_command(again)",
            ),
        ),
    ),
    Mutant(
        "unknown-called-refused",
        "a write that may have been appended is called certainly not applied",
        ("simulator",),
        (
            Edit(
                PendingWrites,
                "_give_up",
                "if write.queued and not write.unsure:",
                "if write.queued:",
            ),
        ),
    ),
    Mutant(
        "superseded-not-noticed",
        "whatever is applied at a batch's place, its writes count as done",
        ("simulator",),
        (
            Edit(
                Proposals,
                "on_applied",
                "self._supersede(batch)",
                "from kvorum.mvcc.outcome import Status\n"
                "            for write in batch.writes:\n"
                "                self.writes.answer(\n"
                '                    Outcome(write.request_id, Status.SUCCESS, "done", 0, 0)\n'
                "                )",
            ),
        ),
    ),
    Mutant(
        "not-deduplicated",
        "a request id that was executed before is executed again",
        ("simulator",),
        (
            Edit(
                StateMachine,
                "_execute_one",
                "outcome = recorded.get(command.request_id)",
                "outcome = None\n    if recorded.get(command.request_id) is not None:\n"
                "        outcome = execution.execute(command, time_ms)",
            ),
        ),
    ),
    Mutant(
        "time-from-the-local-clock",
        "outcomes are dated and forgotten by each node's own clock instead of the log's time",
        ("simulator",),
        (
            Edit(
                Applier,
                "apply",
                "self._state_machine.apply(entry.index, entry.data)",
                "self._state_machine.apply(entry.index, _restamped(self, entry.data))",
            ),
            Edit(
                Applier,
                "apply",
                "for entry in entries:\n        if",
                "from kvorum.mvcc.command import decode_batch, stamped\n"
                "    from msgspec.structs import replace\n\n"
                "    def _restamped(self, data):\n"
                "        stamp = replace(decode_batch(data)[0], time_ms=self._log_time.now_ms())\n"
                "        return stamped(data, stamp)\n\n"
                "    for entry in entries:\n        if",
            ),
        ),
    ),
    Mutant(
        "outcomes-forgotten-locally",
        "a node that takes a snapshot forgets outcomes that the others still have",
        ("simulator",),
        (
            Edit(
                StateMachine,
                "freeze",
                "store, outcomes = self._store, self._outcomes",
                "store, outcomes = self._store, self._outcomes\n"
                "    from kvorum.mvcc.command import Stamp\n"
                "    outcomes.evict(Stamp(outcomes.now_ms, len(outcomes) // 2, 1 << 30))",
            ),
        ),
    ),
    Mutant(
        "outcomes-forgotten-early",
        "all nodes forget outcomes while clients still retry, and do not notice",
        ("simulator",),
        (
            Edit(
                Outcomes,
                "evict",
                "surplus = len(self._by_id) - stamp.outcomes_count_max\n    born",
                "stamp = type(stamp)(stamp.time_ms, 2, stamp.outcomes_age_s_max)\n"
                "    surplus = len(self._by_id) - stamp.outcomes_count_max\n    born",
            ),
            Edit(
                Outcomes,
                "_drop_from_first_segment",
                "self.forgotten_index = segment.indexes[end - 1]",
                "pass",
            ),
        ),
    ),
    Mutant(
        "snapshot-without-outcomes",
        "a snapshot leaves out which requests were executed",
        ("simulator",),
        (
            Edit(
                StateMachine,
                "freeze",
                "outcome_count=len(outcomes),",
                "outcome_count=0,",
            ),
            Edit(
                StateMachine,
                "freeze",
                "return FrozenState(head, outcomes.view(), self._leases, store)",
                "return FrozenState(head, iter(()), self._leases, store)",
            ),
        ),
    ),
    Mutant(
        "snapshot-index-split",
        "a snapshot names a later entry than the one whose state it holds",
        ("simulator",),
        (
            Edit(
                SnapshotTaker,
                "_write",
                "frozen = self._machine.freeze()",
                "frozen = self._machine.freeze()\n"
                "    await asyncio.sleep(0.05)\n"
                "    last = EntryId(last.term, Index(self._machine.applied_index))",
            ),
        ),
    ),
    Mutant(
        "snapshot-not-frozen",
        "what changes while a snapshot is written gets into it",
        ("state", "simulator"),
        (Edit(Store, "_set", "if self._view is not None:", "if False:"),),
    ),
    Mutant(
        "index-split-from-data",
        "an installed snapshot moves the applied index, but not the data",
        ("simulator",),
        (
            Edit(
                StateMachine,
                "adopt",
                "self._take_over(other._contents())",
                "self._applied_index = other._applied_index",
            ),
        ),
    ),
    Mutant(
        "applied-before-committed",
        "entries reach the state machine when they reach the log",
        ("model", "simulator"),
        (
            Edit(
                RaftLog,
                "take_committed",
                "commit, size = self.commit -",
                "commit, size = self.last_index -",
            ),
        ),
    ),
    Mutant(
        "failed-write-ignored",
        "a save that the disk refused counts as durable",
        ("simulator",),
        (Edit(Driver, "_finish_save", "written.result()", "written.exception()"),),
    ),
    Mutant(
        "state-hash-not-compared",
        "replicas exchange their hashes and do not look at them",
        ("divergence",),
        (Edit(StateCheck, "_note", "self._compare(index)", "pass"),),
    ),
)
