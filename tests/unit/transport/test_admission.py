"""Which data directory may speak for which member: newcomers, lost disks, removed nodes."""

import msgspec
import pytest

from kvorum.raft.types import Index, NodeId
from kvorum.transport.identity import generation
from kvorum.transport.introduction import Assignment, RefusalKind
from tests.unit.transport.directories import FIVE, FOUR_17, KNOWN, TWO_1E, fresh, member_one
from tests.unit.transport.parties import FIRST, FOUR, ONE, THREE, TWO, Party, dial, kind_of


def test_the_entry_in_an_id() -> None:
    assert generation(ONE) == 0
    assert generation(FOUR_17) == 0x17


# --- newcomers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "receiver", "caller", "kind"),
    [
        ("first start of all", Party(ONE, virgin=True), fresh(TWO), None),
        ("no uid means anything yet", Party(ONE, virgin=True, uids=KNOWN), fresh(TWO), None),
        ("first start, the others are ahead", member_one(uids={}), fresh(TWO), None),
        ("back before its first entry", member_one(), fresh(TWO, uid="uid-2"), None),
        ("nobody's address", member_one(), fresh(FOUR), RefusalKind.STRANGER),
        (
            "nobody's address, configured as if it were a member",
            member_one(),
            fresh(FOUR, members=(*FIRST, FOUR), cluster_id="cluster-b"),
            RefusalKind.OTHER_CLUSTER,
        ),
        (
            "added under its address",
            member_one(members=FIVE, index=0x17),
            fresh(FOUR),
            RefusalKind.ASSIGNED,
        ),
        (
            "added; it comes from another first configuration",
            member_one(members=FIVE, index=0x17),
            fresh(FOUR, cluster_id="cluster-b"),
            RefusalKind.ASSIGNED,
        ),
        (
            "added, but that may yet be undone",
            member_one(members=FIVE, index=0x17, commit=0x16),
            fresh(FOUR),
            RefusalKind.STRANGER,
        ),
        ("it has taken the id", member_one(members=FIVE, index=0x17), fresh(FOUR_17), None),
        ("it knows an entry that we do not", member_one(commit=0x16), fresh(FOUR_17), None),
        ("it was removed meanwhile", member_one(index=0x20), fresh(FOUR_17), RefusalKind.REMOVED),
        ("a lost disk", member_one(), fresh(TWO), RefusalKind.LOST_DISK),
        (
            "a lost disk, started with other variables",
            member_one(),
            fresh(TWO, cluster_id="cluster-b"),
            RefusalKind.LOST_DISK,
        ),
        (
            "replaced: the old id may still be a voter of the joint membership",
            member_one(members=(*FIRST, TWO_1E), index=0x1E),
            fresh(TWO),
            RefusalKind.ASSIGNED,
        ),
        (
            "replaced, and lost again",
            member_one(members=(ONE, THREE, TWO_1E), index=0x20, uids={**KNOWN, TWO_1E: "uid-5"}),
            fresh(TWO),
            RefusalKind.LOST_DISK,
        ),
        (
            "added, and votes by now: whoever was given the id has introduced itself",
            member_one(members=FIVE, index=0x17, voters=[FOUR_17]),
            fresh(FOUR),
            RefusalKind.LOST_DISK,
        ),
        (
            "replaced; we have not heard of it",
            member_one(commit=0x1D),
            fresh(TWO_1E, members=()),
            None,
        ),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_a_virgin_caller(what: str, receiver: Party, caller: Party, kind: str | None) -> None:
    refusal = receiver.judge(caller.hello(ONE))
    assert kind_of(refusal) == kind, what


@pytest.mark.parametrize("caller", [fresh(TWO), fresh(FOUR), fresh(FOUR_17)])
def test_nobody_judges_an_empty_directory_before_it_applied_what_is_decided(caller: Party) -> None:
    """The introduction of the one that was lost may be among that."""
    one = member_one(members=FIVE, index=0x17, uids={})
    one.registrar.caught_up = False
    assert kind_of(one.judge(caller.hello(ONE))) == RefusalKind.NOT_READY
    assert kind_of(dial(caller, one)) == RefusalKind.NOT_READY
    assert not caller.standing.disowned
    assert one.judge(Party(TWO).hello(ONE)) is None, "a node with a past is no riddle"
    one.registrar.caught_up = True
    assert kind_of(one.judge(caller.hello(ONE))) != RefusalKind.NOT_READY


def test_nor_while_another_introduction_is_undecided() -> None:
    """Let in, it would get entries, and once the other is decided, be neither new nor known."""
    one, two = member_one(uids={}), fresh(TWO)
    one.registrar.undecided[TWO] = ["lost"]
    assert kind_of(one.judge(two.hello(ONE))) == RefusalKind.NOT_READY
    assert kind_of(dial(one, two)) == RefusalKind.NOT_READY
    one.registrar.undecided[TWO] = [two.options.uid]
    assert one.judge(two.hello(ONE)) is None
    assert dial(one, two) is None


def test_nor_does_it_talk_to_one_that_it_dialled() -> None:
    """What it says would give that one a past, and nobody would replace it any more."""
    one, two = member_one(uids={}), fresh(TWO)
    assert dial(one, two) is None
    one.registrar.caught_up = False
    assert kind_of(dial(one, two)) == RefusalKind.NOT_READY


def test_nor_before_it_knows_what_its_own_disk_remembers() -> None:
    one = Party(ONE, commit=99, is_told=False)
    assert kind_of(one.judge(fresh(TWO).hello(ONE))) == RefusalKind.NOT_READY
    virgin = Party(ONE, virgin=True, is_told=False)
    assert virgin.judge(fresh(TWO).hello(ONE)) is None, "its disk remembers nothing"


def test_an_assignment_reaches_the_newcomer() -> None:
    one = member_one(members=FIVE, index=0x17)
    four = fresh(FOUR, cluster_id="cluster-b")
    refusal = dial(four, one)
    assert refusal is not None
    assert refusal.kind == RefusalKind.ASSIGNED
    assert f"{FOUR} is member {FOUR_17} of cluster cluster-a" in refusal.text
    assert four.registrar.assigned == [Assignment(FOUR_17, "cluster-a")]
    assert not four.registrar.removed


@pytest.mark.parametrize("assigned", ["", FOUR, f"{TWO}#17", f"{FOUR}#x", "nonsense"])
def test_only_an_id_at_its_own_address_is_taken(assigned: str) -> None:
    one, four = member_one(members=FIVE, index=0x17), fresh(FOUR)
    reply = msgspec.structs.replace(one.answer(four.hello(ONE)), assigned=assigned)
    assert four.handshake.conclude(ONE, reply) is not None
    assert not four.registrar.assigned


def test_nobody_with_a_past_takes_another_id() -> None:
    one, four = member_one(members=FIVE, index=0x17), fresh(FOUR)
    reply = one.answer(four.hello(ONE))
    four.registrar.virgin = False
    four.handshake.conclude(ONE, reply)
    assert not four.registrar.assigned


def test_a_newcomer_without_peers_learns_its_later_id_from_a_call() -> None:
    """Added, removed and added again before anybody reached it."""
    four = fresh(FOUR_17, members=())
    later = NodeId(f"{FOUR}#2a")
    one = member_one(members=(*FIRST, later), index=0x2A)
    refusal = four.judge(one.hello(later))
    assert refusal is not None
    assert refusal.kind == RefusalKind.RENAMED
    assert refusal.assigned == later
    told = one.handshake.conclude(later, four.handshake.reply(refusal))
    assert told is not None
    assert told.kind == RefusalKind.RENAMED


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("not decided", {"receiver_vacant": False}),
        ("another cluster", {"cluster_id": "cluster-b"}),
        ("no later id", {"receiver_member": NodeId(f"{FOUR}#16")}),
        ("another address", {"receiver_member": NodeId(f"{TWO}#2a")}),
        ("no id", {"receiver_member": NodeId("#2a")}),
    ],
)
def test_no_other_call_renames_a_newcomer(what: str, changes: dict[str, object]) -> None:
    later = NodeId(f"{FOUR}#2a")
    one = member_one(members=(*FIRST, later), index=0x2A)
    hello = one.hello(later, **changes)
    refusal = fresh(FOUR_17, members=()).judge(hello)
    assert refusal is not None
    assert refusal.kind in {RefusalKind.WRONG_RECEIVER, RefusalKind.OTHER_CLUSTER}, what
    old = Party(FOUR_17, members=())
    assert kind_of(old.judge(one.hello(later))) == RefusalKind.WRONG_RECEIVER


