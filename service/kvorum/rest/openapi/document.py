"""The whole OpenAPI document."""

from importlib.metadata import version

from kvorum.rest.openapi import coordination_parts, key_parameters
from kvorum.rest.openapi.claim_paths import claim_paths
from kvorum.rest.openapi.key_bodies import key_schemas
from kvorum.rest.openapi.key_paths import key_paths
from kvorum.rest.openapi.lease_paths import lease_paths
from kvorum.rest.openapi.maintenance_paths import maintenance_paths
from kvorum.rest.openapi.member_paths import member_paths
from kvorum.rest.openapi.other_paths import other_paths
from kvorum.rest.openapi.parts import HEADERS, JsonObject, parameters, problem_table, schemas
from kvorum.rest.openapi.range_paths import RANGE_SCHEMAS, range_paths
from kvorum.rest.openapi.txn_paths import TXN_SCHEMAS, txn_paths
from kvorum.rest.openapi.watch_paths import watch_paths

API_VERSION = version("kvorum")
"""The release's: the interface and the program are delivered together."""

_DESCRIPTION = """\
A Raft-replicated key-value store. Every node answers every request.

Writes are answered when they are **applied**; reads are linearizable unless they ask not to be.
Every 4xx, 503 and 507 means **certainly not applied**; only a 504, a 500 or a broken connection
leaves the outcome of a write unknown. Then look at `/command/{id}`, or send the same request again
under the same `Idempotency-Key`: it is applied once at most.

Errors are problem details (RFC 9457) with the field `error` beside:

"""

_TAGS = [
    {"name": "keys", "description": "Read and write keys."},
    {"name": "watch", "description": "Be told of changes."},
    {"name": "leases", "description": "Let keys end with whoever put them."},
    {"name": "locks", "description": "One at a time, in order, with fencing tokens."},
    {"name": "elections", "description": "One leader at a time."},
    {"name": "commands", "description": "Find out what became of a request."},
    {"name": "cluster", "description": "Look into the cluster, and change it."},
    {"name": "operations", "description": "Probes, metrics, history and backups."},
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
        "paths": _paths(),
        "components": {
            "schemas": _schemas(),
            "parameters": parameters() | key_parameters.PARAMETERS | coordination_parts.PARAMETERS,
            "headers": HEADERS | key_parameters.HEADERS | coordination_parts.HEADERS,
        },
    }


def _schemas() -> JsonObject:
    components = schemas(*coordination_parts.SCHEMAS, *RANGE_SCHEMAS, *TXN_SCHEMAS)
    components |= key_schemas()
    for name, members in coordination_parts.ALTERNATIVES.items():
        components[name]["oneOf"] = [{"required": [member]} for member in members]
    return dict(sorted(components.items()))


def _paths() -> JsonObject:
    """In the order they are shown."""
    return {
        **key_paths(),
        **range_paths(),
        **txn_paths(),
        **watch_paths(),
        **lease_paths(),
        **claim_paths(),
        **other_paths(),
        **member_paths(),
        **maintenance_paths(),
    }
