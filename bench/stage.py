"""Both systems, up and warm, with the same data: where the steps of a comparison take place."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from bench.dialects import LOADS, Keys
from bench.etcd_cluster import etcd_cluster
from bench.generators import frames, wrk
from bench.local_cluster import local_cluster
from bench.progress import Progress
from bench.results import Row
from bench.systems import ETCD, KVORUM, Etcd, Kvorum, System

WARM_UP_S = 2
WARM_UP_CONNECTIONS = 64


class Effort(Struct, frozen=True):
    """How long to measure: ``rounds`` in turn, of ``seconds`` for each contender."""

    rounds: int
    seconds: int
    trials: int
    """Of what is tried one by one, such as killing the leader."""


class Scene(Struct, frozen=True):
    """What is started anew for a row of steps.

    Several, since etcd keeps all versions of all values until it is compacted, 2 GiB by default.
    """

    name: str = "loads"
    nodes: int = 3

    @property
    def start_s(self) -> float:
        """About, with the warm-up."""
        return 8.0 + 2 * self.nodes


@dataclass
class Stage:
    """``keys`` that are in both systems are remembered, so that they are written once."""

    kvorum: Kvorum
    etcd: Etcd
    effort: Effort
    scratch: Path
    progress: Progress
    filled: set[Keys] = field(default_factory=set)

    @property
    def systems(self) -> Mapping[str, System]:
        """In the order of their turns."""
        return {ETCD: self.etcd, KVORUM: self.kvorum}

    def fill(self, keys: Keys) -> None:
        if keys in self.filled:
            return
        for system in self.systems.values():
            system.fill(keys)
        self.filled.add(keys)

    def request_files(self, load: str, keys: Keys) -> Mapping[str, Path]:
        """What the generator is to send, for each system."""
        files = {}
        for name, system in self.systems.items():
            files[name] = self.scratch / f"{name}.requests"
            files[name].write_bytes(frames(LOADS[load].requests(system.dialect, keys)))
        return files

    def warm_up(self) -> None:
        keys = Keys("warm/")
        self.fill(keys)
        for name, file in self.request_files("put", keys).items():
            system = self.systems[name]
            wrk(file, system.url(system.cluster.leader()), WARM_UP_CONNECTIONS, WARM_UP_S)


class Step(Protocol):
    """One measurement, or one row of them in turn."""

    @property
    def group(self) -> str:
        """What ``ONLY`` chooses by."""

    @property
    def title(self) -> str: ...

    @property
    def scene(self) -> Scene: ...

    def takes_s(self, effort: Effort) -> float:
        """About; for telling when all will be done."""

    def run(self, stage: Stage) -> Sequence[Row]: ...


@contextmanager
def open_stage(scene: Scene, program: Path, effort: Effort, progress: Progress) -> Iterator[Stage]:
    """Fresh clusters; gone at the end, with all their data."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as scratch,
        local_cluster(scene.nodes) as ours,
        etcd_cluster(program, scene.nodes) as theirs,
    ):
        stage = Stage(Kvorum(ours), Etcd(theirs), effort, Path(scratch), progress)
        stage.warm_up()
        yield stage
