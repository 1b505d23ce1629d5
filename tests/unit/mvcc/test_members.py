"""Who the members are: the first uid stays, names change, those who left are forgotten."""

import pytest

from kvorum.mvcc.command import Command, Introduce, Put, Stamp, encode_batch, encode_command
from kvorum.mvcc.members import Introduction, Members
from kvorum.mvcc.outcome import MEMBER_TAKEN_MESSAGE, Outcome, Status
from kvorum.mvcc.state_machine import StateMachine

STAMP = Stamp(5_000, 100, 60)


def apply(machine: StateMachine, *commands: Command) -> list[Outcome]:
    data = encode_batch([encode_command(command) for command in commands], STAMP)
    return machine.apply(machine.applied_index + 1, data)


@pytest.fixture
def machine() -> StateMachine:
    machine = StateMachine()
    apply(machine, Put("p", b"k", b"1"), Introduce("i", "a:1", "uid-a", "node-a"))
    return machine


def test_an_introduction_makes_no_revision_and_leaves_no_outcome(machine: StateMachine) -> None:
    assert machine.members == {"a:1": Introduction("uid-a", "node-a")}
    assert machine.revision == 1
    assert machine.outcome("i") is None


def test_the_first_uid_of_a_member_stays(machine: StateMachine) -> None:
    before = dict(machine.members)
    [outcome] = apply(machine, Introduce("j", "a:1", "uid-b", "node-a"))
    assert outcome == Outcome("j", Status.CONFLICT, MEMBER_TAKEN_MESSAGE, 1, 5_000)
    assert machine.members == before


def test_the_same_uid_may_change_its_name(machine: StateMachine) -> None:
    [outcome] = apply(machine, Introduce("j", "a:1", "uid-a", "renamed"))
    assert outcome.success
    assert machine.members == {"a:1": Introduction("uid-a", "renamed")}


def test_a_second_copy_of_an_introduction_is_executed_again(machine: StateMachine) -> None:
    """It may bring an old name back; the member then sees that and introduces itself anew."""
    apply(machine, Introduce("j", "a:1", "uid-a", "renamed"))
    [outcome] = apply(machine, Introduce("i", "a:1", "uid-a", "node-a"))
    assert outcome.success
    assert machine.members["a:1"].name == "node-a"


def test_who_is_no_member_any_more_is_forgotten(machine: StateMachine) -> None:
    apply(machine, Introduce("j", "b:1", "uid-b", "node-b"))
    machine.apply_membership(3, ["b:1", "c:1"])
    assert machine.members == {"b:1": Introduction("uid-b", "node-b")}
    assert (machine.applied_index, machine.revision) == (3, 1)
    [outcome] = apply(machine, Introduce("k", "a:1", "uid-x", "node-x"))
    assert outcome.success, "the id is free again"


def test_a_membership_is_applied_in_its_order(machine: StateMachine) -> None:
    with pytest.raises(AssertionError, match="entry 3 applied where 2 was next"):
        machine.apply_membership(3, ["a:1"])
    assert "a:1" in machine.members


def test_digest_tells_members_uids_and_names_apart_but_not_their_order() -> None:
    def digest(*entries: tuple[str, str, str]) -> int:
        members = Members()
        for member, uid, name in entries:
            assert members.introduce(member, Introduction(uid, name))
        return members.digest

    a, b = ("a:1", "u", "n"), ("b:1", "v", "m")
    assert digest(a, b) == digest(b, a)
    different = {digest(), digest(a), digest(a, b), digest(("a:1", "u", "x"))}
    different |= {digest(("a:1", "x", "n")), digest(("a:2", "u", "n")), digest(("a:1u", "", "n"))}
    assert len(different) == 7


def test_introductions_are_in_the_hash_of_the_state(machine: StateMachine) -> None:
    other = StateMachine()
    apply(other, Put("p", b"k", b"1"), Introduce("i", "a:1", "uid-a", "other name"))
    assert other.state_hash != machine.state_hash
