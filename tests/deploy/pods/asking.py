"""What the nodes in the pods say of themselves and of each other."""

from typing import Any

from tests.chaos.rest_client import Broken, NotSent, RestClient
from tests.chaos.waiting import eventually
from tests.deploy.pods.cluster import Cluster

REST_PORT = 8081
Members = dict[str, str]
"""Role by pod name; an address stands for a member that was never heard of."""


class Nodes:
    """Of one StatefulSet, by ordinal."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def ask(self, ordinal: int, path: str) -> dict[str, Any] | None:
        """The JSON of an answer; None: there is none."""
        pod = self._cluster.stateful_set.pods.get(ordinal)
        if pod is None or not pod.ip:
            return None
        with RestClient({0: (pod.ip, REST_PORT)}) as client:
            try:
                answer = await client.ask(0, "GET", path, timeout_s=2.0)
            except (NotSent, Broken):
                return None
        return dict(answer.body)

    async def leader(self) -> int:
        """Once all pods that are there agree on it."""

        async def agreed() -> str:
            answers = [
                await self.ask(ordinal, "/cluster/info")
                for ordinal in tuple(self._cluster.stateful_set.pods)
            ]
            names = {answer["leaderId"] if answer else "" for answer in answers}
            return names.pop() if len(names) == 1 else ""

        name = await eventually("all nodes agree on a leader", agreed)
        return int(name.rpartition("-")[2])

    async def term(self) -> int:
        """The leader's: it grows by one for every election that was won, and some that were not."""
        info = await self.ask(await self.leader(), "/cluster/info")
        assert info is not None, "the leader does not answer"
        return int(info["info"]["currentTerm"])

    async def members(self) -> Members:
        """As the leader knows them."""
        found = await self.ask(await self.leader(), "/cluster/members")
        assert found is not None, "the leader does not answer"
        return {member["name"] or member["address"]: member["role"] for member in found["members"]}

    async def become(self, expected: Members) -> None:
        """Wait until these are the members."""

        async def so() -> bool:
            return await self.members() == expected

        await eventually(f"the members are {expected}", so)

    async def revision(self, ordinal: int) -> int:
        info = await self.ask(ordinal, "/cluster/info")
        assert info is not None, f"node {ordinal} does not answer"
        return int(info["info"]["revision"])


def voters(count: int, *, name: str = "kvorum") -> Members:
    """The first ``count`` pods, all of them voters."""
    return {f"{name}-{ordinal}": "voter" for ordinal in range(count)}
