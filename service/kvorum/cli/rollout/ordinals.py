"""The nodes of a StatefulSet by their numbers: from a pattern of addresses, and back."""

import re

from msgspec import Struct

from kvorum.node.addresses import canonical_address, is_wildcard, split_address

PLACE = "{}"
REPLICAS_MAX = 99
"""More voters than that nobody wants; a number beyond is a slip."""


class Ordinals(Struct, frozen=True):
    """Node ``n`` has the peer address ``pattern`` with n in each place of ``{}``."""

    pattern: str

    @classmethod
    def of(cls, pattern: str) -> "Ordinals":
        """Raises ValueError with a reason fit for the user."""
        if PLACE not in pattern:
            raise ValueError(f"{pattern!r} has no {PLACE} in the place of a node's number")
        if PLACE in pattern.partition("[")[2].partition("]")[0]:
            raise ValueError(f"{pattern!r} numbers IPv6 addresses, which have several spellings")
        host, _ = split_address(pattern.replace(PLACE, "0"))
        if is_wildcard(host):
            raise ValueError(f"{pattern!r} is no address that other nodes can dial")
        return cls(pattern)

    def address(self, number: int) -> str:
        """In the one spelling that members have."""
        return canonical_address(self.pattern.replace(PLACE, str(number)))

    def number(self, address: str) -> int | None:
        """None for a node that is none of these."""
        before, *places = map(re.escape, self.pattern.split(PLACE))
        first, *others = places
        again = "".join(rf"\1{part}" for part in others)
        found = re.fullmatch(rf"{before}(0|[1-9]\d{{0,8}}){first}{again}", address, re.IGNORECASE)
        if found is None or self.address(int(found[1])) != address:
            return None
        return int(found[1])


def pod_of(address: str) -> tuple[str, str] | None:
    """Name and namespace of the pod; None if it is no address of a pod's own DNS record."""
    pod, _, rest = split_address(address)[0].partition(".")
    labels = rest.split(".")
    if len(labels) < 3 or labels[2] != "svc":
        return None
    return pod, labels[1]


def short_name(address: str) -> str:
    """A pod's name, or the address as it is."""
    pod = pod_of(address)
    return address if pod is None else pod[0]
