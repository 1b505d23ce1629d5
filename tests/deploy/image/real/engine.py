"""Podman with a store of its own below a scratch directory, so that nobody's images change."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

CGROUP2 = Path("/sys/fs/cgroup/unified")


def run(command: Sequence[str], *, env: Mapping[str, str] | None = None) -> str:
    """Standard output; a failure shows what the program said."""
    environ = {**os.environ, **(env or {})}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stdout + done.stderr)[-4000:]
        raise AssertionError(f"{' '.join(command)} exits with {done.returncode}:\n{said}")
    return done.stdout.strip()


def said(command: Sequence[str], *, env: Mapping[str, str]) -> str:
    """Both outputs: a node logs to standard error."""
    environ = {**os.environ, **env}
    done = subprocess.run(
        command,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return done.stdout


def enter_own_mounts(argv: Sequence[str]) -> None:
    """Start again without the cgroup v2 mount of a hybrid machine, which crun refuses."""
    if CGROUP2.is_mount():
        script = 'umount "$1" && shift && exec "$@"'
        os.execvp("unshare", ["unshare", "--mount", "sh", "-c", script, "sh", str(CGROUP2), *argv])


class Podman:
    """`podman`, and what else uses its store through ``environ``."""

    def __init__(self, scratch: Path) -> None:
        config = scratch / "storage.conf"
        config.write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{scratch / "store"}"\n'
            f'runroot = "{scratch / "run"}"\n'
        )
        self.environ = {"CONTAINERS_STORAGE_CONF": str(config)}

    def __call__(self, *arguments: str) -> str:
        return run(["podman", *arguments], env=self.environ)

    def refused(self, *arguments: str) -> str:
        """What was said by a command that must fail."""
        command = ["podman", *arguments]
        environ = {**os.environ, **self.environ}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode != 0, f"{' '.join(command)} ends well"
        return done.stderr

    def config(self, image: str) -> dict[str, Any]:
        [inspected] = json.loads(self("image", "inspect", image))
        assert isinstance(inspected, dict)
        return inspected

    def remove(self, names: Sequence[str]) -> None:
        self("rm", "--force", "--ignore", "--time", "0", *names)


def hardening() -> list[str]:
    """As the chart runs it: no root, no capabilities, nothing writable but data and /tmp."""
    files = min(65_536, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    return [
        "--read-only",
        "--read-only-tmpfs=false",
        "--tmpfs=/tmp",
        "--user=10001:10001",
        "--cap-drop=all",
        "--security-opt=no-new-privileges",
        "--no-healthcheck",  # its timers need systemd; the check is run by hand
        f"--ulimit=nofile={files}:{files}",  # Podman's own defaults may be more than it may set
        "--ulimit=nproc=4096:4096",
    ]
