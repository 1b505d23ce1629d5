"""Nodes with data directories of different pasts, to judge one another."""

from kvorum.raft.types import NodeId
from tests.unit.transport.parties import FIRST, FOUR, ONE, THREE, TWO, Party

FOUR_17 = NodeId(f"{FOUR}#17")
TWO_1E = NodeId(f"{TWO}#1e")
KNOWN = {ONE: "uid-1", TWO: "uid-2", THREE: "uid-3"}
FIVE = (*FIRST, FOUR_17)


def member_one(**state: object) -> Party:
    """Node 1 of a cluster that runs: everybody has introduced himself."""
    return Party(ONE, **{"commit": 99, "uids": KNOWN, **state})  # type: ignore[arg-type] # keywords


def fresh(member: NodeId, **state: object) -> Party:
    """A node with an empty data directory."""
    return Party(member, **{"virgin": True, "uid": "uid-new", **state})  # type: ignore[arg-type]
