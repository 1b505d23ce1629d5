"""Which member a client means: by id, by address or by name (SELF_ID).

An id always names its own member. An address or a name may be shared for a while, when a
node that lost its disk is being replaced: then only the id will do.
"""

from kvorum.errors import Conflict
from kvorum.node.addresses import canonical_address
from kvorum.node.views import MembersView, MemberView
from kvorum.rest.faults import UnknownMember

_SHOWN_MAX = 80  # characters of what the client sent


def find_member(view: MembersView, named: str) -> MemberView:
    """Raises :class:`UnknownMember` and, if several fit, ``Conflict``; both say what there is."""
    exact = [member for member in view.members if member.member == named]
    found = exact or [member for member in view.members if _fits(member, named)]
    if len(found) == 1:
        return found[0]
    if found:
        raise Conflict(f"{named} fits several members: {_listed(found)}; give the id of one")
    raise UnknownMember(
        f"{named[:_SHOWN_MAX]!r} is no id, address or name of a member; "
        f"there are {_listed(view.members)}"
    )


def _fits(member: MemberView, named: str) -> bool:
    return (bool(named) and named == member.name) or _canonical(named) == member.address


def _canonical(named: str) -> str | None:
    """None for what is no address at all: a name, perhaps."""
    try:
        return canonical_address(named)
    except ValueError:
        return None


def _listed(members: list[MemberView] | tuple[MemberView, ...]) -> str:
    return ", ".join(
        f"{member.member} ({member.name})" if member.name else member.member for member in members
    )
