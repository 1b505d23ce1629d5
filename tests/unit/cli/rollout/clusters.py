"""Clusters as their leader sees them, in a few words."""

from kvorum.cli.rollout.ordinals import Ordinals
from kvorum.cli.rollout.view import View
from kvorum.rest.schemas import Member, MembersAnswer

PATTERN = "kv-{}.kv-headless.db.svc.cluster.local:8001"
ORDINALS = Ordinals.of(PATTERN)


def a_member(number: int, role: str = "voter", **changes: object) -> Member:
    address = ORDINALS.address(number)
    fields: dict[str, object] = {
        "id": address,
        "name": f"kv-{number}",
        "address": address,
        "role": role,
        "is_leader": number == 0,
        "active": True,
        "match_index": 118,
        "lag": 0,
    }
    return Member(**(fields | changes))  # type: ignore[arg-type]  # the fields are as above


def a_learner(number: int, **changes: object) -> Member:
    return a_member(number, "learner", **changes)


def silent(number: int, role: str = "voter") -> Member:
    return a_member(number, role, active=False)


def to_come(number: int) -> Member:
    """Added just now; a leader takes it for active at first."""
    return a_learner(number, name="", match_index=0, lag=118)


def voters(*numbers: int, leader: int = 0) -> list[Member]:
    return [a_member(number, is_leader=number == leader) for number in numbers]


def an_answer(*members: Member, is_joint: bool = False, is_leader: bool = True) -> MembersAnswer:
    return MembersAnswer(
        is_leader=is_leader,
        leader_id="kv-0",
        cluster_id="5f0c2a9e",
        index=31,
        is_joint=is_joint,
        members=list(members),
    )


def a_view(replicas: int, *members: Member, is_joint: bool = False) -> View:
    return View(ORDINALS, replicas, an_answer(*members, is_joint=is_joint))
