"""Disks: claims that stay, empty directories and files of ConfigMaps that end with their pod."""

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.deploy.pods.environment import text_of
from tests.deploy.pods.objects import Manifest, Refused, name_of
from tests.deploy.pods.sandbox import Mount


class Claims:
    """Persistent volumes, one directory for each claim. A new one is root's, as most are."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def directory(self, name: str) -> Path:
        """Made if there is none: the class of storage provisions at once."""
        path = self._directory / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def delete(self, name: str) -> None:
        shutil.rmtree(self._directory / name)

    def names(self) -> set[str]:
        return {each.name for each in self._directory.iterdir()}


def claim_name(template: Manifest, pod: str) -> str:
    """Of a StatefulSet's pod, as its controller names it."""
    return f"{name_of(template)}-{pod}"


def mounts(
    pod: Manifest,
    container: Manifest,
    claims: Claims,
    tables: Mapping[str, Mapping[str, Manifest]],
    directory: Path,
) -> Iterator[Mount]:
    """Of a container; ``directory`` holds what lives as long as the pod.

    ``tables``: ConfigMaps and Secrets by kind and name.
    """
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes") or ()}
    group = pod["spec"].get("securityContext", {}).get("fsGroup")
    for mount in container.get("volumeMounts") or ():
        if mount.get("subPath"):
            raise Refused("the harness knows no subPath")
        volume = volumes.get(mount["name"])
        if volume is None:
            raise Refused(f"volume {mount['name']} is mounted and not declared")
        source, writable = _source(volume, claims, tables, directory / mount["name"])
        if group is not None and writable:
            _give(source, group)
        yield Mount(source, mount["mountPath"], mount.get("readOnly", False) or not writable)


def _source(
    volume: Manifest,
    claims: Claims,
    tables: Mapping[str, Mapping[str, Manifest]],
    directory: Path,
) -> tuple[Path, bool]:
    """The directory, and whether pods may write to it."""
    match volume:
        case {"persistentVolumeClaim": {"claimName": name}}:
            return claims.directory(name), True
        case {"emptyDir": _}:
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(0o777)  # as a kubelet makes them
            return directory, True
        case {"configMap": {"name": name}}:
            return _files(tables["ConfigMap"], name, directory), False
        case {"secret": {"secretName": name}}:
            return _files(tables["Secret"], name, directory), False
    raise Refused(f"the harness knows no such volume: {volume}")


def _files(tables: Mapping[str, Manifest], name: str, directory: Path) -> Path:
    if name not in tables:
        raise Refused(f"volume: {name} not found")
    directory.mkdir(parents=True, exist_ok=True)
    for file, text in text_of(tables[name]).items():
        (directory / file).write_text(text)
    return directory


def _give(directory: Path, group: int) -> None:
    """What ``fsGroup`` asks for: it is the group's, and so is what will be made there."""
    os.chown(directory, -1, group)
    directory.chmod(directory.stat().st_mode | 0o2070)
