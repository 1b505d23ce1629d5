"""What makes a cluster this cluster."""

import hashlib
from collections.abc import Sequence


def bootstrap_cluster_id(members: Sequence[str]) -> str:
    """The same 16 hex digits on every node that was given the same members.

    Nodes of one first configuration find each other without talking; those of
    another one are strangers from the first handshake on.
    """
    return hashlib.sha256("\n".join(sorted(members)).encode()).hexdigest()[:16]
