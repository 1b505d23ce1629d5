"""The real helm, and what it renders."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "deploy" / "helm" / "kvorum"
HELM = Path(sys.prefix) / "bin" / "helm"
NAMESPACE = "data"

Manifest = dict[str, Any]


class Refused(Exception):
    """What helm said."""


def helm(*arguments: str) -> str:
    """Standard output; raises Refused with what helm said otherwise. It knows no cluster."""
    with tempfile.TemporaryDirectory() as home:  # what it finds out about a cluster, it keeps there
        done = subprocess.run(
            [str(HELM), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={"HOME": home, "KUBECONFIG": os.devnull},
        )
    if done.returncode:
        raise Refused(done.stderr)
    return done.stdout


def options(values: Mapping[str, object] | None, files: Sequence[Path] = ()) -> list[str]:
    """As `helm template` takes values: files, and on top of them these."""
    told = [f"--values={file}" for file in files]
    told += [f"--set-json={key}={json.dumps(value)}" for key, value in (values or {}).items()]
    return told


def template(
    values: Mapping[str, object] | None = None,
    *,
    release: str = "prod",
    files: Sequence[Path] = (),
    more: Sequence[str] = (),
) -> str:
    """`helm template` of the chart; values by their dotted paths."""
    where = (release, str(CHART), f"--namespace={NAMESPACE}")
    return helm("template", *where, *options(values, files), *more)


def manifests(text: str) -> list[Manifest]:
    """What Kubernetes would get."""
    documents = yaml.load_all(text, Loader=yaml.CSafeLoader)  # safe, and ten times as quick
    return [document for document in documents if document]


def render(
    values: Mapping[str, object] | None = None, *, release: str = "prod", files: Sequence[Path] = ()
) -> list[Manifest]:
    return manifests(template(values, release=release, files=files))


def notes(values: Mapping[str, object] | None = None, *, files: Sequence[Path] = ()) -> str:
    """What `helm install` would print at its end."""
    where = ("prod", str(CHART), f"--namespace={NAMESPACE}", "--dry-run=client")
    return helm("install", *where, *options(values, files)).partition("NOTES:\n")[2]


def one(found: Sequence[Manifest], kind: str, name: str | None = None) -> Manifest:
    """The only manifest of this kind (and name)."""
    wanted = [
        manifest
        for manifest in found
        if manifest["kind"] == kind and name in (None, manifest["metadata"]["name"])
    ]
    assert len(wanted) == 1, f"{len(wanted)} of {kind} {name or ''}"
    return wanted[0]


def pod_templates(found: Sequence[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Every pod that would run, with its metadata and spec, by the name of its maker."""
    for manifest in found:
        name, spec = f"{manifest['kind']}/{manifest['metadata']['name']}", manifest.get("spec", {})
        match manifest["kind"]:
            case "Pod":
                yield name, manifest
            case "CronJob":
                yield name, spec["jobTemplate"]["spec"]["template"]
            case "StatefulSet" | "Job":
                yield name, spec["template"]
            case _:
                assert "template" not in spec, f"{name} may make pods"


def containers(pod: Manifest) -> list[Manifest]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
