"""One pod, from its start to its removal, as a kubelet lives it.

A pod has an address and a network namespace for its life, whatever becomes of its containers. A
container that ends is started again, after a pause that doubles. Termination: not ready from that
moment on, the preStop hook, SIGTERM, and SIGKILL when the grace period, which includes the hook,
is over (Kubernetes: Pod lifecycle).
"""

import asyncio
import hashlib
import shutil
import signal
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from tests.deploy.pods.containers import Container
from tests.deploy.pods.environment import Sources, command_line, environment, fields
from tests.deploy.pods.image import Image
from tests.deploy.pods.network import Network
from tests.deploy.pods.objects import Manifest, Refused, name_of
from tests.deploy.pods.probes import probe, watch
from tests.deploy.pods.sandbox import Box, Security
from tests.deploy.pods.volumes import Claims, mounts

_BACKOFF_S = 10.0
_NODE = "node-1"


class Surroundings(Struct, frozen=True):
    """What pods of a cluster share. ``pace``: factor for probes' periods and pauses."""

    image: Image
    network: Network
    claims: Claims
    directory: Path
    tables: Mapping[str, Mapping[str, Manifest]]
    links: Callable[[], Mapping[str, str]]
    resolv_conf: Callable[[str], str]
    changed: Callable[[], None]
    pace: float
    domain: str


