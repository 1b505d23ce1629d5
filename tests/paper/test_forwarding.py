"""Work that reaches a follower goes to the leader (§6.2)."""

from kvorum.raft.messages import Propose, ProposeResponse, ReadIndex, ReadIndexResponse
from kvorum.raft.ready import ReadState, Receipt
from kvorum.raft.types import Index, Term, Ticket
from tests.support.raft_cluster import Cluster
from tests.support.raft_cores import (
    ack,
    append_entries,
    drain,
    eid,
    feed,
    make_core,
    make_leader,
    node_id,
    time_out,
)
from tests.support.raft_trace import kind_of


def test_a_follower_passes_proposals_on() -> None:
    """§6.2: to the leader it knows; nothing is appended here."""
    core = make_core(term=1)
    feed(core, append_entries(3, term=1))
    core.propose(Ticket(5), b"x")
    out = drain(core)
    assert [(p.to, p.ticket, p.data) for p in out.of(Propose)] == [("3", 5, b"x")]
    assert (out.receipts, core.state.log.last_index) == ([], 0)


def test_a_leader_answers_where_it_appended() -> None:
    """The asker recognises its proposal by index and term when it is applied."""
    leader = make_leader(term=2)
    proposal = Propose(to=node_id(1), sender=node_id(2), term=Term(2), ticket=Ticket(5), data=b"x")
    [answer] = feed(leader, proposal).of(ProposeResponse)
    assert (answer.to, answer.ticket, answer.entry) == ("2", 5, eid(2, 2))
    core = make_core(2, term=2)
    assert feed(core, answer).receipts == [Receipt(Ticket(5), eid(2, 2))]


def test_a_node_that_does_not_lead_refuses() -> None:
    """Certainly not appended: the asker may try again freely."""
    core = make_core(term=1)
    feed(core, append_entries(3, term=1))
    proposal = Propose(to=node_id(1), sender=node_id(2), term=Term(1), ticket=Ticket(5), data=b"x")
    read = ReadIndex(to=node_id(1), sender=node_id(2), term=Term(1), ticket=Ticket(6))
    out = feed(core, proposal, read)
    assert [(a.ticket, a.entry) for a in out.of(ProposeResponse)] == [(5, None)]
    assert [(a.ticket, a.index) for a in out.of(ReadIndexResponse)] == [(6, None)]
    assert core.state.log.last_index == 0


def test_without_a_leader_everything_is_refused_at_once() -> None:
    """A new node, and one that lost its leader and campaigns."""
    for core in (make_core(), make_core(term=1)):
        if core.state.term:
            feed(core, append_entries(3, term=1))
            time_out(core)
        core.propose(Ticket(1), b"x")
        core.read_index(Ticket(2))
        out = drain(core)
        assert out.receipts == [Receipt(Ticket(1), None)]
        assert out.read_states == [ReadState(Ticket(2), None)]


def test_a_read_on_a_follower_is_confirmed_by_the_leader() -> None:
    """§6.4: "followers may ask the leader for the current read index"."""
    leader = make_leader(voters=5)
    feed(leader, ack(3, term=1, match=1), ack(4, term=1, match=1))
    leader.step(ReadIndex(to=node_id(1), sender=node_id(2), term=Term(1), ticket=Ticket(6)))
    assert drain(leader).of(ReadIndexResponse) == []
    acks = [ack(sender, term=1, match=1, read_round=1) for sender in (3, 4)]
    [answer] = feed(leader, *acks).of(ReadIndexResponse)
    assert (answer.to, answer.ticket, answer.index) == ("2", 6, 1)
    assert feed(make_core(2), answer).read_states == [ReadState(Ticket(6), Index(1))]


def test_a_lost_receipt_leaves_the_outcome_open() -> None:
    """No receipt is neither yes nor no: the entry may be applied all the same."""
    cluster = Cluster(3)
    cluster.elect(1)
    ticket = cluster.propose(2, b"x")
    cluster.net.hold(lambda message: kind_of(message) == "Receipt")
    cluster.settle()
    cluster.net.drop(lambda message: kind_of(message) == "Receipt")
    assert ticket not in cluster[2].receipts
    assert cluster[2].data == [b"x"]


def test_a_lost_proposal_leaves_the_outcome_open() -> None:
    """To the asker this looks the same."""
    cluster = Cluster(3)
    cluster.elect(1)
    ticket = cluster.propose(2, b"x")
    cluster.net.drop(lambda message: kind_of(message) == "Propose")
    cluster.settle()
    assert ticket not in cluster[2].receipts
    assert cluster[2].data == []


def test_a_receipt_leaves_before_the_entry_it_speaks_of() -> None:
    """On an ordered link the asker knows its entry's index before it can be applied."""
    leader = make_leader()
    feed(leader, ack(2, term=1, match=1))
    proposal = Propose(to=node_id(1), sender=node_id(2), term=Term(1), ticket=Ticket(5), data=b"x")
    kinds = [kind_of(m) for m in feed(leader, proposal).messages if m.to == "2"]
    assert kinds == ["Receipt", "Append"]
