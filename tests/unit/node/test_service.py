"""What front ends may ask: limits, repeated requests, reads, and the node's view of itself."""

import asyncio
from collections.abc import Sequence

import pytest
from prometheus_client import CollectorRegistry

from kvorum.errors import Forbidden, Rejected, TooLarge
from kvorum.mvcc.command import (
    Command,
    CompareAndSet,
    Delete,
    LeaseKeepAlive,
    Put,
    decode_batch,
    encode_batch,
)
from kvorum.mvcc.outcome import Outcome, Status
from kvorum.mvcc.state_machine import StateMachine
from kvorum.mvcc.store import Record
from kvorum.node import service as service_module
from kvorum.node.loading import Origin
from kvorum.node.member import Member, Ports
from kvorum.node.service import LAG_ENTRIES_MAX
from kvorum.node.views import Leadership, LogEntry, ReadResult, Staleness
from kvorum.raft.membership import Membership
from kvorum.raft.messages import AppendEntries, VoteResponse
from kvorum.raft.ready import ReadState
from kvorum.raft.types import Entry, HardState, Index, Term
from kvorum.telemetry.metrics import MemberMetrics
from tests.support.memory_snapshots import MemorySnapshots
from tests.unit.node.fakes import (
    OTHER,
    SELF,
    STAMP,
    THIRD,
    Bench,
    ManualLog,
    RecordingPeers,
    batch,
    eid,
    entry,
    put_command,
)

NAMES: dict[str, str] = {SELF: "Node-1", OTHER: "Node-2"}


class ServiceBench(Bench):
    """A service over a core that only holds a log."""

    def __init__(self, entries: Sequence[Entry] = (), commit: int = 0, applied: int = 0) -> None:
        super().__init__()
        member = Member(
            self.options,
            Origin(
                Membership((SELF, OTHER, THIRD)),
                StateMachine(),
                HardState(Term(1), None, Index(commit)),
                entries,
            ),
            Ports(
                log=ManualLog(),
                snapshots=MemorySnapshots(),
                peers=RecordingPeers(),
                clock=self.clock,
                random_ticks=lambda _low, high: high,
                name_of=lambda member: NAMES.get(member, member),
            ),
            MemberMetrics(CollectorRegistry()),
        )
        self.core, self.machine, self.fence = member.core, member.machine, member.fence
        self.proposals, self.reads = member.proposals, member.reads
        self.leadership = member.leadership
        self.leadership.report(OTHER)
        for each in entries[:applied]:
            self.apply(each)
        self.service = member.service

    def apply(self, each: Entry) -> None:
        if each.data:
            self.proposals.on_applied(each, self.machine.apply(each.index, each.data))
        else:
            self.machine.apply_noop(each.index)

    def proposed(self) -> list[Command]:
        return [
            command
            for _, data in self.proposals.take_batches(STAMP)
            for command in decode_batch(data)[1]
        ]

    def confirm_reads(self, index: int) -> None:
        ticket = self.reads.take_ticket()
        assert ticket is not None
        self.reads.on_read_state(ReadState(ticket, Index(index)))
        self.reads.serve(Index(self.machine.applied_index))


# --- what may not be asked -------------------------------------------------------------


async def test_the_internal_key_is_out_of_reach() -> None:
    bench = ServiceBench()
    service, key = bench.service, b"_executed"
    for ask in (
        lambda: service.put("r", key, b"1"),
        lambda: service.compare_and_set("r", key, b"1", b"2"),
        lambda: service.delete("r", key),
        lambda: service.get("r", key),
        lambda: service.get_stale("r", key),
    ):
        with pytest.raises(Forbidden, match="cannot get value of internal key"):
            ask()
    assert bench.proposals.pending == bench.reads.pending == 0


async def test_what_costs_much_to_compare_weighs_as_much_whoever_waits() -> None:
    bench = ServiceBench()
    large = b'"%s"' % (b"x" * (bench.options.value_bytes_max - 2))
    future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    bench.service.compare_and_set_for(future, "a", b"k", large, b"1")
    _ = bench.service.compare_and_set("b", b"k", large, b"1")
    weights = [write.weight for write in bench.proposals.writes._by_age]
    assert weights[0] == weights[1] > 1


