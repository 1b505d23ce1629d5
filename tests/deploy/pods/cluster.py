"""Kubernetes in miniature: one namespace with what the chart asks of it.

It is a StatefulSet controller, a kubelet for each pod, DNS, Services, evictions and Jobs around
real processes; :mod:`tests.deploy.pods.releases` is its Helm. Needs root.
"""

import asyncio
import copy
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import Struct

from tests.chaos.rest_client import Broken, NotSent, RestClient
from tests.chaos.waiting import eventually
from tests.deploy.pods.api_server import ApiServer
from tests.deploy.pods.environment import service_links
from tests.deploy.pods.image import Image
from tests.deploy.pods.names import Names
from tests.deploy.pods.network import DIRECTORY_PREFIX, Network
from tests.deploy.pods.objects import Manifest, Refused, name_of, of_kind, selects
from tests.deploy.pods.pods import Pod, Surroundings
from tests.deploy.pods.services import Services, search_path
from tests.deploy.pods.stateful_set import StatefulSet
from tests.deploy.pods.volumes import Claims

_SYNC_S = 0.1


class Habits(Struct, frozen=True):
    """How this cluster behaves. ``pace``: factor for periods of probes and pauses of restarts."""

    namespace: str = "shop"
    domain: str = "cluster.local"
    pace: float = 0.1
    dns_ttl_s: float = 1.0
    endpoints_delay_s: float = 0.2


class JobFailed(Exception):
    """The text is what its pod printed last."""


