"""Clusters that are well, as series for promtool: nothing may fire on them.

An interval is 15 s. ``_xN`` is N scrapes without the series.
"""

from collections.abc import Sequence

from msgspec import Struct

Series = dict[str, str]


class Scenario(Struct, frozen=True):
    """``minutes``: when nothing may fire."""

    series: Series
    minutes: Sequence[int]


_COUNTERS = {  # what grows on every node of a cluster under load, by 15 s
    'kvorum_http_requests_total{status="200", method="PUT", route="/key/{key}"}': 15_000,
    'kvorum_http_requests_total{status="404", method="GET", route="/key/{key}"}': 3_000,
    'kvorum_http_requests_total{status="503", method="GET", route="/readyz"}': 3,
    "kvorum_proposals_committed_total": 15_000,
    'kvorum_grpc_requests_total{method="grpc.health.v1.Health/Check", code="OK"}': 3,
    'kvorum_watches_ended_total{reason="closed"}': 100,
}
_HISTOGRAMS = {  # the bucket that holds everything
    "kvorum_commit_duration_seconds": "0.004",
    "kvorum_apply_duration_seconds": "0.0005",
    "kvorum_wal_fsync_duration_seconds": "0.002",
    "kvorum_event_loop_lag_seconds": "0.01",
    'kvorum_http_request_duration_seconds{method="PUT", route="/key/{key}"}': "0.008",
    'kvorum_peer_round_trip_seconds{peer="n2"}': "0.004",
    'kvorum_gc_pause_seconds{generation="2"}': "0.1",
}
_QUIET_COUNTERS = (
    'kvorum_proposals_failed_total{reason="unknown"}',
    "kvorum_state_mismatches_total",
    "kvorum_snapshot_failures_total",
    'kvorum_stalls_total{cause="disk"}',
)


def node(name: str, gauges: dict[str, float], *, samples: int, busy: bool) -> Series:
    """``samples`` scrapes of one node."""
    series = {_with(f"kvorum_{key}", name): f"{value}x{samples}" for key, value in gauges.items()}
    series[_with('kvorum_build_info{version="0.1.0"}', name)] = f"1x{samples}"
    series[_with("up", name)] = f"1x{samples}"
    for counter in _QUIET_COUNTERS:
        series[_with(counter, name)] = f"0x{samples}"
    for counter, step in _COUNTERS.items():
        series[_with(counter, name)] = f"0+{step if busy else 0}x{samples}"
    for histogram, bound in _HISTOGRAMS.items():
        series |= _histogram(histogram, bound, name, samples, 100 if busy else 1)
    return series


def _histogram(histogram: str, bound: str, name: str, samples: int, step: int) -> Series:
    metric, _, labels = histogram.partition("{")
    rest = labels.removesuffix("}")
    bounds = ("0.00001", bound, "0.25", "+Inf")
    buckets = {f'{metric}_bucket{{le="{le}"{", " if rest else ""}{rest}}}': le for le in bounds}
    grown = f"0+{step}x{samples}"
    series = {
        _with(bucket, name): f"0x{samples}" if le == bounds[0] else grown
        for bucket, le in buckets.items()
    }
    return {**series, _with(f"{metric}_count{'{' + labels if labels else ''}", name): grown}


def _with(series: str, name: str) -> str:
    metric, _, labels = series.partition("{")
    rest = f", {labels}" if labels else "}"
    return f'{metric}{{job="kv", instance="{name}"{rest}'


