"""The order of effects: what may leave before the disk has it, and what may not."""

import asyncio

import pytest

from kvorum.errors import NoLeader, OutcomeUnknown
from kvorum.mvcc.command import UNSTAMPED, Stamp, decode_batch, encode_batch
from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.applier import APPLY_TURN_S
from kvorum.node.options import NodeOptions
from kvorum.raft.core import COMMITTED_MAX
from kvorum.raft.messages import (
    AppendEntries,
    AppendResponse,
    Propose,
    ProposeResponse,
    ReadIndex,
    ReadIndexResponse,
    RequestVote,
    VoteResponse,
)
from kvorum.raft.types import ORIGIN, HardState, Index, Role, Term, Ticket
from tests.unit.node.driver_bench import DriverBench, append_from
from tests.unit.node.fakes import (
    OTHER,
    SELF,
    THIRD,
    batch,
    eid,
    entry,
    options,
    put_command,
    settle,
)


def propose(data: bytes, ticket: int = 7) -> Propose:
    return Propose(to=SELF, sender=OTHER, term=Term(1), ticket=Ticket(ticket), data=data)


def vote_request(term: int) -> RequestVote:
    return RequestVote(to=SELF, sender=OTHER, term=Term(term), last=ORIGIN)


# --- network and disk ------------------------------------------------------------------


async def test_a_leaders_entries_leave_before_its_own_disk_has_them() -> None:
    async with DriverBench() as bench:
        await bench.lead()
        _ = await bench.put("a")
        assert bench.log.busy
        assert {append.to for append in bench.sent(AppendEntries)} == {OTHER}  # THIRD is probed
        assert [each.index for each in bench.sent(AppendEntries)[0].entries] == [2]


async def test_a_majority_of_others_commits_before_the_own_disk() -> None:
    async with DriverBench() as bench:
        await bench.lead()
        future = await bench.put("a")
        await bench.acknowledge(OTHER, 2)
        assert not future.done(), "one of three is no majority"
        await bench.acknowledge(THIRD, 2)
        assert bench.log.busy
        assert future.result().revision == 1


async def test_the_own_disk_counts_only_once_it_is_durable() -> None:
    async with DriverBench() as bench:
        await bench.lead()
        future = await bench.put("a")
        await bench.acknowledge(OTHER, 2)
        assert not future.done()
        await bench.saved()
        assert future.result().revision == 1


async def test_a_vote_leaves_only_when_it_is_durable() -> None:
    async with DriverBench() as bench:
        await bench.deliver(vote_request(5))
        [(hard_state, _)] = bench.log.writes
        assert hard_state == HardState(Term(5), OTHER, Index(0))
        await bench.turn()
        assert bench.peers.sent == []
        await bench.saved()
        [response] = bench.sent(VoteResponse)
        assert response.granted


async def test_an_acknowledgement_leaves_only_when_the_entries_are_durable() -> None:
    async with DriverBench() as bench:
        await bench.follow()
        await bench.deliver(append_from(OTHER, entry(1, 1), term=1))
        await bench.turn()
        assert bench.sent(AppendResponse) == []
        await bench.saved()
        assert [response.match for response in bench.sent(AppendResponse)] == [1]


async def test_a_request_for_votes_leaves_only_when_the_own_vote_is_durable() -> None:
    async with DriverBench() as bench:
        await bench.tick(bench.options.election_ticks_max + 1)
        granted = VoteResponse(to=SELF, sender=OTHER, term=Term(1), granted=True, pre=True)
        bench.peers.take()
        await bench.deliver(granted)
        assert bench.sent(RequestVote) == []
        await bench.saved()
        assert {request.to for request in bench.sent(RequestVote)} == {OTHER, THIRD}


