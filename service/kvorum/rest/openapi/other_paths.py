"""Everything but ``/key/{key}`` in the document."""

from kvorum.errors import InvalidRequest, NoLeader
from kvorum.rest.faults import NotReady
from kvorum.rest.openapi.parts import (
    JsonObject,
    json_answer,
    problem_answer,
    sends,
    text_answer,
    uses,
)
from kvorum.rest.problems import INTERNAL, KINDS, UNEXPECTED_DETAIL
from kvorum.rest.schemas import ClusterInfoAnswer, ClusterLogAnswer, CommandAnswer, Index

_COMMON = {"isLeader": True, "leaderId": "Node-1"}
_MEMBERS = ["localhost:8001", "localhost:8002", "localhost:8003"]


def other_paths() -> JsonObject:
    """The path items in the order they are shown."""
    return {
        "/command/{id}": {"get": _command()},
        "/cluster/info": {"get": _cluster_info()},
        "/cluster/log": {"get": _cluster_log()},
        "/livez": {"get": _livez()},
        "/readyz": {"get": _readyz()},
        "/metrics": {"get": _metrics()},
        "/": {"get": _index()},
    }


def _operation(
    tag: str, operation: str, summary: str, description: str, responses: JsonObject
) -> JsonObject:
    internal = problem_answer("A defect of this node.", INTERNAL, UNEXPECTED_DETAIL, instance="/")
    return {
        "tags": [tag],
        "operationId": operation,
        "summary": summary,
        "description": description,
        "responses": dict(sorted((responses | {"500": internal}).items())),
    }


def _command() -> JsonObject:
    info = {
        "found": True,
        "value": {"colour": "green"},
        "message": "success",
        "success": True,
        "revision": 42,
        "createRevision": 7,
        "modRevision": 42,
        "version": 3,
    }
    responses = {
        "200": json_answer(CommandAnswer, "What is known; see `found`.", _COMMON | {"info": info}),
        "400": problem_answer(
            "The request id or a parameter cannot be understood.",
            KINDS[InvalidRequest],
            "the request id must be 1 to 128 visible ASCII characters without spaces, "
            'for example "order-4711-put"',
            instance="/command/a%20b",
        ),
        "503": problem_answer(
            "This node does not know the request and cannot catch up: no leader or no majority.",
            KINDS[NoLeader],
            "no leader is known; a majority of the nodes must be running",
            instance="/command/2a599fd1f6949ec5-1",
            extra={"isLeader": False, "leaderId": ""},
            headers={"Retry-After": sends("RetryAfter")},
        ),
    }
    operation = _operation(
        "commands",
        "findCommand",
        "What became of a request",
        "The outcome of a write is found on every node while outcomes are kept; the result of a "
        "recent read on the node that made it. `found: false` comes with status 200.",
        responses,
    )
    return operation | {"parameters": [uses("RequestIdInPath"), uses("CommandConsistency")]}


def _cluster_info() -> JsonObject:
    info = {
        "nodeId": "Node-1",
        "clusterId": "5f0c2a9e",
        "role": "leader",
        "currentTerm": 3,
        "commitIndex": 118,
        "lastApplied": 118,
        "lastIndex": 118,
        "revision": 42,
        "nextIndex": [119, 119, 118],
        "matchIndex": [118, 118, 117],
        "members": _MEMBERS,
        "peers": [
            {"node": "Node-2", "nextIndex": 119, "matchIndex": 118},
            {"node": "localhost:8003", "nextIndex": 118, "matchIndex": 117},
        ],
    }
    store = {
        "keys": 1204,
        "sizeBytes": 98304,
        "quotaBytes": 2147483648,
        "isFull": False,
        "revision": 42,
        "compactedRevision": 12,
        "historyRevisions": 30,
        "historyBytes": 8192,
        "leases": 3,
        "watchers": 5,
    }
    example = _COMMON | {"info": info, "store": store}
    return _operation(
        "cluster",
        "clusterInfo",
        "Where this node stands",
        "Answers at once, on every node, also without a leader.",
        {
            "200": json_answer(ClusterInfoAnswer, "Its state now.", example),
            "400": problem_answer(
                "There are parameters, but it takes none.",
                KINDS[InvalidRequest],
                "'verbose' is no parameter of this request; there are none",
                instance="/cluster/info",
            ),
        },
    )


def _cluster_log() -> JsonObject:
    command = {
        "id": "2a599fd1f6949ec5-1",
        "key": "colour",
        "subKey": "",
        "oldValue": None,
        "newValue": {"colour": "green"},
        "type": "set",
    }
    membership = {"voters": _MEMBERS, "outgoing": [], "learners": ["localhost:8006#7"], "heirs": []}
    entries = [
        {"index": 5, "term": 1, "committed": True, "command": None},
        {"index": 6, "term": 1, "committed": True, "command": command},
        {"index": 7, "term": 1, "committed": True, "command": None, "membership": membership},
    ]
    example = _COMMON | {"entries": entries, "firstIndex": 5, "lastIndex": 118, "nextFrom": 8}
    responses = {
        "200": json_answer(ClusterLogAnswer, "One page.", example),
        "400": problem_answer(
            "A parameter is unknown, not a number or out of range.",
            KINDS[InvalidRequest],
            "limit: Expected `int` <= 1000",
            instance="/cluster/log",
        ),
    }
    operation = _operation(
        "cluster",
        "clusterLog",
        "This node's log, page by page",
        "One item per command: an entry that holds several gives several items with one `index`; "
        "the entry that opens a term holds none and gives one item with `command: null`, as does "
        "one that changes the membership. `limit` counts entries; a page also ends early when it "
        "gets large. Go on at `nextFrom`. Entries that a snapshot covers may be gone: the log "
        "begins at `firstIndex`.",
        responses,
    )
    return operation | {"parameters": [uses("LogFrom"), uses("LogLimit")]}


def _livez() -> JsonObject:
    return _operation(
        "operations",
        "livez",
        "Is the process alive?",
        "Answers as long as the event loop turns.",
        {"200": text_answer("Alive.", "text/plain", "ok")},
    )


def _readyz() -> JsonObject:
    responses = {
        "200": text_answer("A leader is known and this node is caught up.", "text/plain", "ok"),
        "503": problem_answer(
            "Requests should go elsewhere for now; `detail` says why.",
            KINDS[NotReady],
            "not ready: no leader is known",
            instance="/readyz",
            extra={"isLeader": False, "leaderId": ""},
            headers={"Retry-After": sends("RetryAfter")},
        ),
    }
    operation = _operation(
        "operations",
        "readyz",
        "Should requests be sent here?",
        "For load balancers and probes.",
        responses,
    )
    return operation | {"parameters": [uses("Verbose")]}


def _metrics() -> JsonObject:
    example = "# HELP kvorum_raft_term Current term.\nkvorum_raft_term 3.0\n"
    return _operation(
        "operations",
        "metrics",
        "Metrics for Prometheus",
        "OpenMetrics if the Accept header asks for it.",
        {"200": text_answer("All metrics of this node.", "text/plain", example)},
    )


def _index() -> JsonObject:
    example = {
        "name": "kvorum",
        "version": "0.1.0",
        "links": {"swagger": "/swagger/index.html"},
    }
    return _operation(
        "operations",
        "index",
        "What this is",
        "Names the release and links to the other routes.",
        {"200": json_answer(Index, "Release and links.", example)},
    )
