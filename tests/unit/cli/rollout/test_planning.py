"""The next step of a rollout, and where repeating it leads."""

import pytest
from msgspec.structs import replace

from kvorum.cli.rollout.planning import next_after, next_before
from kvorum.cli.rollout.steps import (
    AddMember,
    Finished,
    Lead,
    LetVote,
    Refuse,
    RemoveMember,
    Step,
    Wait,
)
from kvorum.cli.rollout.view import View
from kvorum.raft.membership import (
    NOBODY,
    AddLearner,
    Change,
    Membership,
    Promote,
    Remove,
    address_of,
    begin,
    leave_joint,
)
from kvorum.raft.types import Index, NodeId
from kvorum.rest.schemas import Member
from tests.unit.cli.rollout.clusters import (
    ORDINALS,
    a_learner,
    a_member,
    a_view,
    silent,
    to_come,
    voters,
)


def before(view: View, *, may_move_lead: bool = True, force: bool = False) -> Step:
    return next_before(view, may_move_lead=may_move_lead, force=force)


def brief(step: Step) -> str:
    match step:
        case Lead(seat) | RemoveMember(seat) | LetVote(seat):
            return f"{type(step).__name__} {seat.name}"
        case AddMember(address):
            return f"AddMember {address.partition('.')[0]}"
        case Wait(why) | Refuse(why):
            return f"{type(step).__name__}: {why}"
        case Finished():
            return "Finished"


# --- before ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "replicas", "members", "expected"),
    [
        ("nothing changes", 3, voters(0, 1, 2), "Finished"),
        ("another one leads", 3, voters(0, 1, 2, leader=2), "Lead kv-0"),
        ("more are wanted", 5, voters(0, 1, 2), "AddMember kv-3"),
        ("one of them is there", 5, [*voters(0, 1, 2), to_come(3)], "AddMember kv-4"),
        ("all are there", 5, [*voters(0, 1, 2), to_come(3), to_come(4)], "Finished"),
        ("fewer are wanted", 3, voters(0, 1, 2, 3, 4), "RemoveMember kv-4"),
        ("their leader is to go", 3, voters(0, 1, 2, 3, leader=3), "Lead kv-0"),
        ("one of those to go is down", 3, [*voters(0, 1, 2), silent(3)], "RemoveMember kv-3"),
        ("a learner is to go", 3, [*voters(0, 1, 2), to_come(3)], "RemoveMember kv-3"),
        ("one is left", 1, voters(0, 1), "RemoveMember kv-1"),
        ("one alone", 1, voters(0), "Finished"),
        ("the first is no voter", 3, [a_learner(0), *voters(1, 2, 3, leader=3)], "LetVote kv-0"),
        ("two are all that is wanted", 2, voters(0, 1), "Finished"),
    ],
)
def test_before(what: str, replicas: int, members: list[Member], expected: str) -> None:
    assert brief(before(a_view(replicas, *members))) == expected, what


def test_leadership_stays_if_that_is_asked_for() -> None:
    view = a_view(3, *voters(0, 1, 2, leader=2))
    assert brief(before(view, may_move_lead=False)) == "Finished"


def test_but_not_with_a_leader_that_has_to_go() -> None:
    view = a_view(2, *voters(0, 1, 2, leader=2))
    assert brief(before(view, may_move_lead=False)) == "Lead kv-0"


@pytest.mark.parametrize(
    ("what", "member", "ailment"),
    [
        ("down", silent(2), "kv-2 does not answer"),
        ("not heard by a new leader", a_member(2, match_index=0, lag=9), "kv-2 has not been heard"),
        ("behind", a_member(2, lag=1065), "kv-2 lacks 1,065 entries"),
    ],
)
def test_a_voter_that_stays_has_to_be_well(what: str, member: Member, ailment: str) -> None:
    step = before(a_view(3, *voters(0, 1), member))
    assert isinstance(step, Wait), what
    assert ailment in step.why
    assert [seat.name for seat in step.pods] == ["kv-2"]
    assert not step.is_patient
    forced = before(a_view(3, *voters(0, 1), member), force=True)
    assert isinstance(forced, Finished)
    assert f"if all were well; {ailment}" in forced.told


def test_no_force_makes_up_for_a_majority() -> None:
    step = before(a_view(2, *voters(0), silent(1), *voters(2)), force=True)
    assert isinstance(step, Wait)
    assert "no majority (1 of 2)" in step.why


def test_a_learner_that_does_not_run_yet_holds_nobody_up() -> None:
    assert brief(before(a_view(3, *voters(0, 1), silent(2, "learner")))) == "Finished"


def test_one_that_runs_is_waited_for_if_nobody_could_be_spared_otherwise() -> None:
    """As after a lost disk: a restart of either voter would stop all writes."""
    behind = a_learner(2, lag=500)
    step = before(a_view(3, *voters(0, 1), behind))
    assert brief(step) == "Wait: none can be spared until a third one votes; kv-2 lacks 500 entries"
    assert brief(before(a_view(3, *voters(0, 1), a_learner(2)))) == "LetVote kv-2"
    assert brief(before(a_view(4, *voters(0, 1, 2), a_learner(3, lag=500)))) == "Finished"


