"""Linearizable reads without log entries: ReadIndex (§6.4)."""

import pytest

from kvorum.raft.core import Core
from kvorum.raft.messages import AppendEntries, ReadIndex, ReadIndexResponse
from kvorum.raft.ready import ReadState
from kvorum.raft.types import Index, Term, Ticket
from tests.support.raft_cluster import Cluster
from tests.support.raft_cores import (
    ELECTION_TICKS_MAX,
    HEARTBEAT_TICKS,
    ack,
    append_entries,
    drain,
    eid,
    feed,
    log_of,
    make_core,
    make_leader,
    node_id,
    refusal,
    time_out,
)


def reading_leader(voters: int = 3, heartbeat_ticks: int = HEARTBEAT_TICKS) -> Core:
    """A leader whose no-op (index 1) is committed and known to all."""
    leader = make_leader(voters=voters, heartbeat_ticks=heartbeat_ticks)
    for sender in range(2, voters + 1):
        feed(leader, ack(sender, term=1, match=1))
    return leader


def ask(leader: Core, ticket: int) -> list[AppendEntries]:
    """Ask, and return the question that goes to the followers."""
    leader.read_index(Ticket(ticket))
    return drain(leader).of(AppendEntries)


def test_a_read_needs_a_majority_of_this_round() -> None:
    """§6.4 step 3: a round of heartbeats, answered by a majority of the cluster."""
    leader = reading_leader(voters=5)
    questions = ask(leader, 7)
    assert [(q.to, q.round) for q in questions] == [("2", 1), ("3", 1), ("4", 1), ("5", 1)]
    assert feed(leader, ack(2, term=1, match=1, read_round=1)).read_states == []
    assert feed(leader, ack(2, term=1, match=1, read_round=1)).read_states == [], "the same one"
    states = feed(leader, ack(3, term=1, match=1, read_round=1)).read_states
    assert states == [ReadState(Ticket(7), Index(1))]


def test_a_new_leader_answers_after_an_entry_of_its_own_term() -> None:
    """§6.4 step 1: before that it does not know what is committed."""
    leader = make_leader(term=2, log=log_of(1))
    assert all(q.round == 0 for q in ask(leader, 7))
    assert feed(leader, ack(2, term=2, match=1)).read_states == []
    out = feed(leader, ack(2, term=2, match=2))
    assert {q.round for q in out.of(AppendEntries)} == {1}
    assert feed(leader, ack(2, term=2, match=2, read_round=1)).read_states == [
        ReadState(Ticket(7), Index(2))
    ]


def test_reads_that_arrive_during_a_round_form_the_next() -> None:
    """§6.4: a confirmation vouches only for reads asked before its round began."""
    leader = reading_leader()
    ask(leader, 1)
    assert ask(leader, 2) == [], "one round at a time"
    out = feed(leader, ack(2, term=1, match=1, read_round=1))
    assert [state.ticket for state in out.read_states] == [1]
    assert {q.round for q in out.of(AppendEntries)} == {2}
    out = feed(leader, ack(2, term=1, match=1, read_round=2))
    assert [state.ticket for state in out.read_states] == [2]


def test_reads_of_a_round_share_it() -> None:
    """§6.4: batching; one round trip for all that wait."""
    leader = reading_leader()
    for ticket in (1, 2, 3):
        leader.read_index(Ticket(ticket))
    assert {q.round for q in drain(leader).of(AppendEntries)} == {1}
    states = feed(leader, ack(3, term=1, match=1, read_round=1)).read_states
    assert [state.ticket for state in states] == [1, 2, 3]


def test_a_late_ack_of_an_earlier_round_confirms_nothing() -> None:
    """§6.4: a fresh number for each attempt."""
    leader = reading_leader(voters=5)
    ask(leader, 1)
    for sender in (2, 3):
        feed(leader, ack(sender, term=1, match=1, read_round=1))
    ask(leader, 2)
    for sender in (4, 5):
        out = feed(leader, ack(sender, term=1, match=1, read_round=1))
        assert out.read_states == []
    acks = [ack(sender, term=1, match=1, read_round=2) for sender in (4, 5)]
    assert [state.ticket for state in feed(leader, *acks).read_states] == [2]


def test_an_ack_of_an_earlier_term_confirms_nothing() -> None:
    """§6.4: rounds are numbered anew in each term."""
    leader = make_leader(term=3, log=log_of(1))
    feed(leader, ack(2, term=3, match=2))
    ask(leader, 1)
    assert feed(leader, ack(2, term=2, match=1, read_round=1)).read_states == []


def test_a_refusal_of_the_same_term_confirms() -> None:
    """§6.4: the follower's log may differ, but it follows this leader."""
    leader = reading_leader()
    ask(leader, 1)
    out = feed(leader, refusal(2, term=1, rejected=1, conflict=eid(0, 1), read_round=1))
    assert [state.ticket for state in out.read_states] == [1]


