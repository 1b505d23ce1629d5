"""What a rollout says at its beginning, and what to do when it cannot go on."""

from collections.abc import Sequence

from kvorum.cli.rollout.ordinals import pod_of
from kvorum.cli.rollout.view import Seat, View

_PODS_SHOWN_MAX = 3

NO_HOOKS = (
    "To upgrade all the same, without this check and without any change of the members: "
    "`helm upgrade --no-hooks`; docs/membership.md tells what to see to then."
)
AGAIN = "Run it again once that is mended: it goes on where it stopped."
NOBODY = (
    "A Service leads only to pods that are ready, and without a majority of the voters none is. "
    "Look why pods are not ready, and bring back a majority first."
)
NO_SUCH_NAME = (
    "A name that cannot be resolved is that of no Service: the release or the namespace is called "
    "otherwise, or the first install failed. After that there is no cluster to upgrade: "
    "`helm uninstall` the release, and install it again."
)


def beginning(view: View) -> str:
    """Who is there, by number."""
    seats = [*view.wanted, *reversed(view.leaving)]
    members = ", ".join(_described(seat) for seat in seats)
    return f"{view.replicas} replicas are wanted; members: {members or 'none of them'}"


def _described(seat: Seat) -> str:
    if seat.member.is_leader:
        return f"{seat.name} (leader)"
    return seat.name if seat.is_voter else f"{seat.name} ({seat.member.role})"


def remarks(view: View, *, removes: bool) -> Sequence[str]:
    """On members that stay as they are, though nobody may expect it."""
    told = [
        f"{seat.member.id} fits no number of the pattern: it stays as it is"
        for seat in view.foreign
    ]
    if not removes:
        told += [
            f"{seat.name} is still a member, beyond {view.replicas} replicas: `kvorum rollout "
            "before` removes it"
            for seat in view.leaving
        ]
    return told


def looking_at(seats: Sequence[Seat]) -> str:
    """Commands that show what is the matter with pods; "" outside Kubernetes."""
    pods = [pod for seat in seats if (pod := pod_of(seat.member.address)) is not None]
    if not pods:
        return ""
    namespace = pods[0][1]
    lines = [f"kubectl -n {namespace} get pods -o wide"]
    for name, _ in pods[:_PODS_SHOWN_MAX]:
        lines += [
            f"kubectl -n {namespace} describe pod {name}",
            f"kubectl -n {namespace} logs {name}",
        ]
    return "\n".join(["Look with:", *(f"  {line}" for line in lines)])


def paragraphs(*parts: str) -> str:
    """One below the other, indented under the first."""
    first, *rest = [part for part in parts if part]
    return "\n".join([first, *(f"  {line}" for part in rest for line in part.splitlines())])