async def test_one_write_is_out_at_a_time_and_messages_are_handled_meanwhile() -> None:
    async with DriverBench() as bench:
        await bench.follow()
        await bench.deliver(append_from(OTHER, entry(1, 1), term=1))
        await bench.deliver(append_from(OTHER, entry(1, 2), term=1, prev=eid(1, 1)))
        await bench.deliver(append_from(OTHER, entry(1, 3), term=1, prev=eid(1, 2), commit=1))
        assert len(bench.log.writes) == 1
        assert bench.machine.applied_index == 1
        await bench.saved()
        assert [each.index for each in bench.log.writes[1][1]] == [2, 3]
        assert [response.match for response in bench.sent(AppendResponse)] == [1]
        await bench.saved()
        assert [response.match for response in bench.sent(AppendResponse)] == [1, 3]


async def test_a_heartbeat_is_answered_while_the_disk_is_busy() -> None:
    async with DriverBench() as bench:
        await bench.follow()
        await bench.deliver(append_from(OTHER, entry(1, 1), term=1))
        await bench.deliver(append_from(OTHER, term=1))
        assert bench.log.busy
        assert [response.match for response in bench.sent(AppendResponse)] == [0]


async def test_a_failed_write_ends_the_node_with_its_error() -> None:
    async with DriverBench() as bench:
        await bench.lead()
        written = bench.service.put("a", b"k", b"1")
        read = bench.service.get("r", b"k")
        await settle()
        bench.log.fail(OSError("no space left on device"))
        with pytest.raises(OSError, match="no space left"):
            await bench.task
        assert isinstance(written.exception(), OutcomeUnknown)
        assert isinstance(read.exception(), NoLeader)


async def test_a_write_that_cannot_even_begin_ends_the_node() -> None:
    async with DriverBench() as bench:
        await bench.lead()

        def refuse(*_: object, **__: object) -> asyncio.Future[None]:
            raise ValueError("too large for a record")

        bench.log.append = refuse  # type: ignore[method-assign]  # the simplest broken disk
        future = bench.service.put("a", b"k", b"1")
        with pytest.raises(ValueError, match="too large"):
            await bench.task
        assert isinstance(future.exception(), OutcomeUnknown)


async def test_an_entry_that_cannot_be_applied_ends_the_node() -> None:
    async with DriverBench() as bench:
        await bench.follow()
        await bench.deliver(append_from(OTHER, entry(1, 1, b"\xff" * 30), term=1, commit=1))
        with pytest.raises(ValueError, match="batch version"):
            await bench.task


async def test_stopping_leaves_nobody_waiting() -> None:
    async with DriverBench() as bench:
        await bench.lead()
        sent = await bench.put("a")
        queued = bench.service.put("b", b"k", b"1")
        read, barrier = bench.service.get("r", b"k"), bench.service.catch_up()
        bench.task.cancel()
        await asyncio.wait([bench.task])
        assert isinstance(sent.exception(), OutcomeUnknown)
        assert isinstance(queued.exception(), NoLeader)
        assert isinstance(read.exception(), NoLeader)
        assert isinstance(barrier.exception(), NoLeader)


# --- requests --------------------------------------------------------------------------


async def test_writes_gather_while_the_disk_is_busy() -> None:
    async with DriverBench() as bench:
        await bench.lead()
        _ = await bench.put("first")
        later = [bench.service.put(f"r{number}", b"k", b"1") for number in range(20)]
        await bench.turn()
        assert bench.core.state.log.last_index == 2
        await bench.saved()
        [gathered] = bench.log.writes[-1][1]
        assert gathered.index == 3
        assert len(decode_batch(gathered.data)[1]) == 20
        await bench.saved()
        await bench.acknowledge(OTHER, 3)
        assert [future.result().revision for future in later] == list(range(2, 22))


async def test_an_idle_leader_does_not_make_a_write_wait() -> None:
    async with DriverBench() as bench:
        await bench.lead()
        _ = await bench.put("a")
        assert len(bench.log.writes) == 1


def stamp_of(options: NodeOptions, *, time_ms: int) -> Stamp:
    return Stamp(
        time_ms=time_ms,
        outcomes_count_max=options.outcomes_count_max,
        outcomes_age_s_max=options.outcomes_age_s_max,
        history_revisions_max=options.history_revisions_max,
        history_age_s_max=options.history_age_s_max,
        history_bytes_max=options.history_bytes_max,
        quota_bytes=options.quota_bytes,
    )


