"""What manifests are, and the few questions that everybody here asks of them."""

from collections.abc import Iterable, Mapping
from typing import Any

Manifest = dict[str, Any]
"""A Kubernetes object, or a part of one, as YAML has it."""


class Refused(Exception):
    """The API server, or an admission check of it, would not take this; the text says why."""


def name_of(manifest: Manifest) -> str:
    name: str = manifest["metadata"]["name"]
    return name


def annotation(manifest: Manifest, name: str) -> str:
    """Empty if it has none of that name."""
    return str((manifest["metadata"].get("annotations") or {}).get(name, ""))


def of_kind(manifests: Iterable[Manifest], kind: str) -> list[Manifest]:
    return [each for each in manifests if each["kind"] == kind]


def the(manifests: Iterable[Manifest], kind: str, name: str = "") -> Manifest:
    """The only one of that kind, or the one with that name."""
    found = [each for each in of_kind(manifests, kind) if not name or name_of(each) == name]
    assert len(found) == 1, f"{len(found)} objects of kind {kind} {name}"
    return found[0]


def selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Equality-based, as Services and ``matchLabels`` have it; an empty one selects nothing."""
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())