class Pod:
    def __init__(self, manifest: Manifest, around: Surroundings) -> None:
        """``manifest``: a Pod with name and namespace; it gets its uid here."""
        manifest["metadata"]["uid"] = str(uuid.uuid4())
        self.manifest = manifest
        self.name = name_of(manifest)
        self.ip = ""
        self.container: Container | None = None
        self.is_ready = False
        self.ready_since_s = 0.0
        self.is_terminating = False
        self.is_gone = False
        self.restarts = 0
        self.exit_codes: list[int] = []
        self.log = around.directory / "logs" / f"{self.name}.log"
        self.term_to_end_s: float | None = None
        self._around = around
        self._directory = around.directory / "pods" / manifest["metadata"]["uid"]
        self._network = ""
        self._is_pausing = False  # between two runs of its container
        self._life: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    # --- what others ask ---------------------------------------------------------------

    @property
    def labels(self) -> Mapping[str, str]:
        return self.manifest["metadata"].get("labels") or {}

    @property
    def template(self) -> Manifest:
        """Its container: the chart's pods have one."""
        containers: Sequence[Manifest] = self.manifest["spec"]["containers"]
        if len(containers) != 1 or self.manifest["spec"].get("initContainers"):
            raise Refused(f"{self.name}: the harness runs pods of one container")
        return containers[0]

    @property
    def serves(self) -> bool:
        """Whether Services send clients here."""
        return self.is_ready and not self.is_terminating

    def ready_for_s(self) -> float:
        return time.monotonic() - self.ready_since_s if self.serves else -1.0

    def failure(self) -> BaseException | None:
        """Why it cannot live, such as a ConfigMap that does not exist."""
        for task in (self._life, self._ending):
            if task is not None and task.done() and not task.cancelled() and task.exception():
                return task.exception()
        return None

    # --- life --------------------------------------------------------------------------

    def start(self) -> None:
        """It gets an address, and its container is kept running."""
        self.ip, self._network = self._around.network.plug_in()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._life = asyncio.create_task(self._live(), name=self.name)
        self._around.changed()

    async def run_once(self) -> int:
        """A pod of a Job: the exit code of its container."""
        self.start()
        assert self._life is not None
        await self._life
        return self.exit_codes[-1]

    async def _live(self) -> None:
        always = self.manifest["spec"].get("restartPolicy", "Always") == "Always"
        pause_s = 0.0
        while True:
            self._is_pausing = True
            await asyncio.sleep(pause_s * self._around.pace)
            self._is_pausing = False
            code = await self._run_container()
            self.exit_codes.append(code)
            if self.is_terminating or not always:
                return
            self.restarts += 1
            pause_s = min(max(_BACKOFF_S, pause_s * 2), 300.0) if self.restarts > 1 else 0.0

    async def _run_container(self) -> int:
        """Start it, watch it by its probes, and wait for its end."""
        self.container = await Container.start(self._box(), self._directory / "box", self.log)
        if self.is_terminating:  # it was told so while this one started
            self.container.send(signal.SIGKILL)
        watching = asyncio.create_task(self._watch(self.container))
        try:
            return await self.container.ended()
        finally:
            watching.cancel()
            (ended,) = await asyncio.gather(watching, return_exceptions=True)
            self._set_ready(ready=False)
            if isinstance(ended, Exception):
                raise ended

    async def _watch(self, container: Container) -> None:
        started = asyncio.Event()
        startup, live, ready = (
            probe(self.template, kind, pace=self._around.pace)
            for kind in ("startupProbe", "livenessProbe", "readinessProbe")
        )

        async def killed_unless(alive: bool) -> None:
            if alive:
                started.set()
            else:
                await self._stop(container)

        async def set_ready(is_ready: bool) -> None:
            self._set_ready(ready=is_ready)

        async with asyncio.TaskGroup() as probes:
            if startup is not None:
                first = probes.create_task(watch(startup, self.ip, killed_unless))
                await started.wait()
                first.cancel()
            if live is not None:
                probes.create_task(watch(live, self.ip, killed_unless))
            if ready is None:
                self._set_ready(ready=True)
            else:
                probes.create_task(watch(ready, self.ip, set_ready))

    def _set_ready(self, *, ready: bool) -> None:
        if ready != self.is_ready:
            self.is_ready = ready
            self.ready_since_s = time.monotonic()
            self._around.changed()

    # --- end ---------------------------------------------------------------------------

    def terminate(self) -> None:
        """As `kubectl delete pod`: goes on by itself until the pod is gone."""
        if not self.is_terminating:
            self.is_terminating = True
            self._around.changed()
            self._ending = asyncio.create_task(self._end(), name=f"end of {self.name}")

    async def _end(self) -> None:
        if self.container is not None and self.container.is_running:
            await self._stop(self.container)
        await self._remove()

    async def _stop(self, container: Container) -> None:
        """preStop, SIGTERM, and SIGKILL after the grace period."""
        grace_s = self.manifest["spec"].get("terminationGracePeriodSeconds", 30)
        try:
            async with asyncio.timeout(grace_s):
                await self._before_stop(container)
                asked_s = time.monotonic()
                container.send(signal.SIGTERM)
                await container.ended()
                self.term_to_end_s = time.monotonic() - asked_s
        except TimeoutError:
            container.send(signal.SIGKILL)
            await container.ended()

    async def _before_stop(self, container: Container) -> None:
        match (self.template.get("lifecycle") or {}).get("preStop"):
            case None:
                return
            case {"exec": {"command": command}}:
                await container.execute(command)
            case {"sleep": {"seconds": seconds}}:
                await asyncio.sleep(seconds)
            case other:
                raise Refused(f"preStop: the harness does not know {other}")

    async def kill(self) -> None:
        """As when its machine is gone: nothing is told, and nothing is saved."""
        self.is_terminating = True
        if self.container is not None:
            self.container.send(signal.SIGKILL)
        await self._remove()

    async def _remove(self) -> None:
        if self._life is not None:
            if self._is_pausing:
                self._life.cancel()
            await asyncio.gather(self._life, return_exceptions=True)
        if self.ip:
            self._around.network.unplug(self.ip)
            shutil.rmtree(self._directory, ignore_errors=True)
        self.is_gone = True
        self._around.changed()

    # --- what its container is started with --------------------------------------------

    def _box(self) -> Box:
        template, spec, around = self.template, self.manifest["spec"], self._around
        sources = Sources(
            config_maps=around.tables["ConfigMap"],
            secrets=around.tables["Secret"],
            links=around.links() if spec.get("enableServiceLinks", True) else {},
            field=fields(self.manifest, ip=self.ip, node=_NODE),
        )
        env = {**around.image.environment, "HOSTNAME": self.name}
        env |= environment(template, sources)
        env["PATH"] = around.image.environment["PATH"]
        disks = mounts(self.manifest, template, around.claims, around.tables, self._directory)
        return Box(
            hostname=self.name,
            network=self._network,
            command=command_line(template, around.image.entrypoint, around.image.command, env),
            environment=env,
            mounts=tuple(disks),
            security=security(spec, template, around.image),
            etc={
                "resolv.conf": around.resolv_conf(self.manifest["metadata"]["namespace"]),
                "hosts": self._hosts(),
            },
        )

    def _hosts(self) -> str:
        """A pod of a StatefulSet knows its own full name without DNS."""
        subdomain = self.manifest["spec"].get("subdomain")
        space = self.manifest["metadata"]["namespace"]
        full = f"{self.name}.{subdomain}.{space}.svc.{self._around.domain}\t" if subdomain else ""
        return f"127.0.0.1\tlocalhost\n{self.ip}\t{full}{self.name}\n"


def security(spec: Manifest, container: Manifest, image: Image) -> Security:
    """A container's security context goes before its pod's, and that before the image's."""
    context = {**(spec.get("securityContext") or {}), **(container.get("securityContext") or {})}
    user = context.get("runAsUser", image.user)
    if context.get("runAsNonRoot") and user == 0:
        raise Refused("runAsNonRoot, and the user is root")
    group = context.get("fsGroup")
    return Security(
        user=user,
        group=context.get("runAsGroup", image.group),
        groups=() if group is None else (group,),
        drop_all=context.get("capabilities", {}).get("drop") == ["ALL"],
        no_new_privileges=context.get("allowPrivilegeEscalation") is False,
        read_only_root=context.get("readOnlyRootFilesystem", False),
    )


def digest(template: Manifest) -> str:
    """Names a revision of a pod template."""
    return hashlib.sha256(repr(template).encode()).hexdigest()[:10]
