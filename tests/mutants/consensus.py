"""Mutants of elections, replication and the commit rule."""

from kvorum.raft import (
    core,
    election,
    following,
    log,
    log_keeping,
    progress,
    receiving,
    replication,
)
from tests.mutants.mutant import Edit, Mutant

CONSENSUS = (
    Mutant(
        "vote-not-synced",
        "a vote leaves before the disk knows of it, and is forgotten in a crash",
        ("explorer", "model", "simulator"),
        (Edit(election, "answer_vote", "if granted and request.pre:", "if granted:"),),
    ),
    Mutant(
        "own-vote-not-synced",
        "a candidate asks for votes before its own is durable",
        ("explorer", "model"),
        (Edit(election, "campaign", "state.send_after_sync(", "state.send("),),
    ),
    Mutant(
        "vote-alone-not-saved",
        "a save is thought to be needed for a new term, but not for a vote in the present one",
        ("model", "simulator", "explorer"),
        (
            Edit(
                core.Core,
                "_next_save",
                "changed = (state.term, state.vote) != (state.durable.term, state.durable.vote)",
                "changed = state.term != state.durable.term",
            ),
        ),
    ),
    Mutant(
        "two-votes-in-a-term",
        "whoever asks gets a vote, whoever else had it before",
        ("model", "simulator", "explorer"),
        (Edit(election, "grants", "state.vote in (None, request.sender)", "True"),),
    ),
    Mutant(
        "votes-of-earlier-terms",
        "an answer to an earlier campaign is counted in the present one",
        ("model", "explorer", "simulator"),
        (
            Edit(
                receiving,
                "_on_answer",
                "elif answer.term < state.term:",
                "elif answer.term < state.term and not isinstance(answer, VoteResponse):",
            ),
        ),
    ),
    Mutant(
        "longer-log-wins",
        "logs are compared by their length alone when a vote is given",
        ("model", "simulator"),
        (
            Edit(
                election,
                "grants",
                "if request.last < state.log.last",
                "if request.last.index < state.log.last.index",
            ),
        ),
    ),
    Mutant(
        "ack-before-sync",
        "a follower acknowledges entries that its disk does not hold yet",
        ("explorer", "model", "simulator"),
        (
            Edit(
                following,
                "_accept",
                "if is_stable and state.durable.term == state.term:",
                "if True:",
            ),
        ),
    ),
    Mutant(
        "heartbeat-acknowledges-all",
        "an answer to a heartbeat acknowledges the whole log, compared with the leader's or not",
        ("model", "simulator"),
        (
            Edit(
                following,
                "on_append_entries",
                "min(end, log.stable)",
                "min(log.last_index, log.stable)",
            ),
        ),
    ),
    Mutant(
        "own-entries-counted-unsynced",
        "a leader counts its own log to its end, not to what its disk holds",
        ("model", "explorer", "simulator"),
        (
            Edit(
                replication,
                "_stored",
                "match.append(state.log.stable)",
                "match.append(state.log.last_index)",
            ),
        ),
    ),
    Mutant(
        "old-term-by-counting",
        "entries of earlier terms are committed by counting (Figure 3.7)",
        ("simulator", "model", "figure"),
        (Edit(replication, "advance_commit", " and log.term_at(index) == state.term", ""),),
    ),
    Mutant(
        "no-no-op",
        "a leader opens its term without an entry",
        ("simulator", "model"),
        (Edit(replication, "lead", 'log_keeping.append(state, EntryKind.NOOP, b"")', "pass"),),
    ),
    Mutant(
        "truncates-on-delayed-append",
        "what stands behind the entries of a message is removed, although a later one brought it",
        ("model", "simulator", "explorer"),
        (
            Edit(
                log.RaftLog,
                "splice",
                "for offset, entry in enumerate(entries):",
                "if entries and begin + len(entries) < len(self._entries):\n"
                "        del self._entries[begin + len(entries) :]\n"
                "        self.stable = min(self.stable, self.last_index)\n"
                "    for offset, entry in enumerate(entries):",
            ),
        ),
    ),
    Mutant(
        "stable-survives-truncation",
        "entries that replace others count as durable because those were",
        ("model", "explorer", "simulator"),
        (Edit(log.RaftLog, "splice", "self.stable = min(self.stable, self.last_index)", "pass"),),
    ),
    Mutant(
        "stale-save-makes-stable",
        "a save that was overtaken by a truncation makes the new entries durable",
        ("explorer", "model", "simulator"),
        (
            Edit(
                log.RaftLog, "saved", "if self.contains(last):", "if last.index <= self.last_index:"
            ),
        ),
    ),
    Mutant(
        "no-consistency-check",
        "entries are taken without looking whether the log before them agrees",
        ("model", "explorer", "simulator"),
        (
            Edit(
                following,
                "on_append_entries",
                "not log.contains(append.prev)",
                "append.prev.index > log.last_index",
            ),
        ),
    ),
    Mutant(
        "commits-the-unchecked",
        "the leader's commit index is believed for entries that it was not compared for",
        ("model", "simulator", "explorer"),
        (
            Edit(
                following,
                "on_append_entries",
                "min(append.commit, end)",
                "min(append.commit, log.last_index)",
            ),
        ),
    ),
    Mutant(
        "match-from-sent",
        "what was sent to a follower counts as stored there",
        ("explorer", "model", "simulator"),
        (
            Edit(
                progress.Progress,
                "sent",
                "self.next = Index(last + 1)",
                "self.next = Index(last + 1)\n    self.match = last",
            ),
        ),
    ),
    Mutant(
        "next-beyond-the-end",
        "after an acknowledgement the next entry is skipped",
        ("explorer", "model"),
        (Edit(progress.Progress, "accepted", "Index(match + 1)", "Index(match + 2)"),),
    ),
    Mutant(
        "refusal-not-retried",
        "a refused append is sent again from the same place",
        ("model", "simulator"),
        (
            Edit(
                replication,
                "_on_refused",
                "progress.refused(min(retry, response.rejected))",
                "progress.refused(progress.next)",
            ),
        ),
    ),
    Mutant(
        "hint-ahead-of-the-disk",
        "the commit hint tells of entries that the disk may never hold",
        ("model", "simulator", "explorer"),
        (
            Edit(
                core.Core,
                "_next_save",
                "min(state.log.commit, state.log.stable)",
                "state.log.commit",
            ),
        ),
    ),
    Mutant(
        "stale-leader-not-refused",
        "an append of an earlier term is followed",
        ("model", "explorer", "simulator"),
        (
            Edit(
                receiving,
                "_on_leader",
                "if message.term < state.term or _leads(state, message.term):",
                "if _leads(state, message.term):",
            ),
        ),
    ),
    Mutant(
        "pre-vote-off",
        "a node that hears nobody raises its term at once",
        ("disruption",),
        (
            Edit(
                election,
                "on_silence",
                "_settle(state, pre_campaign(state), pre=True)",
                "_settle(state, campaign(state), pre=False)",
            ),
        ),
    ),
    Mutant(
        "check-quorum-off",
        "a leader that hears nobody goes on leading",
        ("disruption",),
        (Edit(replication, "tick", "if not is_quorum_active(state):", "if False:"),),
    ),
    Mutant(
        "membership-survives-truncation",
        "a membership stays in force although its entry was replaced",
        ("model",),
        (
            Edit(
                log_keeping,
                "splice",
                "if removed is not None and state.memberships.latest_index >= removed:",
                "if False:",
            ),
        ),
    ),
)
