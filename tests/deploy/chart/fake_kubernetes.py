"""As much of a Kubernetes API as helm asks for: what there is, and the objects that it looks up."""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.deploy.chart.helm import Manifest

KINDS = {
    "v1": {
        "ConfigMap": "configmaps",
        "PersistentVolumeClaim": "persistentvolumeclaims",
        "Pod": "pods",
        "Service": "services",
        "ServiceAccount": "serviceaccounts",
    },
    "apps/v1": {"StatefulSet": "statefulsets"},
    "batch/v1": {"CronJob": "cronjobs", "Job": "jobs"},
    "networking.k8s.io/v1": {"Ingress": "ingresses", "NetworkPolicy": "networkpolicies"},
    "policy/v1": {"PodDisruptionBudget": "poddisruptionbudgets"},
}


def _discovery() -> dict[str, Any]:
    groups = [version for version in KINDS if "/" in version]
    answers: dict[str, Any] = {
        "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
        "/apis": {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [_group(version) for version in groups],
        },
    }
    for version, kinds in KINDS.items():
        answers[_base(version)] = {
            "kind": "APIResourceList",
            "groupVersion": version,
            "resources": [
                {"name": name, "kind": kind, "namespaced": True, "verbs": ["get", "list"]}
                for kind, name in kinds.items()
            ],
        }
    return answers


def _group(version: str) -> dict[str, Any]:
    preferred = {"groupVersion": version, "version": version.rpartition("/")[2]}
    name = version.partition("/")[0]
    return {"name": name, "versions": [preferred], "preferredVersion": preferred}


def _base(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def _path(manifest: Manifest) -> str:
    version, metadata = manifest["apiVersion"], manifest["metadata"]
    plural = KINDS[version][manifest["kind"]]
    return f"{_base(version)}/namespaces/{metadata['namespace']}/{plural}/{metadata['name']}"


def _lists(objects: Sequence[Manifest]) -> dict[str, Any]:
    """All of one kind and namespace."""
    lists: dict[str, Any] = {}
    for each in objects:
        listed = {"kind": f"{each['kind']}List", "apiVersion": each["apiVersion"], "items": []}
        path = _path(each).rpartition("/")[0]
        lists.setdefault(path, listed)["items"].append(each)
    return lists


@contextmanager
def kubernetes(*objects: Manifest) -> Iterator[str]:
    """The URL of an API that has these objects, on a free port of this machine."""
    answers = _discovery() | _lists(objects) | {_path(each): each for each in objects}
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(answers))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(answers: Mapping[str, Any]) -> type[BaseHTTPRequestHandler]:
    missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound"}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found = answers.get(self.path.partition("?")[0])
            body = json.dumps(found or (missing | {"code": 404})).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, code: object = "-", size: object = "-") -> None:
            """Requests are nobody's news."""

    return Handler
