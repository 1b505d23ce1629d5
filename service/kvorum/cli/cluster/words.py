"""What the commands print for people."""

from collections.abc import Sequence

from kvorum.rest.schemas import Member, MembersAnswer

UNKNOWN = "-"


def member_table(answer: MembersAnswer) -> str:
    """One line a member, and what else there is to know."""
    rows = [("ID", "NAME", "ROLE", "STATE", "LAG"), *(_row(member) for member in answer.members)]
    return "\n".join([*_aligned(rows), "", *_remarks(answer)])


def _row(member: Member) -> tuple[str, ...]:
    lag = UNKNOWN if member.lag is None else str(member.lag)
    return member.id, member.name or UNKNOWN, member.role, _state(member), lag


def _state(member: Member) -> str:
    if member.is_leader:
        return "leader"
    if member.active is None:
        return UNKNOWN
    return "active" if member.active else "silent"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _remarks(answer: MembersAnswer) -> list[str]:
    remarks = [f"cluster {answer.cluster_id}, members as of log entry {answer.index}"]
    if answer.is_joint:
        remarks.append("a change of voters is under way")
    if not answer.is_leader:
        leader = answer.leader_id or "none is known here: see /readyz"
        remarks.append(f"only the leader ({leader}) knows state and lag; this is another node")
    return remarks


def described(member: Member) -> str:
    """Its id, and its name if it has one that is known."""
    return f"{member.id} ({member.name})" if member.name else member.id


def voters_of(answer: MembersAnswer) -> str:
    """How many there are, and how many of them may fail."""
    count = sum(member.role == "voter" for member in answer.members)
    spare = (count - 1) // 2
    return f"{count} voter{'s' * (count != 1)}, of which {spare} may fail"


def after_adding(member: Member) -> str:
    """The next steps."""
    return (
        f"added {member.id} as a learner\n"
        f"Now start its node, with SELF_ADDRESS={member.address}, an empty DATA_DIR, and\n"
        "OTHER_NODES naming the other members. When `kvorum member list` shows no lag any more:\n"
        f"  kvorum member promote {member.address}"
    )
