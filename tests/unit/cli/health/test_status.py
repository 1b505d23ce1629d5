"""What `kvorum status` makes of what it finds: states, alarms, words, exit codes."""

import io

import pytest
from rich.console import Console as RichConsole

from kvorum.cli.arguments import parse
from kvorum.cli.commands import load
from kvorum.cli.console import Console
from kvorum.cli.exits import Exit
from kvorum.cli.health import status
from kvorum.cli.health.judging import Kind, State, margin, rows_of
from kvorum.cli.health.sampling import ClusterSample
from kvorum.cli.health.status import exit_of
from kvorum.cli.health.table import Picture, fields, plain, rich_picture
from kvorum.client.model import Member
from tests.unit.cli.health.samples import dead, member, metrics, node, three


def kinds(sample: ClusterSample) -> list[Kind]:
    return [alarm.kind for alarm in Picture.of(sample).alarms]


def states(sample: ClusterSample) -> dict[str, State]:
    return {row.name: row.state for row in rows_of(sample)}


def shown(sample: ClusterSample) -> str:
    return plain(Picture.of(sample))


def members(**of_three: object) -> list[Member]:
    return [member(1), member(2), member(3, **of_three)]  # type: ignore[arg-type]


class TestWell:
    def test_nothing_is_to_be_done(self) -> None:
        picture = Picture.of(three())
        assert picture.alarms == []
        assert exit_of(picture) is Exit.DONE
        assert set(states(picture.sample).values()) == {State.OK}

    def test_the_table(self) -> None:
        lines = shown(three()).splitlines()
        assert lines[0] == "cluster c1: Node-1 leads, term 3; 3 of 3 voters well, 1 may fail"
        assert lines[1].startswith("store: 12 keys, 3.3 KiB of 977 KiB; revision 31, history since")
        assert lines[1].endswith("; 1 lease, 2 watches here")
        assert "revision 31, all history kept;" in shown(three(store={"compactedRevision": 0}))
        table = [" ".join(line.split()) for line in lines[3:5]]
        assert table == [
            "NODE ROLE STATE TERM APPLIED LAG KEYS SIZE UP RELEASE ENDPOINT",
            "Node-1 leader ok 3 40 0 12 3.3 KiB 1.0 h 1.0 h:8081",
        ]
        assert len(lines) == 7

    def test_for_programs(self) -> None:
        told = fields(Picture.of(three()))
        assert (told["leaderId"], told["voters"], told["votersWell"]) == ("Node-1", 3, 3)
        assert told["alarms"] == []
        nodes = told["nodes"]
        assert isinstance(nodes, list)
        assert nodes[1]["name"] == "Node-2"
        assert nodes[1]["uptimeSeconds"] == 3_600

    def test_a_learner_is_no_voter(self) -> None:
        learner = member(3, role="learner", lag=1_000)
        found = [member(1), member(2), learner]
        sample = ClusterSample((node(1, found), node(2, found)))
        assert margin(rows_of(sample)) == (2, 2)
        assert "learner" in shown(sample)

    def test_a_terminal_sees_the_same(self) -> None:
        out = io.StringIO()
        sample = ClusterSample((*three().nodes[:2], dead(3)))
        console = RichConsole(file=out, width=200, force_terminal=True)
        console.print(rich_picture(Picture.of(sample)))
        assert "Node-1" in out.getvalue()
        assert "ALARM" in out.getvalue()
        assert "\x1b[" in out.getvalue()


