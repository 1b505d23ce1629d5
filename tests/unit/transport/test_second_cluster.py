"""No second cluster forms beside one that lives at an address of its own first members."""

import pytest

from kvorum.raft.types import Index, NodeId
from kvorum.transport.introduction import Assignment, RefusalKind
from tests.unit.transport.parties import FIRST, FOUR, ONE, THREE, TWO, Party, dial, kind_of

RESCUED = NodeId(f"{ONE}#18")


def rescued() -> Party:
    """Node 1 after `kvorum recover`."""
    return Party(
        RESCUED,
        (RESCUED,),
        index=0x18,
        commit=0x19,
        cluster_id="cluster-new",
        uids={RESCUED: "uid-1"},
        voters=[RESCUED],
    )


def emptied(member: NodeId) -> Party:
    """Its variables are still those of the old cluster."""
    return Party(member, FIRST, virgin=True, uid=f"uid-new-{member}")


def told_by(one: Party, caller: Party) -> str | None:
    """What a node hears that looks for the first member at the address where ``one`` is."""
    return kind_of(caller.handshake.conclude(ONE, one.answer(caller.hello(ONE))))


def test_emptied_nodes_form_none_beside_a_rescued_one() -> None:
    """They are two of the three that OTHER_NODES names, under the id of the old cluster."""
    two, three = emptied(TWO), emptied(THREE)
    for each in (two, three):
        assert told_by(rescued(), each) == RefusalKind.OTHER_CLUSTER
    refusal = dial(two, three)
    assert refusal is not None
    assert refusal.kind == RefusalKind.DISOWNED
    assert "belongs to cluster cluster-new already" in refusal.text
    assert f"run `kvorum member add {THREE}`" in refusal.text


def test_one_that_was_told_lets_nobody_in_who_was_not() -> None:
    two, three = emptied(TWO), emptied(THREE)
    told_by(rescued(), two)
    assert kind_of(dial(three, two)) == RefusalKind.DISOWNED
    assert not three.standing.disowned, "it may reach others, and has heard nothing of itself"


def test_new_nodes_that_were_started_before_they_were_added_form_none() -> None:
    one = Party(ONE, (ONE,), commit=9, cluster_id="cluster-of-one", uids={ONE: "uid-1"})
    two, three = emptied(TWO), emptied(THREE)
    assert told_by(one, two) == told_by(one, three) == RefusalKind.OTHER_CLUSTER
    assert kind_of(dial(two, three)) == RefusalKind.DISOWNED


def test_they_join_as_soon_as_they_are_added() -> None:
    one, two, added = rescued(), emptied(TWO), NodeId(f"{TWO}#1a")
    told_by(one, two)
    one.standing.set(Index(0x1A), (RESCUED, added))
    one.registrar.commit = 0x1A
    assert told_by(one, two) == RefusalKind.ASSIGNED
    assert two.registrar.assigned == [Assignment(added, "cluster-new")]


def test_a_lost_disk_stays_the_reason() -> None:
    two = emptied(TWO)
    told_by(Party(ONE, FIRST, commit=9, uids={TWO: "uid-2"}), two)
    assert "has lost its data" in two.standing.disowned
    told_by(rescued(), two)
    assert "has lost its data" in two.standing.disowned


@pytest.mark.parametrize(
    ("what", "two", "other"),
    [
        ("it has a past itself", Party(TWO), Party(ONE, commit=9, cluster_id="cluster-b")),
        (
            "the other one is nobody either: one of both is configured wrongly",
            emptied(TWO),
            Party(ONE, (ONE, TWO), virgin=True, cluster_id="cluster-b"),
        ),
        (
            "the other one was not to be a member",
            emptied(TWO),
            Party(FOUR, (FOUR,), commit=9, cluster_id="cluster-b"),
        ),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_not_every_other_cluster_keeps_one_from_forming(
    what: str, two: Party, other: Party
) -> None:
    assert kind_of(dial(two, other)) == RefusalKind.OTHER_CLUSTER
    assert not two.standing.disowned, what