class Cluster:
    """Use as an asynchronous context manager: in the end nothing of it is left but its logs."""

    def __init__(self, image: Image, habits: Habits | None = None) -> None:
        self.habits = habits or Habits()
        self.directory = Path(tempfile.mkdtemp(prefix=f"{DIRECTORY_PREFIX}{os.getpid()}-"))
        self.directory.chmod(0o755)
        self.network = Network()
        self.claims = Claims(self.directory / "claims")
        self._stateful: StatefulSet | None = None
        self._tables: dict[str, dict[str, Manifest]] = {"ConfigMap": {}, "Secret": {}}
        self._budgets: Sequence[Manifest] = ()
        self.held: set[int] = set()  # ordinals of pods for which there is no machine
        self._others: list[Pod] = []  # of Jobs and tests
        self._runs: dict[str, int] = defaultdict(int)
        self.services = Services(
            self.network,
            namespace=self.habits.namespace,
            domain=self.habits.domain,
            delay_s=self.habits.endpoints_delay_s,
        )
        self.names = Names(self.services.resolve, ttl_s=self.habits.dns_ttl_s)
        self._around = self._surroundings(image)
        self.api = ApiServer(self._live, self.directory / "kubeconfig")
        self._controller: asyncio.Task[None] | None = None

    def _surroundings(self, image: Image) -> Surroundings:
        dns, domain = self.network.dns, self.habits.domain
        return Surroundings(
            image=image,
            network=self.network,
            claims=self.claims,
            directory=self.directory,
            tables=self._tables,
            links=lambda: service_links(self.services.manifests, self.services.address),
            resolv_conf=lambda namespace: search_path(namespace, domain, dns),
            changed=self._pods_changed,
            pace=self.habits.pace,
            domain=domain,
        )

    async def __aenter__(self) -> Self:
        await self.names.start(self.network.dns)
        await self.api.start()
        self._controller = asyncio.create_task(self._control())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._controller is not None:
            self._controller.cancel()
            await asyncio.gather(self._controller, return_exceptions=True)
        await asyncio.gather(*(pod.kill() for pod in self.pods() if not pod.is_gone))
        await self.services.close()
        await self.names.close()
        await self.api.close()
        self.network.close()
        if error is None:
            shutil.rmtree(self.directory)
        else:
            kept = self.directory.rename(self.directory.with_name(f"kept-{self.directory.name}"))
            print(f"logs and data: {kept}")  # under a name that the next harness leaves alone

    def _live(self, namespace: str, name: str) -> Manifest | None:
        here = self._stateful is not None and namespace == self.habits.namespace
        return self.stateful_set.manifest if here and self.stateful_set.name == name else None

    async def _control(self) -> None:
        while True:
            if self._stateful is not None:
                self._stateful.sync()
            await asyncio.sleep(_SYNC_S)

    def _pods_changed(self) -> None:
        self.services.pods_changed(self.pods())

    # --- objects -----------------------------------------------------------------------

    def pods(self) -> list[Pod]:
        stateful = self._stateful.pods.values() if self._stateful is not None else ()
        return [*stateful, *self._others]

    def pod(self, ordinal: int) -> Pod:
        return self.stateful_set.pod(ordinal)

    @property
    def stateful_set(self) -> StatefulSet:
        assert self._stateful is not None, "nothing is installed"
        return self._stateful

    def apply(self, manifests: Sequence[Manifest]) -> None:
        """What a release consists of; what is missing now is removed."""
        for kind, table in self._tables.items():
            table.clear()
            table.update({name_of(each): each for each in of_kind(manifests, kind)})
        self._budgets = of_kind(manifests, "PodDisruptionBudget")
        self.services.apply(of_kind(manifests, "Service"))
        sets = of_kind(manifests, "StatefulSet")
        if len(sets) > 1:
            raise Refused("the harness has one StatefulSet")
        if self._stateful is None and sets:
            self._stateful = StatefulSet(copy.deepcopy(sets[0]), self._around, self.held)
        elif sets:
            self.stateful_set.apply(copy.deepcopy(sets[0]))
        self._pods_changed()

    async def settled(self, *, within_s: float = 60.0) -> None:
        """As `helm upgrade --wait` waits: the pods are all there, new and available."""

        async def settled() -> bool:
            self.check()
            return self.stateful_set.is_settled()

        try:
            await eventually("all pods are available", settled, within_s=within_s)
        except AssertionError as error:
            error.add_note("\n".join([line for pod in self.pods() for line in await _told(pod)]))
            raise

    def check(self) -> None:
        """Raise what made a pod or the controller fail."""
        if self._controller is not None and self._controller.done():
            self._controller.result()
        for pod in self.pods():
            if (failure := pod.failure()) is not None:
                raise failure

    async def delete_set(self) -> None:
        """With its pods; claims stay or go as the manifest says."""
        gone = self.stateful_set
        gone.delete()

        async def all_gone() -> bool:
            self.check()
            return not gone.pods

        await eventually("all pods are gone", all_gone)
        self._stateful = None

    # --- what people and machines do ----------------------------------------------------

    def evict(self, ordinal: int) -> None:
        """As `kubectl drain` asks for it. Raises :class:`Refused` if a budget forbids it."""
        pod = self.pod(ordinal)
        for budget in self._budgets:
            if selects(budget["spec"]["selector"]["matchLabels"], pod.labels):
                self._ask(budget["spec"], pod)
        pod.terminate()

    def _ask(self, budget: Manifest, pod: Pod) -> None:
        """Unready pods may always go under AlwaysAllow; others if enough would be left."""
        if not pod.is_ready and budget.get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
            return
        covered = [
            each for each in self.pods() if selects(budget["selector"]["matchLabels"], each.labels)
        ]
        healthy = sum(each.serves for each in covered)
        wanted = budget.get(
            "minAvailable", self.stateful_set.replicas - budget.get("maxUnavailable", 0)
        )
        if healthy - 1 < wanted:
            raise Refused(f"evicting {pod.name} would leave {healthy - 1} of {wanted} pods")

    async def lose_claim(self, ordinal: int) -> None:
        """The machine and its disk are gone: pod and claim are made anew."""
        pod = self.pod(ordinal)
        self.held.add(ordinal)
        await pod.kill()
        for volume in pod.manifest["spec"]["volumes"]:
            if "persistentVolumeClaim" in volume:
                self.claims.delete(volume["persistentVolumeClaim"]["claimName"])
        self.held.discard(ordinal)

    # --- jobs --------------------------------------------------------------------------

    async def run_pod(self, manifest: Manifest) -> tuple[int, str]:
        """A pod to its end: exit code and log."""
        manifest = copy.deepcopy(manifest)
        manifest["metadata"]["namespace"] = self.habits.namespace
        pod = Pod({**manifest, "kind": "Pod"}, self._around)
        self._others.append(pod)
        before = len(pod.log.read_text()) if pod.log.exists() else 0
        try:
            code = await pod.run_once()
            return code, pod.log.read_text()[before:]
        finally:
            await pod.kill()
            self._others.remove(pod)

    async def run_job(self, job: Manifest) -> str:
        """Until one of its pods succeeds: what that one printed. Raises :class:`JobFailed`."""
        spec = job["spec"]
        code, log = 1, ""
        async with asyncio.timeout(spec.get("activeDeadlineSeconds", 600)):
            for _attempt in range(spec.get("backoffLimit", 6) + 1):
                self._runs[name_of(job)] += 1
                metadata = copy.deepcopy(spec["template"].get("metadata") or {})
                metadata["name"] = f"{name_of(job)}-{self._runs[name_of(job)]}"
                code, log = await self.run_pod({**spec["template"], "metadata": metadata})
                if code == 0:
                    return log
        raise JobFailed(f"{name_of(job)} ended with {code}:\n{log}")


async def _told(pod: Pod) -> list[str]:
    """How a pod is, in its own words where it is not ready."""
    lines = [f"{pod.name}: ready {pod.is_ready}, restarts {pod.restarts}, {pod.exit_codes}"]
    if not pod.is_ready:
        with RestClient({0: (pod.ip, 8081)}) as client:
            try:
                lines.append((await client.ask(0, "GET", "/readyz?verbose", timeout_s=2.0)).text)
            except (NotSent, Broken) as error:
                lines.append(repr(error))
        lines += pod.log.read_text().splitlines()[-8:] if pod.log.exists() else ()
    return lines
