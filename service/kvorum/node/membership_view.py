"""The membership in force, for people and tools."""

from collections.abc import Callable

from kvorum.node.views import MembersView, MemberView
from kvorum.raft.core import Core
from kvorum.raft.membership import Membership, address_of
from kvorum.raft.types import NodeId


def members_view(
    core: Core, *, cluster_id: str, leader: NodeId | None, name_of: Callable[[str], str]
) -> MembersView:
    """As this node has it in its log now, committed or not (§4.1)."""
    membership = core.membership
    views = tuple(
        _member_view(core, member, leader=leader, name=name_of(member))
        for member in membership.members
    )
    return MembersView(cluster_id, core.state.memberships.latest_index, membership.is_joint, views)


def _member_view(core: Core, member: NodeId, *, leader: NodeId | None, name: str) -> MemberView:
    state = core.state
    last = state.log.last_index
    active: bool | None = None
    match: int | None = None
    if member == state.node:
        active, match = True, last
    elif member in state.progress:
        progress = state.progress[member]
        active, match = progress.recent_active, progress.match
    is_known = leader == state.node  # only a leader knows how far others are
    return MemberView(
        member=member,
        name="" if name == member else name,
        address=address_of(member),
        role=role_of(core.membership, member),
        is_leader=member == leader,
        active=active if is_known else None,
        match_index=match if is_known else None,
        lag=last - match if is_known and match is not None else None,
    )


def role_of(membership: Membership, member: NodeId) -> str:
    """voter, learner or leaving."""
    if member in membership.voters:
        return "voter"
    return "learner" if member in membership.learners else "leaving"
