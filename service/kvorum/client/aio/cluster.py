"""The cluster itself."""

from kvorum.client.aio.backup import Backup
from kvorum.client.aio.shell import Shell
from kvorum.client.calls import cluster
from kvorum.client.errors import ClientError
from kvorum.client.model import Members, NodeStatus
from kvorum.client.routing import lone_router


class Cluster:
    """State, members, history and backups: ``client.cluster``."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    async def members(self, *, timeout_s: float | None = None) -> Members:
        """The membership; what only the leader knows is None if another node answered."""
        return await self._shell.run(cluster.members(), timeout_s)

    async def status(self, *, timeout_s: float = 3.0) -> tuple[NodeStatus, ...]:
        """What each endpoint says of itself, all asked at once; never raises for a silent one."""

        async def ask(endpoint: str) -> NodeStatus:
            try:
                router = lone_router(endpoint)
                return await self._shell.run(cluster.info(), timeout_s, router=router)
            except ClientError as error:
                return NodeStatus(endpoint, error=error.detail)

        return await self._shell.each(ask, self._shell.router.endpoints)

    async def compact(
        self,
        revision: int | None = None,
        *,
        keep_revisions: int | None = None,
        request_id: str = "",
        timeout_s: float | None = None,
    ) -> int:
        """Forget what came before ``revision``, or all but so many; the oldest that is left."""
        call = cluster.compact(revision, keep_revisions=keep_revisions, request_id=request_id)
        return await self._shell.run(call, timeout_s)

    def snapshot(self, *, timeout_s: float | None = None) -> Backup:
        """A backup of the whole store as a file's bytes; ``timeout_s`` is for its beginning."""
        return Backup(self._shell, timeout_s)
