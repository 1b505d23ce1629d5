"""Removed members and strangers: what they are told, and what they make of it."""

import msgspec
import pytest

from kvorum.raft.types import Index, NodeId
from kvorum.transport.introduction import Assignment, RefusalKind
from tests.unit.transport.directories import FIVE, FOUR_17, KNOWN, TWO_1E, fresh, member_one
from tests.unit.transport.parties import FIRST, FOUR, ONE, THREE, TWO, Party, dial, kind_of


@pytest.mark.parametrize(
    ("what", "receiver", "caller", "kind"),
    [
        (
            "removed",
            member_one(members=(ONE, THREE), index=0x20),
            Party(TWO, index=0x10),
            RefusalKind.REMOVED,
        ),
        (
            "removed, though it knows later entries: it will be told by those who do, too",
            member_one(members=(ONE, THREE), index=0x20),
            Party(TWO, index=0x21),
            None,
        ),
        (
            "leaving, but that may yet be undone (it may lead until then, §4.2.2)",
            member_one(members=(ONE, THREE), index=0x20, commit=0x1F),
            Party(TWO, index=0x10),
            None,
        ),
        (
            "added later than we know",
            member_one(commit=0x16),
            Party(FOUR_17, FIVE, index=0x17),
            None,
        ),
        (
            "added later than we know; it catches up itself",
            member_one(index=0x10, commit=0x16),
            Party(FOUR_17, index=0x10),
            None,
        ),
        (
            "we know nobody",
            Party(ONE, members=(), index=0, commit=5),
            Party(TWO, index=0x17),
            None,
        ),
        ("we know nobody, and it is behind, too", Party(ONE, members=()), Party(TWO), None),
        ("never a member", member_one(), Party(FOUR), RefusalKind.STRANGER),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_a_caller_that_is_no_member(
    what: str, receiver: Party, caller: Party, kind: str | None
) -> None:
    assert kind_of(receiver.judge(caller.hello(ONE))) == kind, what


def test_a_removed_node_is_told() -> None:
    one = member_one(members=(ONE, THREE), index=0x20)
    two = Party(TWO, index=0x10)
    refusal = dial(two, one)
    assert refusal is not None
    assert refusal.kind == RefusalKind.REMOVED
    (why,) = two.registrar.removed
    assert f"member {TWO} is not among {ONE}, {THREE}, the members since entry 32" in why
    assert f"`kvorum member add {TWO}`" in why


READDED = (ONE, THREE, TWO_1E)


def test_a_removed_node_whose_address_was_added_again_begins_anew() -> None:
    two = Party(TWO, commit=0x0F)
    refusal = dial(two, member_one(members=READDED, index=0x1E))
    assert refusal is not None
    assert refusal.kind == RefusalKind.REMOVED
    assert f"added anew, as member {TWO_1E}" in refusal.text
    assert two.registrar.assigned == [Assignment(TWO_1E, "cluster-a", begins_anew=True)]
    assert not two.registrar.removed


@pytest.mark.parametrize(
    ("what", "one"),
    [
        ("not yet decided", {"members": READDED, "index": 0x1E, "commit": 0x1D}),
        ("a voter", {"members": READDED, "index": 0x1E, "voters": (TWO_1E,)}),
        (
            "somebody introduced himself with it",
            {"members": READDED, "index": 0x1E, "uids": KNOWN | {TWO_1E: "uid-other"}},
        ),
        (
            "somebody is about to",
            {"members": READDED, "index": 0x1E, "undecided": {TWO_1E: ["uid-other"]}},
        ),
        ("the removal is under way", {"members": (*FIRST, TWO_1E), "index": 0x1E}),
        ("this node is behind", {"members": READDED, "index": 0x1E, "caught_up": False}),
        ("another cluster", {"members": READDED, "index": 0x1E, "cluster_id": "cluster-b"}),
    ],
)
def test_no_other_removed_node_does(what: str, one: dict[str, object]) -> None:
    undecided, caught_up = one.pop("undecided", {}), one.pop("caught_up", True)
    judge, two = member_one(**one), Party(TWO, commit=0x0F)
    judge.registrar.undecided.update(undecided)  # type: ignore[call-overload]  # as written above
    judge.registrar.caught_up = bool(caught_up)
    dial(two, judge)
    assert two.registrar.assigned == [], what


@pytest.mark.parametrize("assigned", ["", TWO, FOUR_17, "localhost:8002#f", "nonsense#"])
def test_only_a_later_id_at_its_own_address_makes_a_node_begin_anew(assigned: str) -> None:
    """Whatever a peer says; without one it has only been removed."""
    two = Party(NodeId(f"{TWO}#10"), members=(ONE, THREE), index=0x17, commit=0x17)
    reply = member_one(members=READDED, index=0x1E).answer(two.hello(ONE))
    two.handshake.conclude(ONE, msgspec.structs.replace(reply, assigned=assigned))
    assert two.registrar.assigned == []
    assert two.registrar.removed


def test_who_knows_itself_for_a_member_behind_that_entry_does_not() -> None:
    two = Party(TWO, members=FIRST, index=0x1F, commit=0x1F)
    reply = member_one(members=READDED, index=0x1E).answer(Party(TWO).hello(ONE))
    two.handshake.conclude(ONE, reply)
    assert (two.registrar.assigned, two.registrar.removed) == ([], [])


def test_a_removed_first_member_with_an_empty_directory_founds_nothing_again() -> None:
    """Two of three first members, emptied, would be a majority beside the third."""
    one = member_one(members=(ONE,), index=0x0A, commit=0x0A)
    two, three = fresh(TWO), fresh(THREE)
    assert dial(two, three) is None, "nobody told them yet"
    assert kind_of(dial(two, one)) == RefusalKind.REMOVED
    assert f"exists, without this node. To let it join, run `kvorum member add {TWO}`" in (
        two.standing.disowned
    )
    assert kind_of(two.judge(three.hello(TWO))) == RefusalKind.DISOWNED
    added = member_one(members=(ONE, TWO_1E), index=0x1E)
    assert kind_of(dial(two, added)) == RefusalKind.ASSIGNED
    assert two.registrar.assigned == [Assignment(TWO_1E, "cluster-a")]


def test_it_takes_part_if_its_removal_is_undone() -> None:
    """A peer that has just started knows no more of a removal than that its log has it."""
    one, two = member_one(members=(ONE, THREE), index=0x0A, commit=0x09), fresh(TWO, uid="uid-2")
    assert kind_of(dial(two, one)) == RefusalKind.STRANGER
    assert two.standing.disowned
    one.standing.set(Index(0), FIRST)
    assert dial(two, one) is None
    assert two.standing.disowned == ""


@pytest.mark.parametrize("commits", [(0x0A,), (0x09, 0x0A)], ids=["at-once", "learned-later"])
def test_a_peer_that_is_behind_lets_nobody_in_whose_removal_is_decided(
    commits: tuple[int, ...],
) -> None:
    """It would be the third of five, with two first members that were removed and emptied."""
    two = fresh(TWO)
    for commit in commits:
        dial(two, member_one(members=(ONE, THREE), index=0x0A, commit=commit, uids={}))
    why = two.standing.disowned
    assert why
    behind = Party(THREE, commit=5)
    assert dial(two, behind) is None, "it has yet to hear of the removal"
    assert two.standing.disowned == why
    assert kind_of(two.judge(behind.hello(TWO))) == RefusalKind.DISOWNED


def test_a_virgin_peer_makes_nobody_stand_aside() -> None:
    four = fresh(FOUR, cluster_id="cluster-a")
    assert kind_of(dial(four, fresh(ONE))) == RefusalKind.STRANGER
    assert four.standing.disowned == ""


def test_who_was_not_added_is_told_so() -> None:
    four = fresh(FOUR)
    dial(four, member_one())
    why = f"nobody added this node to the cluster of {ONE}; run `kvorum member add {FOUR}`, or"
    assert four.registrar.refused == [f"{why} check OTHER_NODES on both"]
    elsewhere = fresh(FOUR, members=(*FIRST, FOUR), cluster_id="cluster-b")
    dial(elsewhere, member_one())
    assert elsewhere.registrar.refused == four.registrar.refused


def test_other_lasting_refusals_are_told_in_the_words_of_the_peer() -> None:
    two = Party(TWO, commit=0x0F, executed_commands_key="other")
    dial(two, member_one())
    assert len(two.registrar.refused) == 1
    assert two.registrar.refused[0].startswith(f"{ONE} refuses this node: EXECUTED_COMMANDS_KEY")


def test_passing_refusals_are_no_news() -> None:
    four, one = fresh(FOUR), member_one(members=FIVE, index=0x17)
    dial(four, one)
    one.registrar.caught_up = False
    dial(four, one)
    assert four.registrar.refused == []


def test_a_caller_that_was_virgin_once_is_removed_like_any_other() -> None:
    four = fresh(FOUR_17)
    one = member_one(members=FIVE, index=0x17)
    hello = four.hello(ONE)
    assert one.judge(hello) is None
    one.standing.set(Index(0x20), FIRST)
    one.standing.release(now_s=1000.0)
    one.standing.release(now_s=2000.0)
    assert kind_of(one.handshake.judge_again(hello)) == RefusalKind.REMOVED


def test_another_cluster_removes_nobody() -> None:
    one = member_one(members=(ONE, THREE), index=0x20)
    two = Party(TWO, index=0x10)
    reply = one.answer(two.hello(ONE))
    two.handshake.conclude(ONE, msgspec.structs.replace(reply, cluster_id="cluster-b"))
    assert not two.registrar.removed
