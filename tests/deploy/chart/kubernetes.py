"""Kubernetes' own schemas, as the package kubernetes-validate ships them, each read only once.

The package's own function reads a megabyte anew for every manifest.
"""

import json
from importlib.resources import files
from typing import Any

from jsonschema_rs import Registry, Validator, validator_for


class Kubernetes:
    """One version of Kubernetes; unknown fields are refused."""

    def __init__(self, version: str) -> None:
        schemas = files("kubernetes_validate") / "kubernetes-json-schema"
        self._directory = schemas / f"v{version}.0-local-strict"
        definitions = self._read("_definitions.json")
        self._registry = Registry([(definitions["$id"], definitions)])
        self._validators: dict[str, Validator] = {}

    def check(self, manifest: dict[str, Any]) -> None:
        """Raises jsonschema_rs.ValidationError; FileNotFoundError if there is no such kind."""
        group, _, version = manifest["apiVersion"].rpartition("/")
        parts = [manifest["kind"].lower(), group.split(".")[0], version]
        name = "-".join(part for part in parts if part)
        if name not in self._validators:
            schema = self._read(f"{name}.json")
            self._validators[name] = validator_for(schema, registry=self._registry)
        self._validators[name].validate(manifest)

    def _read(self, name: str) -> Any:
        return json.loads((self._directory / name).read_text(encoding="utf-8"))
