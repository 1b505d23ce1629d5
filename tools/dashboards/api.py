"""API: what clients ask over HTTP and gRPC, watches, and the process that answers."""

from tools.dashboards.promql import CLIENTS, KEYS, increase, quantile, rate
from tools.dashboards.spec import RED, YELLOW, Dashboard, Kind, Panel, Query, Row, above

_TENTH = 'le="0.1"'
_ASKED = rate("kvorum_http_requests_total", "instance", CLIENTS)
_FAILED = rate("kvorum_http_requests_total", "instance", f'status=~"5..", {CLIENTS}')

_REST = (
    Panel(
        "Requests by route",
        "Answered requests a second. Streams (watches) count when they end.",
        [Query(rate("kvorum_http_requests_total", "method, route"), "{{method}} {{route}}")],
        unit="reqps",
    ),
    Panel(
        "Requests by status",
        "2xx in health; 404, 409 and 412 are answers to what clients asked. 429: overloaded; 503: "
        "no leader; 504: outcome unknown; 507: quota.",
        [Query(rate("kvorum_http_requests_total", "status", CLIENTS), "{{status}}")],
        Kind.STACK,
        "reqps",
    ),
    Panel(
        "Share of failures by node",
        "500 and above, without probes and scrapes. One node alone: it is cut off or does not "
        "serve; all: no leader. docs/runbooks/failing-requests.md.",
        [
            Query(
                f"({_FAILED} or 0 * {_ASKED}) / {_ASKED}",
                "{{instance}}",
            )
        ],
        unit="percentunit",
        steps=above((0.01, YELLOW), (0.05, RED)),
    ),
    Panel(
        "Latency by route (p99)",
        "From arrival until the answer was sent, for routes that answer at once. Above half a "
        "second: docs/runbooks/slow-requests.md.",
        [
            Query(
                quantile(0.99, "kvorum_http_request_duration_seconds", "method, route", KEYS),
                "{{method}} {{route}}",
            )
        ],
        unit="s",
        steps=above((0.512, RED)),
    ),
    Panel(
        "Latency by node (p50)",
        "A follower takes a round trip to the leader more than the leader. One node that is "
        "slower than that is overloaded or far away.",
        [
            Query(
                quantile(0.5, "kvorum_http_request_duration_seconds", "instance", KEYS),
                "{{instance}}",
            )
        ],
        unit="s",
    ),
    Panel(
        "Requests by duration",
        "All requests for keys: how many took how long. A second band are requests that waited "
        "for an election or a slow disk.",
        [Query(rate("kvorum_http_request_duration_seconds_bucket", "le", KEYS), "{{le}}")],
        Kind.HEATMAP,
        "s",
    ),
)

_GRPC = (
    Panel(
        "Calls by method and code",
        "Finished gRPC calls a second. The nodes' own streams finish only when a connection ends: "
        "CANCELLED and UNAVAILABLE there are restarts.",
        [Query(rate("kvorum_grpc_requests_total", "method, code"), "{{method}} {{code}}")],
        unit="reqps",
    ),
    Panel(
        "Open streams",
        "Streams of other nodes and of watches over gRPC. Constant in health.",
        [
            Query(
                "sum by (instance, method) (kvorum_grpc_streams{@node})", "{{instance}} {{method}}"
            )
        ],
    ),
    Panel(
        "Unary calls (p99)",
        "From a call's arrival until its answer, for calls that are not streams.",
        [Query(quantile(0.99, "kvorum_grpc_request_duration_seconds", "method"), "{{method}}")],
        unit="s",
        nothing="no calls",
    ),
)

_WATCHES = (
    Panel(
        "Open watches",
        "Watches over HTTP and gRPC on each node; at WATCHERS_MAX (20,000) further ones get 429.",
        [Query("kvorum_watchers{@node}", "{{instance}}")],
    ),
    Panel(
        "Events sent",
        "Events that readers of watches have taken, a second.",
        [Query(rate("kvorum_watch_events_sent_total", "instance"), "{{instance}}")],
        unit="ops",
    ),
    Panel(
        "Ends of watches",
        "closed: by the reader; stopping: the node stops; lagging: read too slowly; compacted: "
        "asked for what is forgotten. Many of the last two: docs/runbooks/watches-cut-off.md.",
        [Query(increase("kvorum_watches_ended_total", "reason"), "{{reason}}")],
        Kind.BARS,
        nothing="none",
    ),
)

_PROCESS = (
    Panel(
        "Event-loop lag (p99)",
        "How late the node wakes up: everything on it suffers that delay, heartbeats included. A "
        "few milliseconds in health; above 50 ms it has too much to do for one core.",
        [Query(quantile(0.99, "kvorum_event_loop_lag_seconds", "instance"), "{{instance}}")],
        unit="s",
        steps=above((0.05, YELLOW), (0.25, RED)),
    ),
    Panel(
        "Time in garbage collection",
        "Share of the time in which Python's garbage collector stopped the node; below 2 %.",
        [Query(rate("kvorum_gc_pause_seconds_sum", "instance"), "{{instance}}")],
        unit="percentunit",
        steps=above((0.05, YELLOW)),
    ),
    Panel(
        "Long pauses",
        "Pauses of more than 100 ms for garbage collection. A full collection visits every "
        "object: it grows with the store, and near an election timeout it costs leadership. None "
        "in health.",
        [
            Query(
                f"{increase('kvorum_gc_pause_seconds_count', 'instance')} - "
                f"{increase('kvorum_gc_pause_seconds_bucket', 'instance', _TENTH)}",
                "{{instance}}",
            )
        ],
        Kind.BARS,
    ),
    Panel(
        "CPU",
        "Cores that each node uses; a node works on one core, with threads for disk and "
        "compression beside.",
        [Query("rate(process_cpu_seconds_total{@node}[$__rate_interval])", "{{instance}}")],
        steps=above((0.9, RED)),
    ),
    Panel(
        "Memory",
        "Resident memory. On Kubernetes leave a third below the limit: a snapshot and a restore "
        "take more for a while.",
        [Query("process_resident_memory_bytes{@node}", "{{instance}}")],
        unit="bytes",
    ),
    Panel(
        "File descriptors",
        "Open files and connections as a share of the limit. At the limit further clients are "
        "refused.",
        [Query("process_open_fds{@node} / process_max_fds{@node}", "{{instance}}")],
        unit="percentunit",
        steps=above((0.8, RED)),
    ),
    Panel(
        "Time since the start",
        "Of each node's process; it falls to 0 at a restart. Restarts that nobody asked for: "
        "docs/runbooks/restarting.md.",
        [Query("time() - process_start_time_seconds{@node}", "{{instance}}")],
        unit="s",
        width=12,
    ),
    Panel(
        "Spans",
        "Spans of traces a second: exported, dropped (the queue was full) or failed (the "
        "collector did not take them). No line while tracing is off. Lost spans hurt nobody but "
        "the reader of traces.",
        [Query(rate("kvorum_spans_total", "result"), "{{result}}")],
        unit="ops",
        width=12,
        nothing="tracing is off",
    ),
)

API = Dashboard(
    "api",
    "API",
    "What clients ask over HTTP and gRPC, watches, and the process that answers.",
    (
        Row("HTTP", _REST),
        Row("gRPC", _GRPC),
        Row("Watches", _WATCHES),
        Row("Process", _PROCESS),
    ),
)
