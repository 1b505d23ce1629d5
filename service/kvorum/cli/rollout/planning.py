"""The next step of a rollout, from nothing but what the leader says of the members now.

So a command that was interrupted anywhere goes on when it is run again, and what somebody else
did meanwhile is taken into account.
"""

from collections.abc import Sequence

from kvorum.cli.cluster.words import voters_of
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
from kvorum.cli.rollout.view import Seat, View

_UNDER_WAY = Wait("a change of voters is under way")
_SAFE_VOTERS = 3
"""With fewer, writes wait while one of them restarts."""


def next_before(view: View, *, may_move_lead: bool, force: bool) -> Step:
    """Before pods change: all well, the right one leads, members leave and come."""
    refused = _nonsense(view)
    if refused is not None:
        return refused
    if view.answer.is_joint:
        return _UNDER_WAY
    return (
        _unwell(view, force=force)
        or _unfinished(view)
        or _leading(view, may_move_lead=may_move_lead)
        or _leave_and_come(view)
        or Finished(f"the pods may change now: {voters_of(view.answer)}{_not_well(view)}")
    )


def next_after(view: View) -> Step:
    """After pods changed: everybody is there, has caught up, and votes."""
    refused = _nonsense(view)
    if refused is not None:
        return refused
    if view.answer.is_joint:
        return _UNDER_WAY
    if view.missing:
        return AddMember(view.missing[0])
    learners = [seat for seat in view.wanted if not seat.is_voter]
    ready = next((seat for seat in learners if seat.is_well), None)
    if ready is not None:
        return LetVote(ready)
    unwell = [seat for seat in view.wanted if not (seat.is_voter and seat.is_well)]
    if unwell:
        return _wait_for(unwell)
    return Finished(f"all {view.replicas} vote and have caught up: {voters_of(view.answer)}")


def _nonsense(view: View) -> Refuse | None:
    if any(seat.number is not None for seat in view.seats):
        return None
    there = ", ".join(seat.member.address for seat in view.seats)
    return Refuse(
        f"no member of this cluster is at an address like {view.ordinals.pattern!r}; they are at "
        f"{there}. Nothing was changed. Check --members, and --endpoint"
    )


def _unwell(view: View, *, force: bool) -> Step | None:
    """Whether those who stay can do without those who leave, and without one more."""
    voters = [seat for seat in view.staying if seat.is_voter]
    if not voters:
        return Refuse(
            f"with {view.replicas} replicas no voter would be left; the voters are "
            f"{', '.join(seat.name for seat in view.leaving if seat.is_voter)}. First run "
            "`kvorum rollout after` for the number of replicas that there are now"
        )
    ailing = [seat for seat in voters if not seat.is_well]
    well = len(voters) - len(ailing)
    if not ailing or (force and well > len(voters) // 2):
        return None
    told = "of the voters that stay, "
    if force:
        told = f"no majority ({well} of {len(voters)}) of the voters that stay is well: "
    return _wait_for(ailing, told, is_patient=False)


def _not_well(view: View) -> str:
    """With --force they may be."""
    ailing = [seat.ailment for seat in view.staying if seat.is_voter and not seat.is_well]
    return f", if all were well; {'; '.join(ailing)}" if ailing else ""


def _unfinished(view: View) -> Step | None:
    """Of three or more nodes only two vote, and another is coming: nobody could be spared.

    So it is after a disk was lost, or when an earlier rollout was left halfway. The same holds if
    only one of them votes, besides others that leave: with those, copies of the data would go.
    Learners whose pods do not run yet are waited for by `rollout after`.
    """
    voters = sum(seat.is_voter for seat in view.staying)
    is_alone = not any(seat.is_voter for seat in view.leaving) and voters == 1
    learners = [seat for seat in view.wanted if not seat.is_voter and _runs(seat)]
    if is_alone or not voters < _SAFE_VOTERS <= view.replicas or not learners:
        return None
    ready = next((seat for seat in learners if seat.is_well), None)
    if ready is not None:
        return LetVote(ready)
    return _wait_for(learners, "none can be spared until a third one votes; ")


def _wait_for(seats: Sequence[Seat], told: str = "", *, is_patient: bool = True) -> Wait:
    ailments = "; ".join(seat.ailment for seat in seats)
    return Wait(told + ailments, tuple(seats), is_patient=is_patient)


def _runs(seat: Seat) -> bool:
    return bool(seat.member.active and seat.member.match_index)


def _leading(view: View, *, may_move_lead: bool) -> Step | None:
    """The lowest voter that stays: a StatefulSet restarts it last."""
    first = next((seat for seat in view.staying if seat.is_voter and seat.is_well), None)
    leader = view.leader
    if first is None or leader is None or leader == first:
        return None
    return Lead(first) if may_move_lead or view.leaves(leader) else None


def _leave_and_come(view: View) -> Step | None:
    if view.leaving:
        return RemoveMember(view.leaving[0])
    return AddMember(view.missing[0]) if view.missing else None
