"""The whole OpenAPI document."""

from importlib.metadata import version

from kvorum.rest.openapi.key_paths import key_paths
from kvorum.rest.openapi.member_paths import member_paths
from kvorum.rest.openapi.other_paths import other_paths
from kvorum.rest.openapi.parts import HEADERS, JsonObject, parameters, problem_table, schemas

API_VERSION = version("kvorum")
"""The release's: the interface and the program are delivered together."""

_DESCRIPTION = """\
A Raft-replicated key-value store. Every node answers every request.

Writes are answered when they are **applied**; reads are linearizable unless they ask not to be.
Every 4xx, 429 and 503 means **certainly not applied**; only a 504, a 500 or a broken connection
leaves the outcome of a write unknown. Then look at `/command/{id}`, or send the same request again
under the same `Idempotency-Key`: it is applied once at most.

Errors are problem details (RFC 9457) with the field `error` beside:

"""

_TAGS = [
    {"name": "keys", "description": "Read and write keys."},
    {"name": "commands", "description": "Find out what became of a request."},
    {"name": "cluster", "description": "Look into the cluster, and change it."},
    {"name": "operations", "description": "Probes and metrics."},
]


def openapi_document() -> JsonObject:
    """A new copy of it: OpenAPI 3.1, the same for every node and every run."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "kvorum",
            "version": API_VERSION,
            "description": _DESCRIPTION + problem_table() + "\n",
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The node that serves this document."}],
        "tags": _TAGS,
        "paths": key_paths() | other_paths() | member_paths(),
        "components": {
            "schemas": schemas(),
            "parameters": parameters(),
            "headers": HEADERS,
        },
    }
