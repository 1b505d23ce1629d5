"""Everything that a front end may ask of a node."""

from asyncio import Future

from kvorum.mvcc.outcome import Outcome
from kvorum.node.views import ClusterInfo, Leadership, LogPage, ReadResult, Staleness


class KvService:
    """The node as REST and gRPC front ends see it.

    Writes and reads return a future that another task resolves; nothing here
    starts a task. A write's future fails with :class:`~kvorum.errors.Rejected`
    (certainly not applied) or :class:`~kvorum.errors.OutcomeUnknown`; a read's only
    with ``Rejected``. ``Forbidden`` and ``TooLarge`` are raised at once.
    """

    def new_request_id(self) -> str:
        """An id that no other request of any node has."""
        raise NotImplementedError

    def put(self, request_id: str, key: bytes, value: bytes) -> "Future[Outcome]":
        raise NotImplementedError

    def compare_and_set(
        self, request_id: str, key: bytes, expected: bytes, value: bytes
    ) -> "Future[Outcome]":
        raise NotImplementedError

    def delete(self, request_id: str, key: bytes) -> "Future[Outcome]":
        raise NotImplementedError

    def get(self, request_id: str, key: bytes) -> "Future[ReadResult]":
        """Linearizable (§6.4): one quorum round trip, no disk write."""
        raise NotImplementedError

    def get_stale(self, request_id: str, key: bytes) -> ReadResult:
        """This node's own state, however old; ``staleness`` says how old it may be."""
        raise NotImplementedError

    def find_command(self, request_id: str) -> Outcome | ReadResult | None:
        """What this node knows now of a request: an outcome, or a recent read made here."""
        raise NotImplementedError

    def catch_up(self) -> "Future[None]":
        """Done once everything acknowledged before the call is applied here (§6.4)."""
        raise NotImplementedError

    def leadership(self) -> Leadership:
        raise NotImplementedError

    def staleness(self) -> Staleness:
        raise NotImplementedError

    def cluster_info(self) -> ClusterInfo:
        raise NotImplementedError

    def cluster_log(self, first_index: int, limit: int) -> LogPage:
        """At most ``limit`` entries from ``first_index`` on, fewer if they are large."""
        raise NotImplementedError

    def is_ready(self) -> tuple[bool, str]:
        """Whether a leader is known and this node is caught up; if not, why not."""
        raise NotImplementedError