@pytest.mark.parametrize(
    ("what", "state"),
    [
        ("it votes by now", {"voters": [NodeId(f"{FOUR}#2a")]}),
        ("somebody introduced himself with it", {"uids": {NodeId(f"{FOUR}#2a"): "uid-4"}}),
    ],
)
def test_nobody_takes_an_id_that_is_not_vacant_because_it_is_called_so(
    what: str, state: dict[str, object]
) -> None:
    """Its disk was lost, and the empty one was started as if it were the first."""
    later = NodeId(f"{FOUR}#2a")
    one = member_one(members=(*FIRST, later), index=0x2A, **state)
    four = fresh(FOUR_17, members=())
    refusal = four.judge(one.hello(later))
    assert refusal is not None
    assert refusal.kind == RefusalKind.WRONG_RECEIVER, what


def test_a_newcomer_listens_to_whoever_leads_it() -> None:
    """It knows nobody; those who call it know the entry that added it."""
    four = fresh(FOUR_17, members=())
    assert four.judge(member_one(members=FIVE, index=0x17).hello(FOUR_17)) is None


def test_a_newcomer_that_has_yet_to_take_its_id_is_no_refusal_to_worry_about() -> None:
    one = member_one(members=FIVE, index=0x17)
    four = fresh(FOUR, cluster_id="cluster-b")
    reply = four.answer(one.hello(FOUR_17))
    assert not reply.accepted
    refusal = one.handshake.conclude(FOUR_17, reply)
    assert refusal is not None
    assert refusal.kind == RefusalKind.RENAMED
    settled = Party(FOUR, cluster_id="cluster-b")
    assert kind_of(dial(one, settled)) == RefusalKind.OTHER_CLUSTER


