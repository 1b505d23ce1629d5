"""Who the members say they are: replicated, so that all nodes know the same of them."""

from collections.abc import Collection, Mapping
from zlib import crc32

import msgspec
from msgspec import Struct

_encode = msgspec.msgpack.Encoder().encode


class Introduction(Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True):
    """What a member said of itself when it first came.

    ``uid`` is made with its data directory: another one is another disk. ``name`` is its SELF_ID.
    """

    uid: str
    name: str


class Members:
    """Introductions by member id. The first uid of an id stays for as long as the member does."""

    __slots__ = ("_introductions", "digest")

    def __init__(self, introductions: Mapping[str, Introduction] | None = None) -> None:
        self._introductions = dict(introductions or {})
        self.digest = 0
        self._count_anew()

    @property
    def introductions(self) -> Mapping[str, Introduction]:
        return self._introductions

    def introduce(self, member: str, introduction: Introduction) -> bool:
        """Whether the id is this uid's, now or already; a new name replaces the old one."""
        known = self._introductions.get(member)
        if known is not None and known.uid != introduction.uid:
            return False
        if known != introduction:
            self._introductions[member] = introduction
            self._count_anew()
        return True

    def retain(self, members: Collection[str]) -> None:
        """Forget everyone else."""
        self._introductions = {
            member: introduction
            for member, introduction in self._introductions.items()
            if member in members
        }
        self._count_anew()

    def _count_anew(self) -> None:
        self.digest = crc32(_encode(sorted(self._introductions.items())))