def test_the_index_is_the_commit_index_when_the_round_begins() -> None:
    """§6.4 step 2: what commits later does no harm, what committed before is included."""
    leader = reading_leader()
    leader.propose(Ticket(1), b"x")
    drain(leader)
    feed(leader, ack(2, term=1, match=2))
    ask(leader, 9)
    leader.propose(Ticket(2), b"y")
    drain(leader)
    out = feed(leader, ack(2, term=1, match=3, read_round=1))
    assert out.read_states == [ReadState(Ticket(9), Index(2))]


def test_a_lost_question_is_repeated_with_the_next_heartbeat() -> None:
    """§6.4, §3.4: the heartbeat carries the round, no other message is needed."""
    leader = reading_leader()
    ask(leader, 1)
    for _ in range(HEARTBEAT_TICKS):
        leader.tick()
    assert {q.round for q in drain(leader).of(AppendEntries)} == {1}


def confirmed_leader(*witnesses: int) -> Core:
    """A leader whose first round was confirmed by ``witnesses``; no heartbeat is near."""
    leader = reading_leader(voters=5, heartbeat_ticks=5)
    ask(leader, 1)
    for sender in witnesses:
        feed(leader, ack(sender, term=1, match=1, read_round=1))
    return leader


def test_later_rounds_ask_whoever_confirmed_an_earlier_one_first() -> None:
    """§6.4: any majority proves leadership; which one is the leader's choice."""
    leader = confirmed_leader(5, 3)
    assert [q.to for q in ask(leader, 2)] == ["3", "5"]
    feed(leader, ack(2, term=1, match=1, read_round=1))
    states = feed(leader, *(ack(n, term=1, match=1, read_round=2) for n in (3, 5))).read_states
    assert [state.ticket for state in states] == [2]
    assert [q.to for q in ask(leader, 3)] == ["3", "5"]


def test_whoever_was_not_asked_confirms_as_well() -> None:
    """§6.4: an append carries the round to everybody, and any answer to it counts."""
    leader = confirmed_leader(5, 3)
    ask(leader, 2)
    leader.propose(Ticket(9), b"x")
    assert {q.to for q in drain(leader).of(AppendEntries) if q.round == 2} == {"2", "3", "4", "5"}
    states = feed(leader, *(ack(n, term=1, match=2, read_round=2) for n in (2, 4))).read_states
    assert [state.ticket for state in states] == [2]


def test_a_round_that_waits_asks_everybody() -> None:
    """A witness that is slow or dead holds reads up for two ticks, and is replaced."""
    leader = confirmed_leader(5, 3)
    ask(leader, 2)
    leader.tick()
    assert drain(leader).of(AppendEntries) == [], "a whole tick has not passed yet"
    leader.tick()
    assert [(q.to, q.round) for q in drain(leader).of(AppendEntries)] == [("2", 2), ("4", 2)]
    feed(leader, *(ack(n, term=1, match=1, read_round=2) for n in (4, 3)))
    assert [q.to for q in ask(leader, 3)] == ["3", "4"], "whoever answered first"


def test_a_round_begins_to_wait_when_it_begins() -> None:
    """Not when the one before it did."""
    leader = confirmed_leader(5, 3)
    for ticket in (2, 3):
        ask(leader, ticket)
        leader.tick()
        assert drain(leader).of(AppendEntries) == []
        feed(leader, *(ack(n, term=1, match=1, read_round=ticket) for n in (3, 5)))


def test_each_heartbeat_chooses_anew() -> None:
    """Else one that is slow, but not slow enough, would be asked for ever."""
    leader = confirmed_leader(5, 3)
    for _ in range(5):
        leader.tick()
    drain(leader)
    assert [q.to for q in ask(leader, 2)] == ["2", "3", "4", "5"]
    feed(leader, *(ack(n, term=1, match=1, read_round=2) for n in (2, 4)))
    assert [q.to for q in ask(leader, 3)] == ["2", "4"]


def test_a_follower_vouches_for_its_own_reads() -> None:
    """§6.4: it asked in the leader's term, after they had arrived; of three, that is a majority."""
    leader = reading_leader()
    leader.tick()
    drain(leader)  # now everybody knows what is committed
    question = ReadIndex(to=node_id(1), sender=node_id(3), term=Term(1), ticket=Ticket(8))
    out = feed(leader, question)
    assert [(r.to, r.ticket, r.index) for r in out.of(ReadIndexResponse)] == [("3", 8, 1)]
    assert out.of(AppendEntries) == [], "nobody is asked"