def gauges(size: int, *, leads: bool, term: int = 7) -> dict[str, float]:
    known: dict[str, float] = {
        "has_leader": 1,
        "is_leader": int(leads),
        "is_learner": 0,
        "is_serving": 1,
        "term": term,
        "voters": size,
        "learners": 0,
        "commit_index": 5000,
        "applied_index": 5000,
        "store_bytes": 10_000,
        "store_quota_bytes": 2**31,
        "store_is_full": 0,
        "leader_changes_total": 1,
        "data_free_bytes": 8e9,
        "data_size_bytes": 1e10,
    }
    on_leader = {"active_voters": size, "quorum_margin": size - (size // 2 + 1)}
    return {**known, **on_leader} if leads else known


def cluster(size: int, *, busy: bool, samples: int = 340) -> Series:
    """85 minutes of ``size`` nodes of which the first leads."""
    series: Series = {}
    for number in range(1, size + 1):
        leads = number == 1
        series |= node(f"n{number}", gauges(size, leads=leads), samples=samples, busy=busy)
    return series


def _founding() -> Series:
    """Two of three new nodes wait ten minutes for the third's volume."""
    series: Series = {}
    for name in ("n1", "n2"):
        later = "0x39 1x300"
        series |= {
            _with("kvorum_has_leader", name): later,
            _with("kvorum_term", name): later,
            _with("kvorum_is_leader", name): later if name == "n1" else "0x340",
            _with('kvorum_build_info{version="0.1.0"}', name): "1x340",
            _with("kvorum_voters", name): "3x340",
            _with("kvorum_is_learner", name): "0x340",
            _with("kvorum_leader_changes_total", name): later,
        }
    return series


_AWAY = 4  # scrapes that fail while a node restarts: a minute
_APART = 8  # scrapes from one restart to the next
_FIRST = 40
_ALL = 340


def _rolling() -> Series:
    """Each of five restarts, from n5 down to n1, which has led; then n2 leads."""
    series: Series = {}
    for position, name in enumerate(("n5", "n4", "n3", "n2", "n1")):
        leaves = _FIRST + _APART * position
        for metric, (before, after) in _RESTARTED.items():
            series[_with(metric, name)] = _away(before, after, leaves)
        series[_with("up", name)] = _row((1, leaves), (0, _AWAY), (1, _ALL - leaves - _AWAY))
        if name not in ("n1", "n2"):
            series[_with("kvorum_is_leader", name)] = _away("0", "0", leaves)
    last = _FIRST + _APART * 4
    series[_with("kvorum_is_leader", "n1")] = _away("1", "0", last)
    n2_back = _FIRST + _APART * 3 + _AWAY
    rest = _row((0, last - n2_back), (1, _ALL - last))
    series[_with("kvorum_is_leader", "n2")] = f"{_away('0', '0', n2_back - _AWAY, n2_back)} {rest}"
    for metric, well in (("kvorum_active_voters", 5), ("kvorum_quorum_margin", 2)):
        one_less = ((well - 1, _AWAY), (well, _APART - _AWAY))
        series[_with(metric, "n1")] = f"{_row((well, _FIRST), *one_less * 4)} stale"
        follows = _row((well - 1, _AWAY), (well, _ALL - last - _AWAY))
        series[_with(metric, "n2")] = f"{_row(('_', last))} {follows}"
    return series


_RESTARTED = {  # before and after
    "kvorum_has_leader": ("1", "1"),
    "kvorum_is_learner": ("0", "0"),
    "kvorum_is_serving": ("1", "1"),
    "kvorum_voters": ("5", "5"),
    "kvorum_term": ("7", "8"),
    "kvorum_leader_changes_total": ("3", "2"),
    "process_start_time_seconds": ("100", "900"),
    'kvorum_build_info{version="0.1.0"}': ("1", "_"),
    'kvorum_build_info{version="0.2.0"}': ("_", "1"),
}


def _row(*parts: tuple[float | str, int]) -> str:
    return " ".join(str(value) for value, count in parts for _ in range(count))


def _away(before: str, after: str, leaves: int, until: int = _ALL) -> str:
    """``before`` until the node leaves, nothing for a minute, then ``after``."""
    back = leaves + _AWAY
    parts = [_row((before, leaves), ("stale", 1), ("_", _AWAY - 1)), _row((after, until - back))]
    return " ".join(filter(None, parts))


def _bulk_load() -> Series:
    """60 % of the quota within ten minutes, and then nothing more."""
    return {
        _with('kvorum_build_info{version="0.1.0"}', "n1"): "1x1000",
        _with("kvorum_store_quota_bytes", "n1"): "1000x1000",
        _with("kvorum_store_bytes", "n1"): "0+15x40 600x960",
    }


SCENARIOS = {
    "five idle nodes": Scenario(cluster(5, busy=False), (1, 20, 80)),
    "three busy nodes": Scenario(cluster(3, busy=True), (1, 20, 80)),
    "one node": Scenario(cluster(1, busy=False), (1, 20, 80)),
    "two nodes": Scenario(cluster(2, busy=False), (1, 20, 80)),
    "a cluster that is founded slowly": Scenario(_founding(), (5, 10, 11, 40)),
    "an upgrade": Scenario(_rolling(), (9, 11, 13, 15, 17, 19, 21, 25, 40, 80)),
    "a bulk load": Scenario(_bulk_load(), (15, 30, 60, 90, 120)),
}
