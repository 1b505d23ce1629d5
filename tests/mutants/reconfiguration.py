"""Mutants of memberships, transfers and snapshots between nodes."""

from kvorum.node.snapshot_exchange import SnapshotCollector
from kvorum.raft import (
    core,
    election,
    following,
    progress,
    quorum,
    replication,
    sending_snapshots,
    state,
    transfer,
)
from kvorum.raft import reconfiguration as changes
from kvorum.storage import snapshots
from tests.mutants.mutant import Edit, Mutant

RECONFIGURATION = (
    Mutant(
        "joint-counted-once",
        "while a membership is joint, the incoming voters decide alone",
        ("explorer", "model", "simulator"),
        (
            Edit(quorum, "electorates_of", "membership.majorities", "membership.majorities[:1]"),
            Edit(quorum, "election_result", "membership.majorities", "membership.majorities[:1]"),
        ),
    ),
    Mutant(
        "joint-votes-counted-once",
        "while a membership is joint, the outgoing voters elect alone",
        ("model", "simulator"),
        (Edit(quorum, "election_result", "membership.majorities", "membership.majorities[-1:]"),),
    ),
    Mutant(
        "learner-counted",
        "an entry that a learner holds counts like one that a voter holds",
        ("model", "simulator"),
        (
            Edit(
                replication,
                "_stored",
                "for voter in electorate.others]",
                "for voter in (*electorate.others, *state.membership.learners)]",
            ),
            Edit(
                replication,
                "_stored",
                "return committed_index(match)",
                "return sorted(match, reverse=True)[electorate.needed - 1]",
            ),
        ),
    ),
    Mutant(
        "removed-node-campaigns",
        "a node that is no voter asks for votes all the same",
        ("model", "simulator"),
        (
            Edit(
                state.State,
                "may_campaign",
                "return any(",
                "return True or any(",
            ),
        ),
    ),
    Mutant(
        "removed-node-votes",
        "the vote of a node that left counts in an election",
        ("model", "simulator"),
        (
            Edit(
                election,
                "count_vote",
                "return election_result(state.membership, state.votes)",
                "needed = len(state.membership.voters) // 2 + 1\n"
                "    return VoteResult.WON if sum(state.votes.values()) >= needed "
                "else VoteResult.PENDING",
            ),
        ),
    ),
    Mutant(
        "leader-counts-itself-though-removed",
        "a leader that is leaving counts its own log among the incoming voters",
        ("model", "explorer"),
        (
            Edit(
                quorum,
                "electorates_of",
                "node in voters, majority",
                "True, majority",
            ),
        ),
    ),
    Mutant(
        "two-changes-at-a-time",
        "a change begins while the one before is not decided",
        ("model", "explorer"),
        (Edit(changes, "_resulting", "if state.next_decision is not None:", "if False:"),),
    ),
    Mutant(
        "joint-never-left",
        "the leader forgets to leave the joint membership",
        ("model", "explorer"),
        (Edit(changes, "proceed", "if state.membership.is_joint:", "if False:"),),
    ),
    Mutant(
        "joint-left-early",
        "the final membership is appended before the joint one is decided",
        ("model", "explorer"),
        (
            Edit(
                changes,
                "propose",
                "return log_keeping.append("
                'state, EntryKind.MEMBERSHIP, encode_membership(membership)), ""',
                "encoded = encode_membership(membership)\n"
                "    at = log_keeping.append(state, EntryKind.MEMBERSHIP, encoded)\n"
                "    if membership.is_joint:\n"
                "        final = encode_membership(leave_joint(membership))\n"
                "        log_keeping.append(state, EntryKind.MEMBERSHIP, final)\n"
                '    return at, ""',
            ),
        ),
    ),
    Mutant(
        "transfer-without-catching-up",
        "the target is told to campaign although it lacks a part of the log",
        ("disruption", "model"),
        (
            Edit(
                transfer,
                "proceed",
                "if state.progress[transfer.target].match < state.log.last_index:",
                "if False:",
            ),
        ),
    ),
    Mutant(
        "transfer-to-a-learner",
        "a learner may be chosen to lead, and campaigns",
        ("model", "simulator"),
        (
            Edit(transfer, "_why_not", "if target in state.membership.learners:", "if False:"),
            Edit(
                transfer,
                "_why_not",
                "if target not in state.membership.voters:",
                "if target not in state.progress:",
            ),
            Edit(election, "on_timeout_now", "state.may_campaign() and ", ""),
        ),
    ),
    Mutant(
        "proposals-during-transfer",
        "a leader that hands over takes proposals, so that its successor never has all",
        ("disruption", "model"),
        (
            Edit(
                replication,
                "propose",
                "if state.transfer is not None or state.is_resigning:",
                "if False:",
            ),
        ),
    ),
    Mutant(
        "base-not-written",
        "after a snapshot was installed, the log does not say where it begins",
        ("model", "simulator"),
        (Edit(core.Core, "_next_save", "waiting, state.rebase)", "waiting, None)"),),
    ),
    Mutant(
        "install-acknowledged-early",
        "an installed snapshot is acknowledged before the log that it replaces is void on disk",
        ("simulator", "model"),
        (Edit(following, "_accept", " and state.rebase is None", ""),),
    ),
    Mutant(
        "old-snapshot-installed",
        "a snapshot that was overtaken by the log takes its place all the same",
        ("snapshots", "model"),
        (Edit(following, "install", "if _is_covered(state, snapshot):", "if False:"),),
    ),
    Mutant(
        "snapshot-never-asked-again",
        "a lost chunk is not sent again",
        ("model", "simulator"),
        (
            Edit(
                progress.Progress,
                "must_ask_again",
                "if self.asked_ticks < patience_ticks or self.silent_ticks >= self.asked_ticks:",
                "if True:",
            ),
        ),
    ),
    Mutant(
        "chunk-offset-ignored",
        "a chunk is appended wherever it belongs",
        ("disk", "chunks"),
        (
            Edit(
                SnapshotCollector,
                "_store_chunk",
                "if chunk.offset == here and chunk.data:",
                "if chunk.data:",
            ),
            Edit(
                snapshots._Inbound,
                "add",
                "if offset != (0 if file is None else file.size_bytes):",
                "if False:",
            ),
        ),
    ),
    Mutant(
        "compacted-without-a-snapshot",
        "the log forgets entries that no snapshot covers",
        ("snapshots", "simulator"),
        (
            Edit(
                sending_snapshots,
                "offer",
                "min(Index(keep_from - 1), state.snapshot.last.index, log.applied, log.stable)",
                "min(Index(keep_from + 3), log.applied, log.stable)",
            ),
        ),
    ),
    Mutant(
        "installed-membership-ignored",
        "the membership in a snapshot is not taken over",
        ("snapshots", "simulator"),
        (
            Edit(
                following,
                "install",
                "log_keeping.restart(state, snapshot)",
                "known = state.membership\n"
                "    log_keeping.restart(state, snapshot)\n"
                "    state.memberships.restart(snapshot.last.index, known)\n"
                "    state.use_latest_membership()",
            ),
        ),
    ),
)