def test_a_follower_hears_with_the_answer_that_the_log_is_committed_so_far() -> None:
    """§6.4: it serves the read once it has applied that; it should not wait for a heartbeat."""
    leader = reading_leader()
    leader.propose(Ticket(1), b"x")
    drain(leader)
    feed(leader, *(ack(n, term=1, match=2) for n in (2, 3)))
    question = ReadIndex(to=node_id(1), sender=node_id(3), term=Term(1), ticket=Ticket(8))
    out = feed(leader, question)
    assert [r.index for r in out.of(ReadIndexResponse)] == [2]
    assert [(append.to, append.commit) for append in out.of(AppendEntries)] == [("3", 2)]


def test_and_so_does_one_that_was_no_witness_of_the_round() -> None:
    leader = confirmed_leader(5, 3)
    leader.propose(Ticket(9), b"x")
    drain(leader)
    feed(leader, *(ack(n, term=1, match=2) for n in (2, 3, 4, 5)))
    question = ReadIndex(to=node_id(1), sender=node_id(2), term=Term(1), ticket=Ticket(8))
    assert [q.to for q in feed(leader, question).of(AppendEntries)] == ["3", "5"]
    out = feed(leader, *(ack(n, term=1, match=2, read_round=2) for n in (3, 5)))
    assert [(r.to, r.index) for r in out.of(ReadIndexResponse)] == [("2", 2)]
    assert [(append.to, append.commit) for append in out.of(AppendEntries)] == [("2", 2)]


def test_a_follower_vouches_for_nothing_but_its_own_reads() -> None:
    """Those of others may have arrived after it asked."""
    leader = reading_leader()
    ask(leader, 1)
    question = ReadIndex(to=node_id(1), sender=node_id(3), term=Term(1), ticket=Ticket(8))
    assert feed(leader, question).read_states == []


def test_a_follower_that_went_on_to_a_later_term_vouches_for_nothing() -> None:
    """§6.4: there it may have helped to elect another leader."""
    leader = reading_leader()
    question = ReadIndex(to=node_id(1), sender=node_id(3), term=Term(2), ticket=Ticket(8))
    assert feed(leader, question).of(ReadIndexResponse) == []


def test_a_new_leader_answers_a_follower_after_an_entry_of_its_own_term() -> None:
    """§6.4 step 1: before that it does not know what is committed."""
    leader = make_leader(term=2, log=log_of(1))
    question = ReadIndex(to=node_id(1), sender=node_id(3), term=Term(2), ticket=Ticket(8))
    assert feed(leader, question).of(ReadIndexResponse) == []


def test_a_deposed_leader_refuses_the_reads_that_wait() -> None:
    """§6.4: they must be asked again elsewhere."""
    leader = reading_leader(voters=5)
    leader.step(ReadIndex(to=node_id(1), sender=node_id(3), term=Term(1), ticket=Ticket(8)))
    ask(leader, 1)
    leader.read_index(Ticket(2))
    out = feed(leader, append_entries(2, 2, term=2, prev=eid(1, 1)))
    assert out.read_states == [ReadState(Ticket(1), None), ReadState(Ticket(2), None)]
    assert [(r.to, r.ticket, r.index) for r in out.of(ReadIndexResponse)] == [("3", 8, None)]


def test_a_leader_that_is_cut_off_cannot_confirm() -> None:
    """§6.4: an old value is never served; CheckQuorum ends the wait."""
    cluster = Cluster(3)
    cluster.elect(1)
    cluster.net.isolate(1)
    cluster.elect(2)
    cluster.propose(2, b"new")
    cluster.settle()
    ticket = cluster.read_index(1)
    cluster.settle()
    assert ticket not in cluster[1].reads
    cluster.tick(1, count=2 * ELECTION_TICKS_MAX)
    cluster.settle()
    assert cluster[1].reads[ticket] is None


def test_a_single_node_answers_at_once() -> None:
    """§6.4: its own vote is the majority; still not before its no-op is durable."""
    core = make_core(voters=1)
    time_out(core)
    vote = core.ready().save
    assert vote is not None
    core.advance(vote)
    core.read_index(Ticket(1))
    ready = core.ready()
    assert ready.read_states == ()
    assert ready.save is not None
    core.advance(ready.save)
    assert core.ready().read_states == (ReadState(Ticket(1), Index(1)),)


@pytest.mark.parametrize("reader", [1, 2, 3])
def test_a_read_sees_every_write_answered_before_it(reader: int) -> None:
    """§6.4, on the leader and on followers: the index covers what anyone has applied."""
    cluster = Cluster(3)
    cluster.elect(1)
    cluster.net.hold(lambda m: m.to == node_id(2) and isinstance(m, AppendEntries) and m.round == 0)
    cluster.propose(1, b"x")
    cluster.settle()
    ticket = cluster.read_index(reader)
    cluster.net.release()
    cluster.settle()
    assert cluster[reader].reads[ticket] == 2
