"""Mutants of leases, transactions, history, watches, locks, and of the log's time."""

from kvorum.mvcc import compare, expiry, transaction
from kvorum.mvcc.execution import Execution
from kvorum.mvcc.leases import Leases
from kvorum.mvcc.outcomes import Outcomes
from kvorum.mvcc.quota import Quota
from kvorum.mvcc.store import Store
from kvorum.mvcc.writes import Writes
from kvorum.node import txn_reads
from kvorum.node.claim_queue import ClaimQueue
from kvorum.node.claims import Claims
from kvorum.node.housekeeping import Housekeeping
from kvorum.node.log_time import LogTime
from kvorum.node.reading import Reading
from kvorum.node.watch_fanout import Fanout
from kvorum.node.watch_hub import WatchHub
from kvorum.raft import election
from kvorum.transport.disks import Disks
from tests.mutants.mutant import Edit, Mutant

STATES = (
    Mutant(
        "lease-reaped-early",
        "a lease ends a little before its deadline",
        ("twin", "simulator"),
        (Edit(expiry, "reap", "deadline_ms > now_ms:", "deadline_ms > now_ms + 100:"),),
    ),
    Mutant(
        "renewal-without-effect",
        "keeping a lease alive does not move its deadline",
        ("twin", "simulator"),
        (Edit(Leases, "renew", "self.move(lease, now_ms + lease.ttl_ms)", "pass"),),
    ),
    Mutant(
        "deadline-not-restored",
        "a lease out of a snapshot gets its whole time anew",
        ("twin", "simulator"),
        (
            Edit(
                Leases,
                "load",
                "Lease(*row)",
                "Lease(row[0], row[1], row[2] + row[1])",
            ),
        ),
    ),
    Mutant(
        "part-of-a-transaction",
        "a transaction writes what comes before an operation that must be refused",
        ("twin", "simulator"),
        (
            Edit(
                transaction.Branch,
                "__init__",
                "raise Refusal(Status.LEASE_NOT_FOUND, missing_lease_message(op.lease))",
                "break",
            ),
        ),
    ),
    Mutant(
        "full-without-relief",
        "a full store takes writes again as soon as they fit",
        ("twin", "simulator"),
        (
            Edit(
                Quota,
                "settle",
                "size_bytes * 100 <= self._quota_bytes * RELIEF_PERCENT",
                "size_bytes <= self._quota_bytes",
            ),
        ),
    ),
    Mutant(
        "history-one-short",
        "one revision more is forgotten than has to be",
        ("twin", "simulator"),
        (
            Edit(
                Store, "evict", "self.revision - revisions_max", "self.revision - revisions_max + 1"
            ),
        ),
    ),
    Mutant(
        "missing-is-not-different",
        "the value of a key that does not exist is not different from any",
        ("twin", "simulator"),
        (
            Edit(
                compare._Comparing,
                "_holds_of",
                "if record is None or not isinstance(operand, bytes):",
                "if record is None:\n            return False\n"
                "        if not isinstance(operand, bytes):",
            ),
        ),
    ),
    Mutant(
        "overwritten-key-keeps-its-lease",
        "a key that is put without a lease still ends with the one it had",
        ("twin", "simulator"),
        (Edit(Execution, "execute", "if old is not None and old.lease:", "if False:"),),
    ),
    Mutant(
        "time-goes-back",
        "a batch with an earlier stamp turns the log's time back",
        ("twin", "simulator"),
        (
            Edit(
                Outcomes,
                "advance_time",
                "max(self.now_ms, stamp.time_ms)",
                "stamp.time_ms",
            ),
        ),
    ),
    Mutant(
        "revision-without-a-change",
        "the end of a lease takes a revision although it has no keys",
        ("twin", "simulator"),
        (Edit(Writes, "end", "if keys:", "if True:"),),
    ),
)

NODES = (
    Mutant(
        "pages-of-several-revisions",
        "every page of a range shows the newest revision",
        ("simulator",),
        (Edit(Reading, "range", "revision=revision, limit", "revision=0, limit"),),
    ),
    Mutant(
        "transaction-reads-its-writes",
        "what a transaction reads is what it has written",
        ("simulator",),
        (Edit(txn_reads, "revision_before", "outcome.revision - 1 if", "outcome.revision if"),),
    ),
    Mutant(
        "queue-by-key",
        "whoever has the smallest lease id holds the lock",
        ("simulator",),
        (
            Edit(
                ClaimQueue,
                "__init__",
                "sorted(claims, key=lambda item: item[1].create_revision)",
                "sorted(claims, key=lambda item: item[0])",
            ),
        ),
    ),
    Mutant(
        "nobody-waits-for-a-lock",
        "whoever has made a claim is told that it holds",
        ("simulator",),
        (Edit(Claims, "_place", "token, position, value", "token, 0, value"),),
    ),
    Mutant(
        "whoever-waits-speaks",
        "a claim that does not lead may proclaim all the same",
        ("simulator",),
        (Edit(Claims, "proclaim", "claim is None or not claim.is_held", "claim is None"),),
    ),
    Mutant(
        "nobody-brings-time",
        "leases do not end while nobody writes",
        ("simulator",),
        (
            Edit(Housekeeping, "_look", "self.is_due = True", "pass"),
            Edit(Housekeeping, "_look", "elif machine.lease_count:", "elif False:"),
        ),
    ),
    Mutant(
        "own-clock-after-an-election",
        "a new leader stamps what its own clock says, if that is later",
        ("simulator",),
        (
            Edit(
                LogTime,
                "observe",
                "self._is_running and self._is_ours() and time_ms <= self.now_ms()",
                "time_ms <= self.now_ms()",
            ),
            Edit(LogTime, "stamp_ms", "self._base_s = self._clock.monotonic_s()", "pass"),
        ),
    ),
    Mutant(
        "watch-with-a-seam",
        "a watch goes over from the history to what is new before it has read all of the former",
        ("slices",),
        (
            Edit(
                WatchHub,
                "_advance",
                "if watch.position >= self._machine.revision:",
                "if watch.feed is None:\n        watch.position = self._machine.revision",
            ),
        ),
    ),
    Mutant(
        "watch-across-a-snapshot",
        "what came with a snapshot is not told to those who watch",
        ("simulator",),
        (
            Edit(
                WatchHub,
                "restored",
                "self.applied(0, 0)",
                "self._fanout.seen = self._machine.revision",
            ),
        ),
    ),
    Mutant(
        "gap-not-told",
        "a watch over which history was forgotten goes on as if it had seen all",
        ("rules",),
        (Edit(Fanout, "_lose", "if watch.position < compacted_revision:", "if False:"),),
    ),
)

RULES = (
    Mutant(
        "no-past-and-a-vote",
        "a node without a past elects somebody who has a log",
        ("rules",),
        (Edit(election, "is_blank", "not state.term and state.log.last == ORIGIN", "False"),),
    ),
    Mutant(
        "judged-while-undecided",
        "an empty data directory is judged while another introduction is undecided",
        ("rules",),
        (
            Edit(
                Disks,
                "may_judge",
                "all(each == uid for each in registrar.undecided_uids(member))",
                "True",
            ),
        ),
    ),
)

COORDINATION = (*STATES, *NODES, *RULES)
