"""The two clients have the same methods with the same parameters, and one is derived."""

import inspect
from typing import Any

import pytest

from kvorum.client import AsyncClient, Client
from kvorum.client.aio import backup as aio_backup
from kvorum.client.aio import claims as aio_claims
from kvorum.client.aio import cluster as aio_cluster
from kvorum.client.aio import lease as aio_lease
from kvorum.client.aio import leases as aio_leases
from kvorum.client.aio import streams as aio_streams
from kvorum.client.sync import backup, claims, cluster, lease, leases, streams
from tools.generate_client import CLIENT, MODULES, derived

PAIRS = [
    (Client, AsyncClient),
    (backup.Backup, aio_backup.Backup),
    (claims.Lock, aio_claims.Lock),
    (claims.Leadership, aio_claims.Leadership),
    (claims.Elections, aio_claims.Elections),
    (cluster.Cluster, aio_cluster.Cluster),
    (lease.Lease, aio_lease.Lease),
    (leases.Leases, aio_leases.Leases),
    (streams.Watch, aio_streams.Watch),
    (streams.Stream, aio_streams.Stream),
    (streams.RangeItems, aio_streams.RangeItems),
]

INTERNAL = {"run", "open", "follow", "each", "adopt", "disown"}
"""Of the shells: for the parts of a client, not for its users."""


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


@pytest.mark.parametrize(("sync", "aio"), PAIRS, ids=lambda kind: str(kind.__name__))
def test_same_names_and_parameters(sync: type, aio: type) -> None:
    assert public(sync) == public(aio)
    for name in public(sync) - INTERNAL | {"__init__"}:
        ours, theirs = inspect.getattr_static(sync, name), inspect.getattr_static(aio, name)
        assert type(ours) is type(theirs), name
        if inspect.isfunction(ours):
            assert parameters(ours) == parameters(theirs), name
            assert ours.__doc__ == theirs.__doc__ or name in ("__init__", "close"), name


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    found = inspect.signature(function).parameters.values()
    return [(one.name, one.kind, one.default) for one in found]


@pytest.mark.parametrize("module", MODULES)
def test_what_is_derived_is_up_to_date(module: str) -> None:
    path = CLIENT / "sync" / f"{module}.py"
    assert path.read_text(encoding="utf-8") == derived(module), "run `make generate`"
