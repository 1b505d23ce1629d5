"""Asking a model cluster as a patient client would.

Sleeping here, as in all of these tests, passes virtual time: nobody really waits.
"""

import asyncio

from kvorum.errors import OutcomeUnknown, Rejected
from kvorum.mvcc.outcome import Outcome
from kvorum.raft.types import NodeId
from tests.support.node_cluster import NodeCluster


async def value(cluster: NodeCluster, node: NodeId, key: bytes) -> bytes | None:
    """A linearizable read that is repeated while there is no leader."""
    async with asyncio.timeout(10):
        while True:
            try:
                result = await cluster[node].service.get("read", key)
            except Rejected:
                await asyncio.sleep(0.01)
            else:
                return result.record.value if result.record else None


async def write(
    cluster: NodeCluster, node: NodeId, key: bytes, new: bytes, request_id: str
) -> Outcome:
    """A write that is repeated under its id until its outcome is known."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await cluster[node].service.put(request_id, key, new)
            except (Rejected, OutcomeUnknown):
                await asyncio.sleep(0.01)


async def assert_same_state(cluster: NodeCluster) -> None:
    await cluster.level()
    first, *others = (node.machine for node in cluster.running.values())
    for machine in others:
        assert machine.revision == first.revision
        assert dict(machine._store) == dict(first._store)
        assert list(machine._outcomes) == list(first._outcomes)
