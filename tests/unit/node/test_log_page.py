"""Pages of a log whose first entries a snapshot has replaced, and entries of memberships."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.loading import Origin
from kvorum.node.member import Member, Ports
from kvorum.node.service import KvService
from kvorum.raft.membership import Membership, encode_membership
from kvorum.raft.types import Entry, EntryKind, HardState, Index, Term
from kvorum.telemetry.metrics import MemberMetrics
from tests.support.memory_snapshots import MemorySnapshots
from tests.unit.node.fakes import (
    OTHER,
    SELF,
    THIRD,
    Bench,
    ManualLog,
    RecordingPeers,
    batch,
    eid,
    entry,
)

MEMBERS = Membership((SELF, OTHER, THIRD))
BASE = 7


def service_behind_snapshot(entries: Sequence[Entry]) -> KvService:
    bench, machine = Bench(), StateMachine()
    for index in range(1, BASE + 1):
        machine.apply_noop(index)
    ports = Ports(
        log=ManualLog(),
        snapshots=MemorySnapshots(),
        peers=RecordingPeers(),
        clock=bench.clock,
        random_ticks=lambda _low, high: high,
        name_of=str,
    )
    hard_state = HardState(Term(1), None, Index(BASE))
    origin = Origin(MEMBERS, machine, hard_state, entries, eid(1, BASE))
    return Member(bench.options, origin, ports, MemberMetrics(CollectorRegistry())).service


async def test_a_page_begins_with_the_first_entry_that_is_there() -> None:
    service = service_behind_snapshot([entry(1, 8, batch("a")), entry(1, 9, batch("b"))])
    page = service.cluster_log(1, 1)
    assert [shown.index for shown in page.entries] == [8]
    assert (page.first_index, page.next_index, page.last_index) == (8, 9, 9)


async def test_a_log_that_is_all_in_a_snapshot_has_one_empty_page() -> None:
    page = service_behind_snapshot([]).cluster_log(1, 10)
    assert (page.entries, page.first_index, page.last_index) == ((), 8, 7)
    assert page.next_index is None


async def test_an_entry_of_a_membership_shows_it() -> None:
    changed = Entry(Term(1), Index(8), EntryKind.MEMBERSHIP, encode_membership(MEMBERS))
    (shown,) = service_behind_snapshot([changed]).cluster_log(8, 10).entries
    assert (shown.membership, shown.commands) == (MEMBERS, ())
