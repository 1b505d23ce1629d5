"""What a new user can do with a cluster that has just come up."""

from collections.abc import Sequence

from kvorum.cli.dev.child import Child
from kvorum.cli.dev.leader import Leader
from kvorum.cli.dev.plan import nearby
from kvorum.cli.urls import rest_url

_JSON = "-H 'Content-Type: application/json'"


def welcome(children: Sequence[Child], leader: Leader) -> str:
    """Commands with real addresses, ready to copy."""
    first = rest_url(children[0].plan.settings.rest_address)
    other = rest_url(children[1 % len(children)].plan.settings.rest_address)
    every = ",".join(rest_url(child.plan.settings.rest_address) for child in children)
    logs = nearby(children[0].plan.log_file.parent)
    lines = [
        "",
        "  For `kvorum put`, `get`, `watch` and the others, in another terminal:",
        f"    export KVORUM_ENDPOINT={every}",
        "",
        "  Write through one node, read through another:",
        f'    curl -X POST {first}/key/greeting {_JSON} -d \'{{"value": "hello"}}\'',
        f"    curl {other}/key/greeting",
        "",
        f"  Try every route in a browser:  {first}/swagger/index.html",
        f"  Who leads, and how all are:    kvorum status --endpoint {every}",
        f"  Metrics:                       curl {first}/metrics",
        f"  Logs:                          tail -f {logs}/*.log",
        *_crash_lines(children, leader),
        "",
        "  Ctrl-C stops all nodes; their data stays.",
        "",
    ]
    return "\n".join(lines)


def _crash_lines(children: Sequence[Child], leader: Leader) -> list[str]:
    """Nothing is said of a leader that runs elsewhere."""
    return [
        f"  Crash the leader:              kill -9 {child.pid}; then, in a terminal of its own, "
        f"{child.plan.restart_command}"
        for child in children
        if child.plan.name == leader.name and len(children) > 1
    ]
