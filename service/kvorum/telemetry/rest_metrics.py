"""Requests over HTTP, by route template, method and status."""

from prometheus_client import CollectorRegistry

from kvorum.telemetry.distribution import Distribution
from kvorum.telemetry.meters import Family, Label, Series, Topic

REQUEST_BUCKETS_S = (
    *(250e-6, 500e-6, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064),
    *(0.128, 0.256, 0.512, 1.0, 2.0, 4.0, 8.0),
)

_ROUTE = Label("route", "a route's template as in `api/swagger.yaml`, else `other`")
_METHOD = Label(
    "method", "`GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`, `OPTIONS`, else `other`"
)
_STATUS = Label("status", "the answer's HTTP status")


class _Requests:
    """Requests of one route, method and status; durations are shared by all statuses."""

    __slots__ = ("count", "durations")

    def __init__(self, durations: Distribution) -> None:
        self.count = 0
        self.durations = durations


class RestMetrics(Topic):
    title = "HTTP"

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._requests: dict[tuple[str, str, int], _Requests] = {}
        self._durations: dict[tuple[str, str], Distribution] = {}
        self.add(
            Family(
                "kvorum_http_requests_total",
                "counter",
                "HTTP requests answered, by route template, method and status. 503: no leader, "
                "or this node stops; 504: the outcome is unknown; 507: the store is full; 429: "
                "overload. 500 is never normal: the log has it.",
                (_ROUTE, _METHOD, _STATUS),
            ),
            self._counts,
        )
        self.add(
            Family(
                "kvorum_http_request_duration_seconds",
                "histogram",
                "Time from a request's arrival until its answer was sent; watches and other "
                "streams last as long as their readers want.",
                (_ROUTE, _METHOD),
            ),
            lambda: list(self._durations.items()),
        )
        registry.register(self)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request: ``route`` and ``method`` from fixed lists."""
        requests = self._requests.get((route, method, status))
        if requests is None:
            requests = self._first_request(route, method, status)
        requests.count += 1
        requests.durations.observe(seconds)

    def _first_request(self, route: str, method: str, status: int) -> _Requests:
        durations = self._durations.get((route, method))
        if durations is None:
            durations = self._durations[route, method] = Distribution(REQUEST_BUCKETS_S)
        requests = self._requests[route, method, status] = _Requests(durations)
        return requests

    def _counts(self) -> Series:
        return [
            ((route, method, str(status)), requests.count)
            for (route, method, status), requests in self._requests.items()
        ]
