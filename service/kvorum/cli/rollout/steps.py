"""What may be done next: one thing at a time, decided anew after each look at the cluster."""

from msgspec import Struct

from kvorum.cli.rollout.view import Seat


class Lead(Struct, frozen=True):
    """Let this voter lead."""

    seat: Seat


class RemoveMember(Struct, frozen=True):
    seat: Seat


class AddMember(Struct, frozen=True):
    address: str


class LetVote(Struct, frozen=True):
    """Make this learner a voter."""

    seat: Seat


class Wait(Struct, frozen=True):
    """Look again in a moment. ``is_patient``: for as long as the command has time."""

    why: str
    pods: tuple[Seat, ...] = ()  # who is waited for
    is_patient: bool = True


class Refuse(Struct, frozen=True):
    """It would do harm; the text says why and what to do."""

    why: str


class Finished(Struct, frozen=True):
    told: str


Step = Lead | RemoveMember | AddMember | LetVote | Wait | Refuse | Finished
