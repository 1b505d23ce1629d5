"""Asking the leader through whatever endpoint there is.

The endpoint of a hook is a Service: each connection meets another node, and only the leader
knows who is active and how far everybody is. So whoever answers says who leads, and that one
is asked at its own address.
"""

from collections.abc import Sequence

from kvorum.cli.asking import Endpoint
from kvorum.cli.cluster.endpoints import Cluster, Failed, read_members
from kvorum.cli.exits import Exit
from kvorum.node.addresses import split_address
from kvorum.rest.schemas import MembersAnswer

_DIRECT_S = 2.0


class LeaderSight:
    """``cluster`` for changes, which any node takes; :meth:`look` for the leader's own view."""

    def __init__(self, endpoints: Sequence[Endpoint], rest_port: int) -> None:
        self.cluster = Cluster(endpoints)
        self._rest_port = rest_port

    def look(self) -> MembersAnswer:
        """Raises :class:`Failed` (UNAVAILABLE): try again in a moment."""
        answer = read_members(self.cluster.members())
        if answer.is_leader:
            return answer
        leader = next((member for member in answer.members if member.is_leader), None)
        if leader is None:
            raise Failed("nobody leads: a majority of the voters is down", Exit.UNAVAILABLE)
        endpoint = Endpoint(split_address(leader.address)[0], self._rest_port)
        try:
            own = read_members(Cluster((endpoint,), _DIRECT_S).members())
        except Failed as error:
            raise Failed(f"the leader does not answer: {error}", Exit.UNAVAILABLE) from error
        if own.cluster_id != answer.cluster_id or not own.is_leader:
            raise Failed(f"{endpoint} does not lead (any more)", Exit.UNAVAILABLE)
        return own
