"""Queries that may rightly be empty in health, and why; promtool proves that they work."""

from collections.abc import Mapping

from msgspec import Struct


class Rare(Struct, frozen=True):
    """``query`` is the panel's name with the query's letter.

    Of ``series``, one sample a minute, it shows ``expected`` after five minutes.
    """

    query: str
    reason: str
    series: Mapping[str, str]
    expected: Mapping[str, float]


def _node(metric: str, labels: str) -> str:
    return f'{metric}{{job="kvorum", instance="n1", {labels}}}'


_ALERT = 'ALERTS{alertname="KvorumNoLeader", alertstate="firing", job="kvorum"}'
_OTHERS_ALERT = 'ALERTS{alertname="KvorumNoLeader", alertstate="firing", job="other"}'

RARE = (
    Rare(
        "API: Spans A",
        "tracing is off unless it is asked for",
        {_node("kvorum_spans_total", 'result="exported"'): "0+60x9"},
        {'{result="exported"}': 1},
    ),
    Rare(
        "Overview: Alerts that fire or are about to A",
        "nothing fires in health",
        {_ALERT: "1x9", _OTHERS_ALERT: "1x9"},
        {_ALERT: 1},
    ),
    Rare(
        "Overview: Failures by status A",
        "no request has failed yet",
        {
            _node("kvorum_http_requests_total", 'route="/key/{key}", status="503"'): "0+60x9",
            _node("kvorum_http_requests_total", 'route="/readyz", status="503"'): "0+60x9",
            _node("kvorum_http_requests_total", 'route="/key/{key}", status="200"'): "0+60x9",
        },
        {'{status="503"}': 1},
    ),
    Rare(
        "Raft: Refused calls of other nodes A",
        "no node has called that is not welcome",
        {_node("kvorum_peer_refused_calls_total", 'kind="unknown_member"'): "0+60x9"},
        {'{instance="n1", kind="unknown_member"}': 1},
    ),
    Rare(
        "Raft: Messages thrown away A",
        "no link has been down with messages for it",
        {
            _node("kvorum_peer_dropped_messages_total", 'peer="n2", reason="full"'): "0+60x9",
            _node("kvorum_peer_dropped_messages_total", 'peer="n3", reason="full"'): "0+60x9",
        },
        {'{instance="n1", reason="full"}': 2},
    ),
)