async def test_a_leaders_batch_carries_its_time_and_retention() -> None:
    async with DriverBench() as bench:
        await bench.lead()
        bench.log_time.observe(123_456)
        _ = await bench.put("a")
        stamp, _ = decode_batch(bench.log.writes[0][1][0].data)
        assert stamp == stamp_of(bench.options, time_ms=123_456)


async def test_a_peers_batch_gets_our_time_and_retention() -> None:
    async with DriverBench() as bench:
        await bench.lead()
        bench.log_time.observe(123_456)
        await bench.deliver(propose(encode_batch([put_command("x")], Stamp(1, 1, 1))))
        stamp, commands = decode_batch(bench.log.writes[0][1][0].data)
        assert stamp == stamp_of(bench.options, time_ms=123_456)
        assert [command.request_id for command in commands] == ["x"]
        [response] = bench.sent(ProposeResponse)
        assert (response.ticket, response.entry) == (7, eid(1, 2))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x01short", id="shorter than the header"),
        pytest.param(b"\x7f" + encode_batch([], UNSTAMPED)[1:], id="another version"),
        pytest.param(encode_batch([b"\xc1"], UNSTAMPED), id="not a command"),
    ],
)
async def test_a_peers_batch_that_cannot_be_read_is_not_appended(data: bytes) -> None:
    """Once committed it would end every node, and again at each restart."""
    async with DriverBench() as bench:
        await bench.lead()
        await bench.deliver(propose(data))
        assert bench.core.state.log.last_index == 1
        assert [response.entry for response in bench.sent(ProposeResponse)] == [None]
        assert not bench.task.done()


async def test_a_follower_forwards_and_answers_when_it_has_applied() -> None:
    async with DriverBench() as bench:
        await bench.follow()
        future = await bench.put("a")
        [forwarded] = bench.sent(Propose)
        assert forwarded.to == OTHER
        await bench.deliver(
            ProposeResponse(
                to=SELF, sender=OTHER, term=Term(1), ticket=forwarded.ticket, entry=eid(1, 1)
            ),
            append_from(OTHER, entry(1, 1, forwarded.data), term=1, commit=1),
        )
        assert future.result().revision == 1


async def test_a_new_leader_is_asked_again() -> None:
    async with DriverBench() as bench:
        await bench.follow()
        _ = await bench.put("a")
        bench.peers.take()
        await bench.deliver(append_from(THIRD, term=2))
        await bench.saved()  # the term; proposals wait while the disk is busy
        [forwarded] = bench.sent(Propose)
        assert forwarded.to == THIRD


async def test_without_a_leader_requests_wait_for_one() -> None:
    async with DriverBench() as bench:
        written, read = bench.service.put("a", b"k", b"1"), bench.service.get("r", b"k")
        await bench.tick(5)
        assert bench.peers.sent == []
        await bench.follow()
        await settle()
        assert not written.done()
        assert not read.done()
        bench.leadership.report(None)
        bench.clock.advance(100)
        await bench.turn()
        assert isinstance(read.exception(), NoLeader)
        assert written.done()


async def test_a_leaders_read_costs_one_round_and_no_write() -> None:
    async with DriverBench() as bench:
        await bench.lead()
        future = bench.service.get("r", b"k")
        await settle()
        [heartbeat] = [sent for sent in bench.sent(AppendEntries) if sent.to == OTHER]
        assert heartbeat.round == 1
        assert not future.done()
        await bench.acknowledge(OTHER, 1, read_round=1)
        assert future.result().record is None
        assert bench.log.writes == []


async def test_a_followers_read_asks_the_leader_and_waits_for_the_index() -> None:
    async with DriverBench() as bench:
        await bench.follow()
        future = bench.service.get("r", b"k")
        await settle()
        [question] = bench.sent(ReadIndex)
        await bench.deliver(
            ReadIndexResponse(
                to=SELF, sender=OTHER, term=Term(1), ticket=question.ticket, index=Index(1)
            )
        )
        assert not future.done()
        await bench.deliver(append_from(OTHER, entry(1, 1, batch("a")), term=1, commit=1))
        record = future.result().record
        assert record is not None
        assert record.value == b"1"


