"""What only a leader knows, for whoever watches the cluster."""

from collections.abc import Callable, Collection, Mapping

from kvorum.raft.membership import address_of
from kvorum.raft.progress import Progress, ProgressState
from kvorum.raft.state import State
from kvorum.raft.types import NodeId, Role
from kvorum.telemetry.replication_metrics import Follower, ReplicationSample


def active_voters(state: State) -> int | None:
    """Voters that answer, this leader included if it votes; None: it does not lead."""
    if state.role is not Role.LEADER:
        return None
    others = sum(_answers(state, voter) for voter in state.electors)
    return others + state.membership.is_voter(state.node)


def quorum_margin(state: State) -> int | None:
    """By how many those who answer exceed the majority, or the scarcer of two (§4.3).

    None: it does not lead.
    """
    if state.role is not Role.LEADER:
        return None
    return min(
        one.with_us + sum(_answers(state, voter) for voter in one.others) - one.needed
        for one in state.electorates
    )


def _answers(state: State, voter: NodeId) -> bool:
    return state.progress[voter].is_active(state.options.election_ticks_max)


def replication_sample(state: State, name_of: Callable[[str], str]) -> ReplicationSample:
    """Of the members of the latest membership, and those that are leaving."""
    members = dict.fromkeys((*state.peers, *state.progress))
    labels = labels_of(members, name_of)
    last = state.log.last_index
    return ReplicationSample(
        labels,
        tuple(
            Follower(labels[peer], last - progress.match, _in_flight(progress))
            for peer, progress in state.progress.items()
        ),
    )


def _in_flight(progress: Progress) -> int:
    probing = progress.state is ProgressState.PROBE and progress.waiting
    return progress.inflight + probing


def labels_of(members: Collection[str], name_of: Callable[[str], str]) -> Mapping[str, str]:
    """The SELF_ID of each, or its id: no two alike, since each labels a series.

    While a member is replaced, its successor has the same SELF_ID already, and gets it.
    """
    owners: dict[str, str] = {}
    for member in members:
        name = name_of(member)
        owner = owners.get(name)
        if owner is None or _age(member) > _age(owner):
            owners[name] = member
    names = {member: name for name, member in owners.items()}
    return {member: names.get(member, member) for member in members}


def _age(member: str) -> tuple[str, int, str]:
    """Ids at one address in the order in which they were given: ``a:1``, ``a:1#f``, ``a:1#10``."""
    return address_of(NodeId(member)), len(member), member
