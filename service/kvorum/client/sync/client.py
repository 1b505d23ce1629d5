# Generated from ../aio/client.py by tools/generate_client.py.
"""The synchronous client."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import httpx

from kvorum.client.attempts import Limits
from kvorum.client.calls import keys, ranges
from kvorum.client.calls.ranges import Range
from kvorum.client.errors import NotFound
from kvorum.client.feeds import HEARTBEAT_S, Watched, WatchFeed
from kvorum.client.model import (
    MISSING,
    BatchResult,
    Json,
    KeyValue,
    Outcome,
    RangeDeleted,
    TxnResult,
    Written,
)
from kvorum.client.paging import PAGE_SIZE, Pager
from kvorum.client.routing import parse_endpoints
from kvorum.client.sync.claims import Elections, Leadership, Lock, Locks
from kvorum.client.sync.cluster import Cluster
from kvorum.client.sync.lease import Lease, OnLost
from kvorum.client.sync.leases import Leases
from kvorum.client.sync.shell import Shell
from kvorum.client.sync.streams import RangeItems, Watch
from kvorum.client.txn import Comparison, Operation, Write

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider


class Client(Shell):
    """A kvorum cluster, by some or all of its nodes, which threads may share.

    ``endpoints`` are REST URLs: "http://a:8081,http://b:8082", or a sequence of them. The client
    stays with one that works, prefers the leader's, and goes on to another when one fails.

    ``timeout_s`` limits each call with all its attempts, and can be given per call. Within it
    everything is retried that is safe to retry; writes are, because each one carries a request
    id of its own. See ``kvorum.client.errors`` for what calls raise.

    ``tracer_provider`` (OpenTelemetry) turns on a span per call; ``transport`` replaces httpx's
    own, for TLS settings or tests.
    """

    def __init__(
        self,
        endpoints: str | Sequence[str] = "http://localhost:8081",
        *,
        timeout_s: float = 15.0,
        connect_timeout_s: float = 1.5,
        attempt_timeout_s: float = 6.0,
        tracer_provider: "TracerProvider | None" = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(
            parse_endpoints(endpoints),
            Limits(timeout_s, connect_timeout_s, attempt_timeout_s),
            tracer_provider=tracer_provider,
            transport=transport,
        )
        self.leases = Leases(self)
        self.locks = Locks(self)
        self.elections = Elections(self)
        self.cluster = Cluster(self)

    def get(
        self,
        key: str,
        *,
        revision: int = 0,
        stale: bool = False,
        timeout_s: float | None = None,
    ) -> KeyValue:
        """What ``key`` holds, now or at a revision; :class:`NotFound` if it does not exist.

        Sees every write that was acknowledged before; a ``stale`` read is what one node knows,
        and works without a majority. Raises :class:`Compacted` and :class:`FutureRevision`.
        """
        return self.run(keys.get(key, revision=revision, stale=stale), timeout_s)

    def value(
        self,
        key: str,
        default: Any = MISSING,
        *,
        revision: int = 0,
        stale: bool = False,
        timeout_s: float | None = None,
    ) -> Any:
        """The value alone: JSON or bytes; of a missing key ``default``, if that is given."""
        try:
            found = self.get(key, revision=revision, stale=stale, timeout_s=timeout_s)
        except NotFound:
            if default is MISSING:
                raise
            return default
        return found.value

    def put(
        self,
        key: str,
        value: Json | bytes,
        *,
        content_type: str = "",
        ttl_s: float | None = None,
        lease: str = "",
        if_revision: int | None = None,
        if_absent: bool = False,
        previous: bool = False,
        request_id: str = "",
        timeout_s: float | None = None,
    ) -> Written:
        """Set ``key`` to a JSON value, or to bytes of a content type.

        With ``ttl_s`` it vanishes so many seconds later, with ``lease`` when that one ends.
        ``if_revision`` (the key's mod revision) and ``if_absent`` make it conditional:
        :class:`PreconditionFailed`. ``previous`` asks for what the key held before.
        ``request_id`` repeats an earlier write whose outcome is unknown.
        """
        call = keys.put(
            key,
            value,
            content_type=content_type,
            ttl_s=ttl_s,
            lease=lease,
            if_revision=if_revision,
            if_absent=if_absent,
            previous=previous,
            request_id=request_id,
        )
        return self.run(call, timeout_s)

    def delete(
        self,
        key: str,
        *,
        if_revision: int | None = None,
        missing_ok: bool = False,
        previous: bool = False,
        request_id: str = "",
        timeout_s: float | None = None,
    ) -> Written:
        """Remove ``key``; :class:`NotFound` if it does not exist, unless that is fine."""
        call = keys.delete(
            key,
            if_revision=if_revision,
            missing_ok=missing_ok,
            previous=previous,
            request_id=request_id,
        )
        return self.run(call, timeout_s)

    def cas(
        self,
        key: str,
        old: Json,
        new: Json,
        *,
        request_id: str = "",
        timeout_s: float | None = None,
    ) -> Written:
        """Set ``key`` to ``new`` if it holds ``old``, compared as JSON.

        Otherwise :class:`ValueMismatch`, or :class:`NotFound`.
        """
        return self.run(keys.cas(key, old, new, request_id=request_id), timeout_s)

    def outcome(self, request_id: str, *, timeout_s: float | None = None) -> Outcome:
        """What became of the write under this id, after an :class:`OutcomeUnknown`."""
        return self.run(keys.outcome(request_id), timeout_s)

    def range(
        self,
        *,
        prefix: str | None = None,
        start: str | None = None,
        end: str | None = None,
        limit: int | None = None,
        reverse: bool = False,
        keys_only: bool = False,
        revision: int = 0,
        stale: bool = False,
        page_size: int = PAGE_SIZE,
        timeout_s: float | None = None,
    ) -> RangeItems:
        """Iterate over keys in order, all as of one revision; fetched page by page.

        Either ``prefix``, or from ``start`` up to, but without, ``end``; neither: all keys.
        ``timeout_s`` is for each page.
        """
        asked = Range(
            prefix=prefix,
            start=start,
            end=end,
            reverse=reverse,
            keys_only=keys_only,
            revision=revision,
            stale=stale,
        )
        return RangeItems(self, Pager(asked.page, limit=limit, page_size=page_size), timeout_s)

    def count(
        self,
        *,
        prefix: str | None = None,
        start: str | None = None,
        end: str | None = None,
        revision: int = 0,
        stale: bool = False,
        timeout_s: float | None = None,
    ) -> int:
        """How many keys there are in a range, chosen as in :meth:`range`."""
        asked = Range(prefix=prefix, start=start, end=end, revision=revision, stale=stale)
        return self.run(ranges.count(asked), timeout_s)

    def delete_range(
        self,
        *,
        prefix: str | None = None,
        start: str | None = None,
        end: str | None = None,
        limit: int | None = None,
        everything: bool = False,
        request_id: str = "",
        timeout_s: float | None = None,
    ) -> RangeDeleted:
        """Remove the keys of a range, at most ``limit``, in one step; see ``more`` of the result.

        The whole store only with ``everything=True``.
        """
        call = ranges.delete_range(
            prefix=prefix,
            start=start,
            end=end,
            limit=limit,
            everything=everything,
            request_id=request_id,
        )
        return self.run(call, timeout_s)

    def txn(
        self,
        *,
        when: Comparison | Iterable[Comparison] = (),
        then: Operation | Iterable[Operation] = (),
        otherwise: Operation | Iterable[Operation] = (),
        request_id: str = "",
        timeout_s: float | None = None,
    ) -> TxnResult:
        """If all of ``when`` holds do ``then``, else ``otherwise``: one atomic step, one revision.

        The words for it are in :mod:`kvorum.client.txn`; up to 512 in all.
        """
        return self.run(ranges.txn(when, then, otherwise, request_id=request_id), timeout_s)

    def batch(
        self,
        operations: Write | Iterable[Write],
        *,
        request_id: str = "",
        timeout_s: float | None = None,
    ) -> BatchResult:
        """Puts and deletes that are done together, at one revision, or not at all."""
        return self.run(ranges.batch(operations, request_id=request_id), timeout_s)

    def watch(
        self,
        key: str | None = None,
        *,
        prefix: str | None = None,
        start: str | None = None,
        end: str | None = None,
        from_revision: int | None = None,
        previous: bool = False,
        puts: bool = True,
        deletes: bool = True,
        heartbeat_s: int = HEARTBEAT_S,
        timeout_s: float | None = None,
        outage_s: float | None = None,
    ) -> Watch:
        """Iterate over changes as they happen: of one key, or of a range as in :meth:`range`.

        From ``from_revision`` on (None: from now), each revision once, in order and whole. It
        resumes by itself, at other endpoints too, for as long as it takes or up to ``outage_s``;
        then it raises :class:`DeadlineExceeded`. :class:`Compacted` says that changes it would
        have to tell are forgotten: read the keys anew. ``timeout_s`` is for opening it.
        """
        watched = Watched(
            key=key,
            prefix=prefix,
            start=start,
            end=end,
            from_revision=from_revision,
            previous=previous,
            puts=puts,
            deletes=deletes,
            heartbeat_s=heartbeat_s,
        )
        return Watch(self, WatchFeed(watched), timeout_s=timeout_s, outage_s=outage_s)

    def lease(self, ttl_s: float, *, lease_id: str = "", on_lost: OnLost | None = None) -> Lease:
        """A lease of ``ttl_s`` that is kept alive within ``with``; put keys under its ``id``."""
        return Lease(self, ttl_s, lease_id=lease_id, on_lost=on_lost)

    def lock(
        self,
        name: str,
        *,
        ttl_s: float = 10.0,
        lease: Lease | str | None = None,
        value: Json = None,
        wait_s: float | None = None,
        on_lost: OnLost | None = None,
    ) -> Lock:
        """A lock to be held within ``with``; its ``token`` fences off former holders.

        Waits for at most ``wait_s`` (None: for as long as it takes; 0: not at all), then
        :class:`Taken`. It is held under a lease of ``ttl_s`` that is kept alive (``on_lost`` tells
        that it was not), or under ``lease``, which the caller keeps: by its id alone ``lost`` can
        never be known.
        """
        return Lock(
            self, name, ttl_s=ttl_s, lease=lease, value=value, wait_s=wait_s, on_lost=on_lost
        )

    def campaign(
        self,
        name: str,
        value: Json = None,
        *,
        ttl_s: float = 10.0,
        lease: Lease | str | None = None,
        wait_s: float | None = None,
        on_lost: OnLost | None = None,
    ) -> Leadership:
        """Run in an election, and lead within ``with``; ``value`` is what observers see.

        Waits and leases as for :meth:`lock`; :attr:`elections` shows and observes leaders.
        """
        return Leadership(
            self, name, ttl_s=ttl_s, lease=lease, value=value, wait_s=wait_s, on_lost=on_lost
        )