class TestAlarms:
    def test_nobody_answers(self) -> None:
        sample = ClusterSample((dead(1), dead(2)))
        assert set(kinds(sample)) == {Kind.UNREACHABLE}
        assert exit_of(Picture.of(sample)) is Exit.UNAVAILABLE
        assert shown(sample).startswith("no cluster")

    def test_no_leader(self) -> None:
        found = [member(n, leader=0, active=None, lag=None) for n in (1, 2, 3)]
        sample = ClusterSample((node(1, found, leader=0), dead(2), dead(3)))
        assert Kind.NO_LEADER in kinds(sample)
        assert "no leader, term 3" in shown(sample)
        assert "may fail" not in shown(sample)
        assert exit_of(Picture.of(sample)) is Exit.UNAVAILABLE

    def test_a_silent_member_and_no_margin(self) -> None:
        found = members(active=False, lag=5)
        sample = ClusterSample((node(1, found), node(2, found)))
        assert states(sample)["Node-3"] is State.SILENT
        assert kinds(sample) == [Kind.SILENT, Kind.NO_MARGIN]
        assert "one more failure would stop the cluster" in shown(sample)
        assert exit_of(Picture.of(sample)) is Exit.CONFLICT

    def test_five_can_spare_one_more(self) -> None:
        found = [member(n, active=n != 5) for n in range(1, 6)]
        sample = ClusterSample((node(1, found),))
        assert kinds(sample) == [Kind.SILENT]
        assert "4 of 5 voters well, 1 may fail" in shown(sample)

    def test_an_endpoint_that_fell_silent_is_known_by_its_name(self) -> None:
        found = members(active=False)
        unknown = ClusterSample((node(1, found), node(2, found), dead(3), dead(4)))
        assert [row.name for row in rows_of(unknown)] == ["Node-1", "Node-2", "Node-3", "?", "?"]
        assert "h:8083 is unreachable: refused" in shown(unknown)
        known = ClusterSample((node(1, found), node(2, found), dead(3, "Node-3")))
        assert states(known)["Node-3"] is State.UNREACHABLE
        assert len(rows_of(known)) == 3

    def test_one_silent_endpoint_is_that_of_the_one_lost_member(self) -> None:
        found = members(active=False)
        sample = ClusterSample((node(1, found), node(2, found), dead(3)))
        assert states(sample)["Node-3"] is State.UNREACHABLE
        assert "ALARM Node-3 (h:8083) is unreachable: refused" in shown(sample)

    def test_a_silent_endpoint_is_not_that_of_a_member_that_is_heard(self) -> None:
        sample = ClusterSample((node(1, members()), node(2, members()), dead(4)))
        assert [row.name for row in rows_of(sample)] == ["Node-1", "Node-2", "Node-3", "?"]

    @pytest.mark.parametrize(("lag", "state"), [(64, State.OK), (65, State.LAGGING)])
    def test_entries_that_are_missing(self, lag: int, state: State) -> None:
        found = members(lag=lag)
        sample = ClusterSample((node(1, found), node(2, found)))
        assert states(sample)["Node-3"] is state

    def test_entries_that_are_not_applied(self) -> None:
        found = members()
        late = node(3, found, applied=100)
        sample = ClusterSample((node(1, found, committed=200, applied=200), late))
        assert (rows_of(sample)[2].lag, states(sample)["Node-3"]) == (100, State.LAGGING)
        assert Kind.LAGGING in kinds(sample)

    def test_a_full_store(self) -> None:
        assert kinds(three(store={"isFull": True, "sizeBytes": 999_999})) == [Kind.FULL]
        assert kinds(three(store={"sizeBytes": 900_000})) == [Kind.NEARLY_FULL]
        small = node(2, members(), store={"quotaBytes": 3_500})
        assert kinds(ClusterSample((node(1, members()), small))) == [Kind.NEARLY_FULL]
        assert kinds(three(store={"sizeBytes": 900_000, "quotaBytes": 0})) == []

    def test_a_node_that_serves_no_more(self) -> None:
        sample = three(told=metrics(kvorum_is_serving=0.0, kvorum_state_mismatches_total=2.0))
        assert states(sample)["Node-1"] is State.NOT_SERVING
        assert kinds(sample) == [Kind.NOT_SERVING, Kind.MISMATCH, Kind.NO_MARGIN]

    def test_two_clusters(self) -> None:
        found = members()
        sample = ClusterSample((node(1, found), node(2, found), node(3, found, cluster="c2")))
        assert Kind.SEVERAL_CLUSTERS in kinds(sample)
        assert [row.member is None for row in rows_of(sample)] == [False, False, False, True]

    def test_two_releases(self) -> None:
        assert kinds(three(told=metrics(version="1.1"))) == [Kind.VERSIONS]

    def test_a_former_leader_that_does_not_know_it_yet(self) -> None:
        found = members()
        sample = ClusterSample((node(1, found, term=3), node(2, found, leader=2, term=4)))
        assert sample.leader is not None
        assert sample.leader.name == sample.leader_id == "Node-2"


class TestNotes:
    def test_only_the_leader_knows_the_others(self) -> None:
        found = [member(n, active=None, lag=None) for n in (1, 2, 3)]
        sample = ClusterSample((node(2, found),))
        assert states(sample) == {
            "Node-1": State.UNKNOWN,
            "Node-2": State.OK,
            "Node-3": State.UNKNOWN,
        }
        assert "note: Node-1, which leads, was not asked" in shown(sample)
        assert kinds(sample) == [], "nobody knows of a failure"
        assert "leads, term 3, 3 voters" in shown(sample)

    def test_one_voter(self) -> None:
        sample = ClusterSample((node(1, [member(1)]),))
        assert "with one voter nothing is replicated" in shown(sample)
        assert kinds(sample) == []

    def test_a_change_under_way(self) -> None:
        assert "a change of voters is under way" in shown(three(is_joint=True))


def test_a_terminal_is_not_at_the_mercy_of_what_an_endpoint_says() -> None:
    evil = dead(3)
    sample = ClusterSample((*three().nodes[:2], type(evil)(evil.endpoint, error="\x1b[2J")))
    assert "\x1b" not in shown(sample)


def test_a_terminal_is_kept_up_to_date_until_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    found = members(active=False)
    after = ClusterSample((node(1, found), node(2, found)))
    looks = iter([three(), after])

    def look(*_: object) -> ClusterSample:
        try:
            return next(looks)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(status, "take_sample", look)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    arguments = parse(["status", "--interval", "1ms"], {})
    code = load(arguments.run)(arguments, Console(io.StringIO(), out, io.StringIO()))
    assert code == Exit.CONFLICT, "as it was seen last"
    first, _, then = out.getvalue().partition("2 of 3 voters well")
    assert "3 of 3 voters well" in first
    assert "one more failure would stop the cluster" in then
