"""Calls that this node's gRPC server answers, by method and code."""

from prometheus_client import CollectorRegistry

from kvorum.telemetry.distribution import Distribution
from kvorum.telemetry.meters import Family, Label, Topic
from kvorum.telemetry.rest_metrics import REQUEST_BUCKETS_S

_METHOD = Label("method", "`package.Service/Method` of what the server has, else `other`")
_CODE = Label("code", "name of the gRPC status: `OK`, `CANCELLED`, `UNAVAILABLE`, …")


class GrpcMetrics(Topic):
    """Fits the transport's observer of calls; what travels on a stream costs nothing here."""

    title = "gRPC"

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._durations: dict[str, Distribution] = {}
        self._open: dict[str, int] = {}
        self._requests = self.counters(
            "kvorum_grpc_requests_total",
            "gRPC calls that have ended, by method and code. A stream counts when it ends: "
            "between nodes with UNAVAILABLE or CANCELLED when a node stops, of watches with "
            "CANCELLED when the reader has enough.",
            _METHOD,
            _CODE,
        )
        self.add(
            Family(
                "kvorum_grpc_streams",
                "gauge",
                "gRPC streams that are open: one from each peer, one for each watch.",
                (_METHOD,),
            ),
            lambda: [((method,), count) for method, count in self._open.items()],
        )
        self.add(
            Family(
                "kvorum_grpc_request_duration_seconds",
                "histogram",
                "Time to answer a gRPC call that is no stream.",
                (_METHOD,),
            ),
            lambda: [((method,), durations) for method, durations in self._durations.items()],
        )
        registry.register(self)

    def answered(self, method: str, code: str, seconds: float) -> None:
        """A call that is no stream has ended."""
        self._requests.inc(method, code)
        durations = self._durations.get(method)
        if durations is None:
            durations = self._durations[method] = Distribution(REQUEST_BUCKETS_S)
        durations.observe(seconds)

    def unknown(self) -> None:
        """Somebody asked for a method that this server does not have."""
        self._requests.inc("other", "UNIMPLEMENTED")

    def opened(self, method: str) -> None:
        """A stream has begun."""
        self._open[method] = self._open.get(method, 0) + 1

    def closed(self, method: str, code: str) -> None:
        """A stream has ended."""
        self._open[method] -= 1
        self._requests.inc(method, code)
