"""Three nodes, a collector, and the traces of a write and a read through a follower, as trees.

``python -m bench.trace_of_a_write [--through leader]``. Each line has the span's begin and its
length in milliseconds, its node and its attributes.
"""

import argparse
import json
import secrets
import urllib.request
from collections.abc import Iterator, Sequence

from bench.local_cluster import LocalCluster, local_cluster
from tests.support.otlp_receiver import Received, otlp_receiver

_COMMON = ("kvorum.fsync", "kvorum.apply")
OF_A_WRITE = (
    *("kvorum.propose", "kvorum.append", "kvorum.commit", *_COMMON),
    *2 * ("kvorum.replicate", "kvorum.follow", *_COMMON),
)
OF_A_READ = ("kvorum.read_index", "kvorum.read")
_BORING = ("url.scheme", "server.address", "server.port", "network.protocol.version", "http.route")


def tree(spans: Sequence[Received]) -> Iterator[str]:
    """One line for each span, children below their parents, in the order of their begins."""
    began_ns = min(span.start_ns for span in spans)
    known = {span.span_id for span in spans}

    def lines(parent_id: str, depth: int) -> Iterator[str]:
        for span in sorted(spans, key=lambda each: each.start_ns):
            if (span.parent_id if span.parent_id in known else "") == parent_id:
                yield _line(span, began_ns, depth)
                yield from lines(span.span_id, depth + 1)

    yield "   begin   length  span                       node    attributes"
    yield from lines("", 0)


def _line(span: Received, began_ns: int, depth: int) -> str:
    begin_ms, length_ms = (span.start_ns - began_ns) / 1e6, (span.end_ns - span.start_ns) / 1e6
    name = "  " * depth + span.name + " (failed)" * span.failed
    told = " ".join(
        f"{name.removeprefix('kvorum.')}={value}"
        for name, value in span.attributes.items()
        if name not in _BORING
    )
    return f"{begin_ms:8.2f} {length_ms:8.2f}  {name:<26} {span.node:<7} {told}".rstrip()


def request(cluster: LocalCluster, node: int, method: str, trace_id: str = "") -> None:
    """One write or read of a key; of that trace, if it is given."""
    body = json.dumps({"value": "x" * 256}).encode() if method == "PUT" else None
    headers = {"Content-Type": "application/json"} if body else {}
    if trace_id:
        headers["traceparent"] = f"00-{trace_id}-{secrets.token_hex(8)}-01"
    made = urllib.request.Request(
        cluster.url(node, "/key/greeting"), data=body, headers=headers, method=method
    )
    with urllib.request.urlopen(made, timeout=10) as answer:
        answer.read()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--through", choices=("leader", "follower"), default="follower")
    through = parser.parse_args().through
    with otlp_receiver() as receiver:
        settings = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
            "OTEL_TRACES_SAMPLER_ARG": "0",
        }
        with local_cluster(3, settings) as cluster:
            leader = cluster.leader()
            node = leader if through == "leader" else leader % 3 + 1
            of_a_read = OF_A_READ if node == leader else (*OF_A_READ, "kvorum.confirm")
            for method, expected in (("PUT", OF_A_WRITE), ("GET", of_a_read)):
                for _ in range(20):  # warm
                    request(cluster, node, method)
                trace_id = secrets.token_hex(16)
                request(cluster, node, method, trace_id)
                print(f"\n{method} through the {through}, trace {trace_id}")
                spans = receiver.await_trace(trace_id, (f"{method} /key/{{key}}", *expected))
                print("\n".join(tree(spans)))


if __name__ == "__main__":
    main()
