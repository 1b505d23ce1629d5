"""That a load did what it was acknowledged to do: the data behind the figures.

Every key counts its writes, in both systems. So what a load acknowledged must be what its keys grew
by, and nothing may be lost or done twice; requests that were still on their way when the generator
stopped may have been done or not.
"""

from collections.abc import Mapping

from bench.dialects import Keys, Load
from bench.generators import Run
from bench.systems import Kvorum, Record, System


class WrongDataError(Exception):
    """A system lost, repeated or mixed up writes: its figures mean nothing."""


class DisturbedError(Exception):
    """Nothing is wrong, but what was measured is something else: worth another try."""


def check_run(what: str, run: Run, load: Load, least_bytes: int) -> None:
    """Every request answered well; reads with as many bytes as their values have."""
    if run.refused or run.broken:
        raise WrongDataError(
            f"{what}: {run.refused} answers were not 2xx, {run.broken} requests broke"
        )
    if not run.requests:
        raise WrongDataError(f"{what}: nothing was answered")
    if not load.writes and run.bytes_read < run.requests * least_bytes:
        raise WrongDataError(f"{what}: answers are too short to hold the values")


def check_values(what: str, keys: Keys, records: Mapping[str, Record]) -> None:
    """Every key is there, with its own value, and no other."""
    if len(records) != keys.count:
        raise WrongDataError(f"{what}: {len(records)} keys instead of {keys.count}")
    for number in range(keys.count):
        found = records.get(keys.name(number))
        if found is None or found.value != keys.value(number):
            raise WrongDataError(f"{what}: {keys.name(number)} holds {found}")


def writes_between(before: Mapping[str, Record], after: Mapping[str, Record]) -> int:
    return sum(record.version for record in after.values()) - sum(
        record.version for record in before.values()
    )


def check_writes(what: str, load: Load, writes: int, requests: int, in_flight: int) -> None:
    """``in_flight``: requests that may have been cut off when the generator stopped, in all."""
    lost = 0 if load.writes in {0, int(load.writes)} else in_flight + 1  # reads were cut off too
    least = int(load.writes * requests) - lost
    most = int(load.writes * requests + max(1, load.writes) * (in_flight + 1)) if load.writes else 0
    if not least <= writes <= most:
        raise WrongDataError(
            f"{what}: {requests} requests were acknowledged and {writes} writes are stored, "
            f"which should be between {least} and {most}"
        )


def check_replicas(system: System, keys: Keys) -> Mapping[str, Record]:
    """What the leader has. kvorum's nodes are compared with one another."""
    leader = system.cluster.leader()
    records = system.records(leader, keys.prefix)
    check_values(system.name, keys, records)
    if isinstance(system, Kvorum):
        for node in system.cluster.nodes:
            if system.records(node, keys.prefix) != records:
                raise WrongDataError(f"node {node} has other data than node {leader}")
    return records