def test_nor_is_a_member_that_was_replaced() -> None:
    """Its successor answers, until the change is complete and the old link ends."""
    one = member_one(members=(*FIRST, TWO_1E), index=0x1E)
    successor = Party(TWO_1E, members=(*FIRST, TWO_1E), index=0x1E)
    reply = successor.answer(one.hello(TWO))
    assert reply.refusal == RefusalKind.WRONG_RECEIVER
    assert "yet to hear" in reply.reason
    refusal = one.handshake.conclude(TWO, reply)
    assert refusal is not None
    assert (refusal.kind, refusal.text) == (RefusalKind.RENAMED, f"{TWO_1E} has replaced it")
    elsewhere = msgspec.structs.replace(reply, cluster_id="cluster-b")
    assert kind_of(one.handshake.conclude(TWO, elsewhere)) == RefusalKind.WRONG_RECEIVER


def test_who_is_looked_for_in_vain_says_what_to_do() -> None:
    one = member_one(members=(*FIRST, TWO_1E), index=0x1E, commit=0x1D)
    hello = one.hello(TWO_1E)
    assert "as soon as the cluster has decided" in fresh(TWO).answer(hello).reason
    assert f"if {TWO} was removed, it begins anew" in Party(TWO).answer(hello).reason


# --- lost disks ------------------------------------------------------------------------


def test_a_lost_disk_is_told_by_whoever_dials_its_place() -> None:
    one, two = member_one(), fresh(TWO)
    refusal = dial(one, two)
    assert refusal is not None
    assert refusal.kind == RefusalKind.LOST_DISK
    assert one.registrar.lost == [TWO]
    assert "`kvorum recover`" in refusal.text


def test_what_a_caller_says_of_itself_costs_no_member_its_place() -> None:
    """Somebody's SELF_ADDRESS may be wrong: only what answers at the address counts."""
    one = member_one()
    assert kind_of(one.judge(fresh(TWO).hello(ONE))) == RefusalKind.LOST_DISK
    assert not one.registrar.lost


