"""As much of a Kubernetes API server as Helm's ``lookup`` asks: discovery, and one kind of object.

``helm template --dry-run=server`` renders with it as `helm upgrade` does in a cluster: what the
chart finds out about the live StatefulSet it finds out here.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.deploy.pods.objects import Manifest

_VERSION = {"major": "1", "minor": "35", "gitVersion": "v1.35.0"}
_KINDS: Mapping[str, Mapping[str, str]] = {
    "v1": {
        "configmaps": "ConfigMap",
        "persistentvolumeclaims": "PersistentVolumeClaim",
        "pods": "Pod",
        "secrets": "Secret",
        "serviceaccounts": "ServiceAccount",
        "services": "Service",
    },
    "apps/v1": {"statefulsets": "StatefulSet"},
    "batch/v1": {"cronjobs": "CronJob", "jobs": "Job"},
    "networking.k8s.io/v1": {"ingresses": "Ingress", "networkpolicies": "NetworkPolicy"},
    "policy/v1": {"poddisruptionbudgets": "PodDisruptionBudget"},
}
"""What there is, by version of API: resources and their kinds."""


def _discovery() -> dict[str, Any]:
    """The answers that tell of it, by path."""
    groups = [version.split("/") for version in _KINDS if "/" in version]
    told: dict[str, Any] = {
        "/version": _VERSION,
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [
                {"name": name, "versions": [{"groupVersion": f"{name}/v1", "version": version}]}
                for name, version in groups
            ],
        },
    }
    for version, kinds in _KINDS.items():
        told[f"/apis/{version}" if "/" in version else f"/api/{version}"] = {
            "kind": "APIResourceList",
            "groupVersion": version,
            "resources": [_resource(plural, kind) for plural, kind in kinds.items()],
        }
    return told


def _resource(plural: str, kind: str) -> dict[str, Any]:
    names = {"name": plural, "singularName": kind.lower(), "kind": kind}
    return {**names, "namespaced": True, "verbs": ["get"]}


_MISSING = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound"}

Find = Callable[[str, str], Manifest | None]
"""Namespace and name of a StatefulSet → the live one."""


class ApiServer:
    """On loopback; ``kubeconfig`` leads there."""

    def __init__(self, find: Find, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        self._find = find
        self._discovery = _discovery()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "here", "cluster": {"server": f"http://{host}:{port}"}}],
            "users": [{"name": "me", "user": {}}],
            "contexts": [{"name": "it", "context": {"cluster": "here", "user": "me"}}],
            "current-context": "it",
        }
        self.kubeconfig.write_text(json.dumps(config))

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request; then the connection is closed."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, _ = head.decode("latin-1").split(" ", 2)
            found = self._answer(target.partition("?")[0]) if method == "GET" else None
            body = json.dumps(found if found is not None else {**_MISSING, "code": 404}).encode()
            status = "200 OK" if found is not None else "404 Not Found"
            lines = [
                f"HTTP/1.1 {status}",
                "Content-Type: application/json",
                f"Content-Length: {len(body)}",
                "Connection: close",
            ]
            writer.write("\r\n".join([*lines, "", ""]).encode() + body)
            await writer.drain()
        except (EOFError, OSError):
            pass  # the client is gone
        finally:
            writer.close()

    def _answer(self, path: str) -> Any:
        match path.strip("/").split("/"):
            case ["apis", "apps", "v1", "namespaces", namespace, "statefulsets", name]:
                return self._find(namespace, name)
            case _:
                return self._discovery.get(path)
