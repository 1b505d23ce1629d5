"""The cluster as its leader sees it, by the numbers of the nodes."""

from collections.abc import Sequence

from msgspec import Struct

from kvorum.cli.rollout.ordinals import Ordinals, short_name
from kvorum.rest.schemas import Member, MembersAnswer

LAG_MAX = 64
"""Entries; a node that lacks more is not ready for clients either."""


class Seat(Struct, frozen=True):
    """A member, and which node of the set it is; None: it is none of them."""

    number: int | None
    member: Member

    @property
    def is_voter(self) -> bool:
        return self.member.role == "voter"

    @property
    def is_well(self) -> bool:
        """It answers, and holds nearly everything. A new leader holds each for active at first."""
        member = self.member
        return bool(member.active and member.match_index) and (member.lag or 0) <= LAG_MAX

    @property
    def name(self) -> str:
        """For people, in few words."""
        return short_name(self.member.address)

    @property
    def ailment(self) -> str:
        """What is wrong with it."""
        member = self.member
        if not member.active:
            return f"{self.name} does not answer"
        if not member.match_index:
            return f"{self.name} has not been heard yet"
        return f"{self.name} lacks {member.lag:,} entries"


class View(Struct, frozen=True):
    """``answer`` must be the leader's own."""

    ordinals: Ordinals
    replicas: int
    answer: MembersAnswer

    @property
    def seats(self) -> Sequence[Seat]:
        return [Seat(self.ordinals.number(m.address), m) for m in self.answer.members]

    @property
    def leader(self) -> Seat | None:
        return next((seat for seat in self.seats if seat.member.is_leader), None)

    def leaves(self, seat: Seat) -> bool:
        """Its pod is about to go."""
        return seat.number is not None and seat.number >= self.replicas

    @property
    def staying(self) -> Sequence[Seat]:
        """By number; those of no number last."""
        stay = [seat for seat in self.seats if not self.leaves(seat)]
        return sorted(stay, key=lambda s: self.replicas if s.number is None else s.number)

    @property
    def leaving(self) -> Sequence[Seat]:
        """The highest first."""
        leave = [seat for seat in self.seats if self.leaves(seat)]
        return sorted(leave, key=lambda s: s.number or 0, reverse=True)

    @property
    def foreign(self) -> Sequence[Seat]:
        return [seat for seat in self.seats if seat.number is None]

    @property
    def wanted(self) -> Sequence[Seat]:
        """Those of the nodes that are to be there which are members."""
        return [seat for seat in self.staying if seat.number is not None]

    @property
    def missing(self) -> Sequence[str]:
        """Addresses of nodes that are to be there and are no members, in order."""
        here = {seat.number for seat in self.wanted}
        return [self.ordinals.address(n) for n in range(self.replicas) if n not in here]