@pytest.mark.parametrize(
    ("what", "two", "is_lost"),
    [
        ("same cluster", fresh(TWO), True),
        ("other variables, but it means us", fresh(TWO, cluster_id="cluster-b"), True),
        (
            "another cluster that forms there",
            fresh(TWO, members=(TWO, FOUR), cluster_id="cluster-b"),
            False,
        ),
        ("the same disk", fresh(TWO, uid="uid-2"), False),
        ("not virgin", Party(TWO, uid="uid-9"), False),
    ],
)
def test_what_counts_as_a_lost_disk(what: str, two: Party, is_lost: bool) -> None:
    one = member_one()
    dial(one, two)
    assert bool(one.registrar.lost) == is_lost, what


def test_a_virgin_node_judges_nobodys_disk() -> None:
    one = Party(ONE, virgin=True, uids=KNOWN)
    dial(one, fresh(TWO))
    assert not one.registrar.lost


def test_a_replaced_member_is_not_lost_again() -> None:
    one = member_one(members=(*FIRST, TWO_1E), index=0x1E)
    dial(one, fresh(TWO))
    assert not one.registrar.lost


def test_who_lost_its_disk_takes_no_part_until_it_is_replaced() -> None:
    """Others, who do not know it yet, might believe its votes (§3.8)."""
    one, two = member_one(), fresh(TWO)
    assert two.judge(Party(THREE).hello(TWO)) is None
    dial(two, one)
    assert TWO in two.standing.disowned
    assert kind_of(two.judge(Party(THREE).hello(TWO))) == RefusalKind.DISOWNED
    assert kind_of(two.handshake.judge_again(Party(THREE).hello(TWO))) == RefusalKind.DISOWNED
    replaced = member_one(members=(*FIRST, TWO_1E), index=0x1E)
    assert kind_of(two.judge(replaced.hello(TWO_1E))) == RefusalKind.RENAMED


def test_that_somebody_takes_no_part_says_nothing_of_its_callers() -> None:
    """One that starts for the first time is not to blame for another's lost disk."""
    two, three = fresh(TWO), fresh(THREE, uid="uid-3")
    dial(two, member_one())
    assert two.standing.disowned
    assert kind_of(dial(three, two)) == RefusalKind.DISOWNED
    assert not three.standing.disowned


def test_a_disk_with_a_past_under_the_wrong_id() -> None:
    one, two = member_one(), Party(TWO, uid="uid-9")
    refusal = one.judge(two.hello(ONE))
    assert refusal is not None
    assert refusal.kind == RefusalKind.OTHER_DATA
    assert "two processes" in refusal.text
    assert kind_of(dial(one, two)) == RefusalKind.OTHER_DATA


# --- standing ---------------------------------------------------------------------------


def test_who_leaves_stays_in_touch_until_that_is_decided_and_a_moment_longer() -> None:
    one = member_one(commit=0x10)
    one.standing.set(Index(0x20), (ONE, THREE))
    one.standing.release(now_s=1000.0)
    assert one.standing.knows(TWO)
    assert set(one.standing.peers) == {TWO, THREE}
    one.registrar.commit = 0x20
    one.standing.release(now_s=2000.0)
    assert one.standing.knows(TWO)
    one.standing.release(now_s=2000.9)
    assert one.standing.knows(TWO)
    one.standing.release(now_s=2001.1)
    assert not one.standing.knows(TWO)
    assert one.standing.peers == (THREE,)


def test_a_membership_that_is_undone_brings_back_who_left() -> None:
    one = member_one(commit=0x10)
    one.standing.set(Index(0x20), (ONE, THREE))
    one.standing.set(Index(0), FIRST)
    one.standing.release(now_s=1000.0)
    one.standing.release(now_s=2000.0)
    assert one.standing.peers == (TWO, THREE)


def test_nobody_leaves_by_what_the_disk_remembers() -> None:
    """The first members of long ago are not dialled again at every start."""
    one = Party(ONE, members=(ONE, FOUR_17), index=0x20)
    assert one.standing.peers == (FOUR_17,)
    assert not one.standing.knows(TWO)
