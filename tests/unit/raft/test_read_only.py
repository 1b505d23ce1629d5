"""The leader's queue of reads, without a leader around it."""

from kvorum.raft.read_only import ReadQueue, ReadRequest
from kvorum.raft.types import Index, Ticket
from tests.support.raft_cores import node_id


def request(ticket: int) -> ReadRequest:
    return ReadRequest(node_id(1), Ticket(ticket))


def test_no_round_without_reads() -> None:
    queue = ReadQueue()
    assert not queue.begin(Index(3))
    assert (queue.round, queue.checking) == (0, False)


def test_a_round_takes_everything_that_waits() -> None:
    queue = ReadQueue()
    queue.add(request(1))
    queue.add(request(2))
    assert queue.begin(Index(3))
    assert (queue.round, queue.checking) == (1, True)
    assert queue.confirm() == (3, [request(1), request(2)])
    assert not queue.checking


def test_the_next_round_waits_for_the_first_and_has_its_own_number_and_index() -> None:
    queue = ReadQueue()
    queue.add(request(1))
    assert queue.begin(Index(3))
    queue.add(request(2))
    assert not queue.begin(Index(4))
    assert queue.confirm() == (3, [request(1)])
    assert queue.begin(Index(5))
    assert (queue.round, queue.confirm()) == (2, (5, [request(2)]))


def test_drop_gives_back_all_and_keeps_the_numbers() -> None:
    queue = ReadQueue()
    queue.add(request(1))
    queue.begin(Index(3))
    queue.add(request(2))
    assert queue.drop() == [request(1), request(2)]
    assert (queue.checking, queue.drop()) == (False, [])
    queue.add(request(3))
    assert queue.begin(Index(3))
    assert queue.round == 2, "a number is never used twice"
