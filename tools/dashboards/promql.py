"""Queries: text, in which ``{@}`` stands for the chosen cluster and ``{@node}`` for chosen nodes.

``{@, status="500"}`` adds to the choice. A rate is over ``$__rate_interval``, which Grafana keeps
wide enough for the scrape interval.
"""

CLUSTER = 'namespace=~"$namespace", job="$job"'
NODE = f'{CLUSTER}, instance=~"$node"'

WINDOW = "$__rate_interval"
KEYS = 'route=~"/key/{key}|/keys|/txn|/batch"'
"""Routes that answer at once: neither streams nor waiting for a lock."""
CLIENTS = 'route!~"/livez|/readyz|/metrics"'
"""Routes that clients use, not probes and scrapes."""


def chosen(expr: str) -> str:
    """``expr`` with the places for the choice filled in."""
    return expr.replace("{@node", "{" + NODE).replace("{@", "{" + CLUSTER)


def _by(labels: str) -> str:
    return f" by ({labels})" if labels else ""


def _selector(where: str, scope: str) -> str:
    return f"{{@{scope}, {where}}}" if where else f"{{@{scope}}}"


def rate(counter: str, by: str = "", where: str = "", *, scope: str = "node") -> str:
    """Per second, summed by the labels ``by``."""
    return f"sum{_by(by)} (rate({counter}{_selector(where, scope)}[{WINDOW}]))"


def increase(counter: str, by: str = "", where: str = "") -> str:
    """Growth within each step of the graph."""
    return f"sum{_by(by)} (increase({counter}{_selector(where, 'node')}[{WINDOW}]))"


def quantile(
    q: float, histogram: str, by: str = "", where: str = "", *, scope: str = "node"
) -> str:
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({q}, {rate(f'{histogram}_bucket', labels, where, scope=scope)})"


def share(part: str, whole: str) -> str:
    """0 to 1; 0 where nothing happens, so that a quiet cluster shows a line."""
    return f"({part}) / ({whole} > 0)"