async def test_keys_and_values_over_their_limits_are_refused() -> None:
    bench = ServiceBench()
    service = bench.service
    key_max = b"k" * bench.options.key_bytes_max
    value_max = b"1" * bench.options.value_bytes_max
    _ = service.put("fits", key_max, value_max)
    _ = service.compare_and_set("fits too", key_max, value_max, value_max)
    for ask in (
        lambda: service.put("r", key_max + b"k", b"1"),
        lambda: service.delete("r", key_max + b"k"),
        lambda: service.get("r", key_max + b"k"),
    ):
        with pytest.raises(TooLarge, match="KEY_BYTES_MAX"):
            ask()
    for ask in (
        lambda: service.put("r", b"k", value_max + b"1"),
        lambda: service.compare_and_set("r", b"k", b"1", value_max + b"1"),
        lambda: service.compare_and_set("r", b"k", value_max + b"1", b"1"),
    ):
        with pytest.raises(TooLarge, match="VALUE_BYTES_MAX"):
            _ = ask()
    assert bench.proposals.pending == 2


# --- writes ----------------------------------------------------------------------------


async def test_each_write_becomes_its_command() -> None:
    bench = ServiceBench()
    _ = bench.service.put("a", b"k", b"1")
    _ = bench.service.compare_and_set("b", b"k", b"1", b"2")
    _ = bench.service.delete("c", b"k")
    assert bench.proposed() == [
        Put("a", b"k", b"1", after_index=0),
        CompareAndSet("b", b"k", b"1", b"2", after_index=0),
        Delete("c", b"k", after_index=0),
    ]


async def test_a_write_says_that_it_is_younger_than_what_is_applied_here() -> None:
    """Only so far this node has looked for an outcome of its id, whatever is committed."""
    bench = ServiceBench([entry(1, 1, batch("x"))], commit=1, applied=1)
    bench.core.state.leader_commit = Index(7)
    _ = bench.service.put("a", b"k", b"1")
    assert [command.after_index for command in bench.proposed()] == [1]


async def test_a_request_id_that_was_applied_is_answered_without_the_log() -> None:
    bench = ServiceBench([entry(1, 1, batch("a"))], commit=1, applied=1)
    again = bench.service.delete("a", b"other")
    assert again.result() == Outcome("a", Status.SUCCESS, "success", 1, STAMP.time_ms, 1)
    assert bench.proposed() == []


