"""What a node may hold that is neither decided nor durable."""

from kvorum.raft.log import ENTRY_OVERHEAD_BYTES
from kvorum.raft.messages import AppendResponse
from kvorum.raft.types import Ticket
from tests.support.raft_cores import ack, append_entries, drain, eid, feed, make_core, make_leader


def test_a_leader_refuses_proposals_when_too_much_is_undecided() -> None:
    """§3.5 lets a leader without followers append for ever; memory does not."""
    leader = make_leader(uncommitted_bytes_max=10)
    for number, size in enumerate((6, 4, 1), 1):
        leader.propose(Ticket(number), b"x" * size)
    receipts = drain(leader).receipts
    assert [receipt.entry is not None for receipt in receipts] == [True, True, False]
    feed(leader, ack(2, term=1, match=leader.state.log.last_index))
    leader.propose(Ticket(4), b"again")
    assert drain(leader).receipts[0].entry is not None


def test_a_large_append_is_saved_in_parts_and_acknowledged_once() -> None:
    """§3.8: the acknowledgement waits for the part that holds the last entry."""
    core = make_core(save_bytes_max=2 * (ENTRY_OVERHEAD_BYTES + 4))
    core.step(append_entries(2, 1, 1, 1, term=1, prev=eid(0, 0)))
    parts, told = [], []
    while (save := (ready := core.ready()).save) is not None:
        told.append(len(save.messages))
        parts.append([entry.index for entry in save.entries])
        core.advance(save)
    assert len(parts) > 1
    assert [index for part in parts for index in part] == [1, 2, 3]
    assert told == [0] * (len(parts) - 1) + [1]
    [told_last] = ready.messages
    assert isinstance(told_last, AppendResponse)
    assert told_last.match == 3