def test_voters_leave_only_after_those_that_stay_can_vote() -> None:
    """Else the only voter's disk would be the only one that counts."""
    view = a_view(3, *voters(0, 3, 4), a_learner(1), a_learner(2, lag=500))
    assert brief(before(view)) == "LetVote kv-1"
    view = a_view(3, *voters(0, 3, 4), a_learner(1, lag=500), a_learner(2, lag=500))
    assert brief(before(view)).startswith("Wait: none can be spared until a third one votes; kv-1")
    assert brief(before(a_view(3, *voters(0), a_learner(1)))) == "AddMember kv-2"


def test_a_change_under_way_is_waited_for() -> None:
    view = a_view(3, *voters(0, 1, 2), is_joint=True)
    assert isinstance(before(view), Wait)
    assert isinstance(next_after(view), Wait)


def test_no_voter_would_be_left() -> None:
    step = before(a_view(1, a_learner(0), *voters(1, 2, leader=1)))
    assert brief(step).startswith("Refuse: with 1 replicas no voter would be left; the voters are")


def test_members_elsewhere_stay() -> None:
    elsewhere = replace(a_member(9), id="vm:8001", address="vm:8001", is_leader=False)
    view = a_view(2, *voters(0, 1, 2), elsewhere)
    assert brief(before(view)) == "RemoveMember kv-2"
    assert brief(before(a_view(2, *voters(0, 1), elsewhere))) == "Finished"
    assert brief(next_after(a_view(2, *voters(0, 1), elsewhere))) == "Finished"


def test_a_pattern_that_fits_nobody_is_a_slip() -> None:
    elsewhere = replace(a_member(0), id="vm:8001", address="vm:8001")
    for step in (before(a_view(3, elsewhere)), next_after(a_view(3, elsewhere))):
        assert brief(step).startswith("Refuse: no member of this cluster is at an address like")


# --- after -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "replicas", "members", "expected"),
    [
        ("all vote", 3, voters(0, 1, 2), "Finished"),
        ("whoever leads", 3, voters(0, 1, 2, leader=2), "Finished"),
        ("nobody ran it before", 4, voters(0, 1, 2), "AddMember kv-3"),
        ("one has caught up", 5, [*voters(0, 1, 2), to_come(3), a_learner(4)], "LetVote kv-4"),
        ("in order", 5, [a_learner(4), *voters(0, 1, 2), a_learner(3)], "LetVote kv-3"),
        ("a voter restarts", 3, [*voters(0, 1), silent(2)], "Wait: kv-2 does not answer"),
        ("one is to go", 2, [*voters(0, 1), silent(2)], "Finished"),
    ],
)
def test_after(what: str, replicas: int, members: list[Member], expected: str) -> None:
    assert brief(next_after(a_view(replicas, *members))) == expected, what


def test_after_says_who_is_waited_for() -> None:
    step = next_after(a_view(5, *voters(0, 1, 2), silent(3, "learner"), a_learner(4, lag=1204)))
    assert brief(step) == "Wait: kv-3 does not answer; kv-4 lacks 1,204 entries"


# --- from anywhere to anywhere ---------------------------------------------------------


class Model:
    """The real rules of membership, with all nodes well as soon as they run."""

    def __init__(self, replicas: int) -> None:
        self.membership = Membership(tuple(NodeId(ORDINALS.address(n)) for n in range(replicas)))
        self.leader = self.membership.voters[-1]
        self.running = {ORDINALS.address(number) for number in range(replicas)}
        self._index = 0

    def view(self, replicas: int) -> View:
        return a_view(replicas, *map(self._member, self.membership.members))

    def _member(self, node: NodeId) -> Member:
        number = ORDINALS.number(address_of(node))
        assert number is not None
        is_up = address_of(node) in self.running
        return a_member(
            number,
            "voter" if node in self.membership.voters else "learner",
            id=node,
            is_leader=node == self.leader,
            active=is_up,
            match_index=118 if is_up else 0,
        )

    def do(self, step: Step) -> None:
        match step:
            case Lead(seat):
                assert seat.member.id in self.membership.voters
                self.leader = NodeId(seat.member.id)
            case AddMember(address):
                self._change(AddLearner(address))
            case RemoveMember(seat):
                assert seat.member.id != self.leader
                self._change(Remove(NodeId(seat.member.id)))
            case LetVote(seat):
                self._change(Promote(NodeId(seat.member.id)))
            case _:
                raise AssertionError(f"not expected: {step}")

    def _change(self, change: Change) -> None:
        self._index += 1
        self.membership = begin(self.membership, change, Index(self._index))
        if self.membership.is_joint:
            self.membership = leave_joint(self.membership)
        assert self.membership != NOBODY


@pytest.mark.parametrize("now", range(1, 8))
@pytest.mark.parametrize("then", range(1, 8))
def test_every_size_leads_to_every_other(now: int, then: int) -> None:
    model = Model(now)
    while not isinstance(step := before(model.view(then)), Finished):
        model.do(step)
    model.running = {ORDINALS.address(number) for number in range(then)}
    while not isinstance(step := next_after(model.view(then)), Finished):
        model.do(step)
    assert model.membership.learners == ()
    addresses = sorted(map(address_of, model.membership.voters))
    assert addresses == sorted(ORDINALS.address(number) for number in range(then))
    assert address_of(model.leader) == ORDINALS.address(0)
