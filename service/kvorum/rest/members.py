"""``/cluster/members`` and ``/cluster/transfer``: who belongs to the cluster, and who leads it.

Changes may be asked of any node: a follower hands them to its leader. Before a node looks
up the member that a request names, it catches up, so that it knows of every change that
was acknowledged before.
"""

from collections.abc import Awaitable
from typing import TypeVar

import msgspec
from msgspec import UNSET

from kvorum.errors import OutcomeUnknown
from kvorum.node.service import KvService
from kvorum.node.views import MembersView, MemberView
from kvorum.raft.membership import AddLearner, Promote, Remove
from kvorum.raft.types import NodeId
from kvorum.rest.answer import Answer
from kvorum.rest.faults import ChangeUnconfirmed
from kvorum.rest.naming import find_member
from kvorum.rest.schemas import LeadershipAnswer, Member, MembersAnswer

_Result = TypeVar("_Result")

_encode = msgspec.json.Encoder().encode


def members_answer(service: KvService) -> Answer:
    """What this node knows now; never waits."""
    return _answer(service, service.members(), 200)


async def add_answer(service: KvService, address: str) -> Answer:
    """201 once the new learner is committed; ``Conflict`` if the address is a member's."""
    view = await _confirmed(service.change_members(AddLearner(address)))
    added = next((member for member in view.members if member.address == address), None)
    return _answer(service, view, 201, added)


async def promote_answer(service: KvService, named: str) -> Answer:
    """200 once the learner is a voter; ``Conflict`` if it lags or is no learner."""
    node = await _named(service, named)
    view = await _confirmed(service.change_members(Promote(node)))
    promoted = next((member for member in view.members if member.member == node), None)
    return _answer(service, view, 200, promoted)


async def remove_answer(service: KvService, named: str) -> Answer:
    """200 once the member is gone; ``Conflict`` if it is the last voter."""
    node = await _named(service, named)
    view = await _confirmed(service.change_members(Remove(node)))
    return _answer(service, view, 200)


async def transfer_answer(service: KvService, named: str | None) -> Answer:
    """200 once another node leads: the one named, or whichever has the most of the log."""
    target = None if named is None else await _named(service, named)
    leadership = await _confirmed(service.transfer_leadership(target))
    body = LeadershipAnswer(is_leader=leadership.is_leader, leader_id=leadership.leader_id)
    return Answer(200, _encode(body))


async def _named(service: KvService, named: str) -> NodeId:
    await service.catch_up()
    return NodeId(find_member(service.members(), named).member)


async def _confirmed(change: Awaitable[_Result]) -> _Result:
    """Its result; a change has no request id under which its outcome could be found."""
    try:
        return await change
    except OutcomeUnknown as error:
        raise ChangeUnconfirmed(
            f"{error}. The change may or may not come to pass: look at GET /cluster/members "
            "before you ask for it again"
        ) from error


def _answer(
    service: KvService, view: MembersView, status: int, subject: MemberView | None = None
) -> Answer:
    leadership = service.leadership()
    body = MembersAnswer(
        is_leader=leadership.is_leader,
        leader_id=leadership.leader_id,
        cluster_id=view.cluster_id,
        index=view.index,
        is_joint=view.is_joint,
        member=UNSET if subject is None else _member(subject),
        members=[_member(member) for member in view.members],
    )
    return Answer(status, _encode(body))


def _member(member: MemberView) -> Member:
    return Member(
        id=member.member,
        name=member.name,
        address=member.address,
        role=member.role,
        is_leader=member.is_leader,
        active=member.active,
        match_index=member.match_index,
        lag=member.lag,
    )