async def test_request_ids_are_unique_and_carry_the_prefix() -> None:
    service = ServiceBench().service
    ids = {service.new_request_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(request_id.startswith("0-") for request_id in ids)


# --- reads -----------------------------------------------------------------------------


async def test_a_read_sees_what_is_there_when_it_is_served() -> None:
    bench = ServiceBench()
    future = bench.service.get("r", b"k")
    assert not future.done()
    bench.apply(entry(1, 1, batch("a")))
    bench.confirm_reads(1)
    assert future.result() == ReadResult("r", Record(b"1", 1, 1, 1), 1)


async def test_a_read_of_a_missing_key_has_no_record() -> None:
    bench = ServiceBench()
    future = bench.service.get("r", b"k")
    bench.confirm_reads(0)
    assert future.result() == ReadResult("r", None, 0)


async def test_catching_up_waits_like_a_read() -> None:
    bench = ServiceBench()
    future = bench.service.catch_up()
    assert not future.done()
    bench.confirm_reads(0)
    assert future.done()
    assert future.result() is None


async def test_a_stale_read_asks_nobody_and_says_how_old_it_may_be() -> None:
    log = [entry(1, 1, batch("a")), entry(1, 2, batch("b"))]
    bench = ServiceBench(log, commit=2, applied=1)
    bench.core.state.log.take_committed(1, 1 << 30)
    assert bench.service.get_stale("r", b"k").staleness == Staleness(None, 1, 2)
    bench.leadership.heard()
    bench.clock.advance(0.25)
    result = bench.service.get_stale("r", b"k")
    assert result.record == Record(b"1", 1, 1, 1)
    assert result.staleness == Staleness(250, 1, 2)
    bench.leadership.report(SELF)
    assert bench.service.staleness() == Staleness(0, 1, 2)


async def test_commands_and_recent_reads_are_found_by_id() -> None:
    bench = ServiceBench([entry(1, 1, batch("a"))], commit=1, applied=1)
    assert bench.service.find_command("a") == Outcome("a", Status.SUCCESS, "success", 1, 1000, 1)
    assert bench.service.find_command("r") is None
    read = bench.service.get_stale("r", b"k")
    assert bench.service.find_command("r") == read
    _ = bench.service.get("s", b"k")
    assert bench.service.find_command("s") is None
    bench.confirm_reads(1)
    found = bench.service.find_command("s")
    assert isinstance(found, ReadResult)
    assert found.staleness is None


# --- the node --------------------------------------------------------------------------


async def test_leadership_names_the_leader() -> None:
    bench = ServiceBench()
    assert bench.service.leadership() == Leadership(False, "Node-2")
    bench.leadership.report(THIRD)
    assert bench.service.leadership() == Leadership(False, "c:1")
    bench.leadership.report(SELF)
    assert bench.service.leadership() == Leadership(True, "Node-1")
    bench.leadership.report(None)
    assert bench.service.leadership() == Leadership(False, "")


async def test_ready_means_a_leader_and_no_lag() -> None:
    bench = ServiceBench()
    assert bench.service.is_ready()[0]
    bench.core.state.leader_commit = Index(LAG_ENTRIES_MAX)
    assert bench.service.is_ready()[0]
    bench.core.state.leader_commit = Index(LAG_ENTRIES_MAX + 1)
    ready, why = bench.service.is_ready()
    assert not ready
    assert f"{LAG_ENTRIES_MAX + 1} entries behind" in why
    bench.core.state.leader_commit = Index(0)
    bench.leadership.report(None)
    assert bench.service.is_ready() == (False, "no leader is known")


async def test_without_a_leader_it_is_told_why_peers_refuse_this_node() -> None:
    bench = ServiceBench()
    bench.leadership.refused("nobody added this node")
    assert bench.service.is_ready()[0], "it has a leader all the same"
    bench.leadership.report(None)
    why = "no leader is known: nobody added this node"
    assert bench.service.is_ready() == (False, why)


async def test_a_node_that_is_about_to_stop_is_not_ready() -> None:
    bench = ServiceBench()
    bench.service.announce_stop()
    assert bench.service.is_ready() == (False, "this node is stopping")


async def test_a_leader_that_is_still_replaying_its_log_is_not_ready() -> None:
    """It may win an election before it has applied what its disk says is committed."""
    entries = [entry(1, index) for index in range(1, LAG_ENTRIES_MAX + 3)]
    bench = ServiceBench(entries, commit=len(entries))
    bench.leadership.report(SELF)
    assert not bench.service.is_ready()[0]


async def test_info_of_a_follower() -> None:
    bench = ServiceBench([entry(1, 1, batch("a")), entry(1, 2)], commit=1, applied=1)
    info = bench.service.cluster_info()
    assert (info.node_id, info.cluster_id, info.role) == ("Node-1", "cluster", "follower")
    assert (info.current_term, info.commit_index, info.last_applied) == (1, 1, 1)
    assert (info.last_index, info.revision) == (2, 1)
    assert info.members == (SELF, OTHER, THIRD)
    assert info.peers == ()


async def test_info_of_a_leader_names_its_followers() -> None:
    bench = ServiceBench()
    core = bench.core
    for _ in range(70):
        core.tick()
    core.ready()
    for term, pre in ((2, True), (2, False)):
        core.step(_vote(term, pre=pre))
        save = core.ready().save
        if save is not None:
            core.advance(save)
            core.ready()
    info = bench.service.cluster_info()
    assert info.role == "leader"
    assert [(peer.node, peer.match_index) for peer in info.peers] == [("Node-2", 0), ("c:1", 0)]


def _vote(term: int, *, pre: bool) -> VoteResponse:
    return VoteResponse(to=SELF, sender=OTHER, term=Term(term), granted=True, pre=pre)


# --- pages of the log --------------------------------------------------------------------


def long_log(length: int) -> list[Entry]:
    return [entry(1, index, batch(f"r{index}")) for index in range(1, length + 1)]


async def test_the_log_is_shown_page_by_page() -> None:
    service = ServiceBench(long_log(5), commit=3).service
    seen: list[LogEntry] = []
    first: int | None = 1
    pages = 0
    while first is not None:
        page = service.cluster_log(first, 2)
        assert page.last_index == 5
        seen += page.entries
        first, pages = page.next_index, pages + 1
    assert pages == 3
    assert [shown.index for shown in seen] == [1, 2, 3, 4, 5]
    assert [shown.committed for shown in seen] == [True, True, True, False, False]
    assert [shown.commands[0].request_id for shown in seen] == ["r1", "r2", "r3", "r4", "r5"]


async def test_a_noop_has_no_commands() -> None:
    page = ServiceBench([entry(1, 1)], commit=1).service.cluster_log(1, 10)
    assert page.entries == (LogEntry(1, 1, True, ()),)
    assert page.next_index is None


async def test_beyond_the_end_there_is_nothing_and_no_next_page() -> None:
    page = ServiceBench(long_log(2)).service.cluster_log(3, 10)
    assert page.entries == ()
    assert page.next_index is None


@pytest.mark.parametrize("first_index", [1, 0, -5])
async def test_an_empty_log_has_one_empty_page(first_index: int) -> None:
    page = ServiceBench().service.cluster_log(first_index, 10)
    assert page.entries == ()
    assert page.next_index is None


async def test_large_entries_make_short_pages_but_never_empty_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    large = encode_batch([put_command("a", b"x" * 600)], STAMP)
    log = [entry(1, index, large) for index in range(1, 4)]
    service = ServiceBench(log).service
    monkeypatch.setattr(service_module, "PAGE_BYTES_MAX", 2 * len(large))
    page = service.cluster_log(1, 10)
    assert [shown.index for shown in page.entries] == [1, 2]
    assert page.next_index == 3
    monkeypatch.setattr(service_module, "PAGE_BYTES_MAX", 10)
    page = service.cluster_log(1, 10)
    assert [shown.index for shown in page.entries] == [1]
    assert page.next_index == 2


async def test_a_page_is_a_copy_that_a_truncation_does_not_reach() -> None:
    bench = ServiceBench(long_log(3))
    page = bench.service.cluster_log(1, 10)
    bench.core.step(
        AppendEntries(
            to=SELF,
            sender=OTHER,
            term=Term(2),
            prev=eid(1, 1),
            entries=(entry(2, 2),),
            commit=Index(0),
        )
    )
    assert [shown.index for shown in page.entries] == [1, 2, 3]
    assert bench.service.cluster_log(1, 10).last_index == 2


async def test_a_node_that_stopped_serving_does_not_pretend_to_catch_up() -> None:
    bench = ServiceBench()
    bench.fence.raise_for("it was removed from the cluster")
    with pytest.raises(Rejected, match="stopped serving: it was removed from the cluster"):
        await bench.service.catch_up()
    assert bench.reads.pending == 0


async def test_a_lease_is_kept_alive_though_another_command_had_the_id() -> None:
    """Else nobody would renew it, and its keeper would believe that all is well."""
    bench = ServiceBench([entry(1, 1, batch("a"))], commit=1, applied=1)
    future = bench.service.keep_alive("a", "lease")
    assert not future.done()
    assert [type(command) for command in bench.proposed()] == [LeaseKeepAlive]
