"""``/livez``, ``/readyz`` and ``/metrics``: for those who run a node."""

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from kvorum.node.service import KvService
from kvorum.rest.answer import TEXT_TYPE, Answer
from kvorum.rest.faults import NotReady

_UNCACHED = ((b"cache-control", b"no-store"),)


def live_answer() -> Answer:
    """That it is sent at all is the news: the event loop turns."""
    return Answer(200, b"ok", TEXT_TYPE, _UNCACHED)


def ready_answer(service: KvService, *, verbose: bool) -> Answer:
    """200 if requests should come here; raises :class:`NotReady`."""
    ready, reason = service.is_ready()
    details = f"\n{_standing(service)}" if verbose else ""
    if not ready:
        raise NotReady(f"not ready: {reason}{details}")
    return Answer(200, f"ok{details}".encode(), TEXT_TYPE, _UNCACHED)


def _standing(service: KvService) -> str:
    info = service.cluster_info()
    leader = service.leadership().leader_id or "none"
    return (
        f"node {info.node_id}: {info.role}, leader {leader}, term {info.current_term}, "
        f"applied {info.last_applied} of {info.commit_index} committed"
    )


def metrics_answer(registry: CollectorRegistry, accept: str) -> Answer:
    """The registry as Prometheus text or, if ``accept`` asks for it, as OpenMetrics."""
    try:
        encoder, content_type = choose_encoder(accept)
    except (TypeError, ValueError):  # a version that it cannot compare: any format will do
        encoder, content_type = choose_encoder("")
    return Answer(200, encoder(registry), content_type.encode("latin-1"), _UNCACHED)
