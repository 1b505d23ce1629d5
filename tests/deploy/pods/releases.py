"""Helm in miniature: what the real `helm template` renders, with the hooks run where they belong.

It renders as against a cluster (``--dry-run=server``), so that the chart's look-ups find what is
live. Histories of releases are not here.
"""

import asyncio
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.pods.cluster import Cluster, JobFailed
from tests.deploy.pods.objects import Manifest, annotation, name_of, of_kind
from tests.deploy.pods.sandbox import ROOT, VENV

CHART = ROOT / "deploy/helm/kvorum"
HELM = VENV / "bin/helm"
_HOOK, _WEIGHT = "helm.sh/hook", "helm.sh/hook-weight"
Values = Mapping[str, Any]


def render(
    values: Values,
    *,
    release: str = "kvorum",
    namespace: str = "shop",
    upgrade: bool = False,
    kubeconfig: Path | None = None,
) -> list[Manifest]:
    """Every manifest of the chart, hooks included; looked up with ``kubeconfig``, if given.

    AssertionError with helm's words where it refuses.
    """
    command = [str(HELM), "template", release, str(CHART)]
    command += ["--namespace", namespace, "--values", "-"]
    if upgrade:
        command.append("--is-upgrade")
    if kubeconfig is not None:
        command += ["--dry-run=server", "--kubeconfig", str(kubeconfig)]
        command.append("--disable-openapi-validation")  # tests/deploy/chart does that
    done = subprocess.run(
        command, input=json.dumps(values), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"helm template: {done.stderr}"
    return [each for each in yaml.load_all(done.stdout, yaml.CSafeLoader) if each]


class Release:
    """One installation of the chart in a cluster. ``said``: what hooks printed, by hook."""

    def __init__(self, cluster: Cluster, *, name: str = "kvorum") -> None:
        self.name = name
        self.said: dict[str, str] = {}
        self._cluster = cluster
        self._rendered: Sequence[Manifest] = ()

    async def install(self, values: Values, *, within_s: float = 60.0) -> None:
        """As `helm install --wait`."""
        await self._roll_out(await self._render(values, upgrade=False), "install", within_s)

    async def upgrade(
        self, values: Values, *, within_s: float = 60.0, event: str = "upgrade", wait: bool = True
    ) -> None:
        """As `helm upgrade --wait`, or without. Raises :class:`JobFailed` where a hook refuses.

        ``event="rollback"``: as `helm rollback` to the revision that had these values.
        """
        rendered = await self._render(values, upgrade=True)
        await self._roll_out(rendered, event, within_s, wait=wait)

    async def manifests(self, values: Values) -> list[Manifest]:
        """Of an installation, without its hooks."""
        rendered = await self._render(values, upgrade=False)
        return [each for each in rendered if not annotation(each, _HOOK)]

    async def _render(self, values: Values, *, upgrade: bool) -> list[Manifest]:
        return await asyncio.to_thread(  # the API server is in this one
            render,
            values,
            release=self.name,
            namespace=self._cluster.habits.namespace,
            upgrade=upgrade,
            kubeconfig=self._cluster.api.kubeconfig,
        )

    async def _roll_out(
        self, rendered: list[Manifest], event: str, within_s: float, *, wait: bool = True
    ) -> None:
        self._rendered = rendered
        await self._run_hooks(f"pre-{event}")
        self._cluster.apply([each for each in rendered if not annotation(each, _HOOK)])
        if wait:
            await self._cluster.settled(within_s=within_s)
        await self._run_hooks(f"post-{event}")

    def hooks(self, event: str) -> list[Manifest]:
        """In the order in which they run: by weight, then name."""
        hooks = [each for each in self._rendered if event in annotation(each, _HOOK).split(",")]
        return sorted(hooks, key=lambda each: (int(annotation(each, _WEIGHT) or 0), name_of(each)))

    async def _run_hooks(self, event: str) -> None:
        for job in of_kind(self.hooks(event), "Job"):
            self.said[event] = await self._cluster.run_job(job)

    async def test(self) -> str:
        """As `helm test`: what its pods printed. Raises :class:`JobFailed`."""
        printed = []
        for pod in of_kind(self.hooks("test"), "Pod"):
            code, log = await self._cluster.run_pod(pod)
            if code != 0:
                raise JobFailed(f"{name_of(pod)} ended with {code}:\n{log}")
            printed.append(log)
        return "".join(printed)

    async def uninstall(self) -> None:
        await self._cluster.delete_set()
        self._cluster.apply([])