# --- time, bounds, turns ---------------------------------------------------------------


async def test_the_inbox_is_bounded_and_says_what_it_dropped() -> None:
    async with DriverBench(node_options=options(inbox_max=3)) as bench:
        await bench.follow()
        heartbeat = append_from(OTHER, term=1)
        bench.driver.deliver([heartbeat] * 2)
        assert bench.dropped() == 0
        bench.driver.deliver([heartbeat] * 4)
        assert bench.dropped() == 3
        bench.driver.deliver([heartbeat])
        assert bench.dropped() == 4
        await settle()
        assert len(bench.sent(AppendResponse)) == 3
        bench.driver.deliver([heartbeat])
        assert bench.dropped() == 4


async def test_a_leaders_message_is_contact() -> None:
    async with DriverBench() as bench:
        await bench.follow(term=2)
        bench.clock.advance(0.25)
        assert bench.leadership.last_contact_s() == 0.25
        await bench.deliver(append_from(THIRD, term=1))
        assert bench.leadership.last_contact_s() == 0.25, "a deposed leader is no contact"
        await bench.deliver(append_from(OTHER, term=2))
        assert bench.leadership.last_contact_s() == 0


async def test_a_stalled_loop_does_not_start_an_election() -> None:
    async with DriverBench() as bench:
        await bench.follow()
        bench.clock.advance(3600)
        await bench.turn()
        assert bench.core.state.role is Role.FOLLOWER
        assert bench.leadership.leader == OTHER


async def test_messages_that_waited_are_heard_before_time_passes() -> None:
    """The heartbeat that waited during a pause counts against the time of the pause."""
    async with DriverBench() as bench:
        await bench.follow()
        await bench.tick(bench.options.election_ticks_max - 1)
        bench.clock.advance(bench.options.tick_s * 10)
        await bench.deliver(append_from(OTHER, term=1))
        assert bench.core.state.role is Role.FOLLOWER


async def test_silence_becomes_a_campaign_and_the_leader_unknown() -> None:
    async with DriverBench() as bench:
        await bench.follow()
        await bench.tick(bench.options.election_ticks_max + 1)
        assert bench.core.state.role is Role.PRE_CANDIDATE
        assert bench.leadership.leader is None
        assert {request.pre for request in bench.sent(RequestVote)} == {True}


async def test_replay_yields_to_other_work() -> None:
    """A long log at start must not keep the loop from everything else."""
    count = 4 * COMMITTED_MAX
    entries = [entry(1, index) for index in range(1, count + 1)]
    seen: list[int] = []

    async def other_work(bench: DriverBench) -> None:
        while not seen or seen[-1] < count:
            seen.append(bench.machine.applied_index)
            await asyncio.sleep(0)

    bench = DriverBench(HardState(Term(1), None, Index(count)), entries)
    async with bench, asyncio.timeout(5):
        bench.turns.ask()
        await other_work(bench)
    assert any(0 < applied < count for applied in seen)


async def test_slow_entries_are_applied_over_several_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Heartbeats and messages come in between, however many entries are decided at once."""
    bench = DriverBench()
    apply, turns = StateMachine.apply_noop, list[int]()

    def slowly(machine: StateMachine, index: int) -> None:
        bench.clock.advance(0.6 * APPLY_TURN_S)
        apply(machine, index)

    async with bench:
        await bench.follow()
        entries = [entry(1, index) for index in range(1, 10)]
        monkeypatch.setattr(StateMachine, "apply_noop", slowly)
        bench.driver.deliver([append_from(OTHER, *entries, term=1, commit=9)])
        while bench.machine.applied_index < 9:
            assert bench.core.state.log.applied == bench.machine.applied_index
            await asyncio.sleep(0)
            turns.append(bench.machine.applied_index)
    assert sorted(set(turns) - {0}) == [2, 4, 6, 8, 9]
