"""Build the image on a Debian made by debootstrap, run three nodes of it: `make image-test`.

Needs root, debootstrap, podman, buildah and some minutes. Arguments go to the build, for instance
`--secret id=pip.conf,src=…`. What it makes lives below build/image-test.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.deploy.image.real import building
from tests.deploy.image.real.checks import check_alone, check_cluster, check_image
from tests.deploy.image.real.engine import Podman, enter_own_mounts
from tests.deploy.image.real.nodes import Nodes

IMAGE = "localhost/kvorum:test"
AGAIN = "localhost/kvorum:again"
MIB = 1 << 20


def say(text: str) -> None:
    print(f"image-test: {text}", flush=True)


def check_build(podman: Podman, scratch: Path, options: list[str]) -> Iterator[str]:
    building.make_base(podman, scratch)
    began = time.monotonic()
    building.build(podman, IMAGE, options)
    yield f"built in {time.monotonic() - began:.0f} s"
    size = podman.config(IMAGE)["Size"]
    base = podman.config(building.BASE)["Size"]
    packed = building.compressed_bytes(podman, IMAGE, scratch)
    packed_base = building.compressed_bytes(podman, building.BASE, scratch)
    yield (
        f"{size / MIB:.0f} MiB, of which the base {base / MIB:.0f}; "
        f"compressed {packed / MIB:.0f}, of which the base {packed_base / MIB:.0f}"
    )
    building.build(podman, AGAIN, options)
    layers, again = (podman.config(image)["RootFS"]["Layers"] for image in (IMAGE, AGAIN))
    if layers == again:
        yield f"a second build has the same {len(layers)} layers"
        return
    different = building.differences(podman, IMAGE, AGAIN, scratch)
    raise AssertionError(f"two builds differ in {different or 'nothing but the order of files'}")


def story(podman: Podman, scratch: Path, options: list[str]) -> Iterator[str]:
    yield from check_build(podman, scratch, options)
    yield from check_image(podman, IMAGE)
    yield from check_alone(podman, IMAGE)
    nodes = Nodes(podman, IMAGE, scratch)
    try:
        yield from check_cluster(nodes)
    finally:
        nodes.close()


def main(options: list[str]) -> int:
    missing = [name for name in ("buildah", "debootstrap", "podman") if shutil.which(name) is None]
    if os.geteuid() != 0 or missing:
        need = f"sudo apt-get install {' '.join(missing)}" if missing else "start it as root"
        say(f"needs root, buildah, debootstrap and podman: {need}")
        return 1
    enter_own_mounts([sys.executable, "-m", "tests.deploy.image.real", *options])
    scratch = building.ROOT / "build" / "image-test"
    scratch.mkdir(parents=True, exist_ok=True)
    for line in story(Podman(scratch), scratch, options):
        say(line)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
