"""The base by debootstrap, the image by the shipped script, and what two builds differ in."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from pathlib import Path

from tests.deploy.image.real.engine import Podman, run

ROOT = Path(__file__).resolve().parents[4]
SUITE = "trixie"
BASE = "localhost/trixie-base:test"
# What Debian's slim images leave out, too.
LEFT_OUT = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info")
CACHES = ("var/cache/apt", "var/lib/apt/lists", "var/log")


def make_base(podman: Podman, scratch: Path) -> None:
    """A stand-in for debian:trixie-slim; kept, for it takes a minute to make."""
    archive = scratch / "base.tar"
    if not archive.exists():
        tree = scratch / "base"
        shutil.rmtree(tree, ignore_errors=True)
        run(["debootstrap", "--variant=minbase", SUITE, str(tree)])
        excludes = "".join(f"path-exclude /{path}/*\n" for path in LEFT_OUT)
        (tree / "etc/dpkg/dpkg.cfg.d/slim").write_text(excludes)
        (tree / "etc/resolv.conf").unlink(missing_ok=True)
        for path in (*LEFT_OUT, *CACHES):
            shutil.rmtree(tree / path, ignore_errors=True)
            (tree / path).mkdir(parents=True)
        part = archive.with_suffix(".part")
        run(["tar", "--create", "--numeric-owner", f"--directory={tree}", f"--file={part}", "."])
        part.replace(archive)
        shutil.rmtree(tree)
    podman("import", "--quiet", str(archive), BASE)


def build(podman: Podman, image: str, options: list[str]) -> None:
    """From nothing, so that no layer is another build's."""
    script = str(ROOT / "deploy/image/build.sh")
    own = ["--isolation=chroot", "--no-cache", "--build-arg", f"BASE={BASE}"]
    environ = {**podman.environ, "ENGINE": "buildah", "IMAGE": image}
    run([script, *own, *options], env=environ)


def compressed_bytes(podman: Podman, image: str, scratch: Path) -> int:
    """What a registry would store."""
    pushed = scratch / "pushed"
    shutil.rmtree(pushed, ignore_errors=True)
    podman("push", "--quiet", "--compress", image, f"dir:{pushed}")
    size = sum(file.stat().st_size for file in pushed.iterdir())
    shutil.rmtree(pushed)
    return size


def differences(podman: Podman, one: str, other: str, scratch: Path) -> list[str]:
    """Paths whose contents, owners, modes or times differ between two images."""
    a, b = (
        _files(podman, image, scratch / f"{number}.tar")
        for number, image in enumerate((one, other))
    )
    return sorted(path for path in a.keys() | b.keys() if a.get(path) != b.get(path))


def _files(podman: Podman, image: str, archive: Path) -> dict[str, tuple[object, ...]]:
    name = f"kvorum-image-test-{os.getpid()}"
    podman("create", "--quiet", "--name", name, image)
    try:
        podman("export", "--output", str(archive), name)
    finally:
        podman.remove([name])
    found: dict[str, tuple[object, ...]] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isreg() else None
            digest = hashlib.sha256(file.read()).hexdigest() if file else member.linkname
            found[member.name] = (digest, member.mode, member.uid, member.gid, int(member.mtime))
    archive.unlink()
    return found
