"""What the front end reports of every request, and under which labels."""

from typing import Protocol

KEY_ROUTE = "/key/{key}"
KEYS_ROUTE = "/keys"
TXN_ROUTE = "/txn"
BATCH_ROUTE = "/batch"
WATCH_ROUTE = "/watch"
OBSERVE_ROUTE = "/elections/{name}/observe"
SNAPSHOT_ROUTE = "/snapshot"
OTHER = "other"

_PLAIN_ROUTES = frozenset(
    {
        "/",
        BATCH_ROUTE,
        "/cluster/info",
        "/cluster/log",
        "/cluster/members",
        "/cluster/transfer",
        "/compact",
        "/elections",
        KEYS_ROUTE,
        "/leases",
        "/locks",
        SNAPSHOT_ROUTE,
        WATCH_ROUTE,
        TXN_ROUTE,
        "/livez",
        "/readyz",
        "/metrics",
        "/swagger",
    }
)
_TEMPLATES = {
    "/command/": "/command/{id}",
    "/elections/": "/elections/{name}",
    "/locks/": "/locks/{name}",
    "/swagger/": "/swagger/{asset}",
}
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RestObserver(Protocol):
    """Fits a set of metrics; called once a request, after its answer was sent."""

    def request(self, route: str, method: str, status: int, seconds: float) -> None: ...


class IgnoringObserver:
    """For those who measure elsewhere."""

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        pass


def route_label(path: str) -> str:
    """The route's template: a label must not take as many values as there are paths."""
    if path in _PLAIN_ROUTES:
        return path
    if path.startswith("/cluster/members/"):
        return "/cluster/members/{id}" + ("/promote" if path.endswith("/promote") else "")
    if path.startswith("/leases/"):
        return "/leases/{id}" + ("/keepalive" if path.endswith("/keepalive") else "")
    for prefix, template in _TEMPLATES.items():
        if path.startswith(prefix):
            return template
    return OTHER


def method_label(method: str) -> str:
    return method if method in _METHODS else OTHER
