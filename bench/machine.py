"""What a run's figures depend on: the machine, the versions, the commit."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from bench.results import Machine
from tools.ensure_programs import ROOT


def describe_machine() -> Machine:
    cpu = Path("/proc/cpuinfo").read_text()
    model = next(line for line in cpu.splitlines() if line.startswith("model name"))
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Machine(
        processor=model.partition(": ")[2],
        cores=os.cpu_count() or 1,
        memory_gib=pages / 2**30,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
    )


def versions(etcd: Path) -> dict[str, str]:
    """Of both systems."""
    printed = subprocess.run([etcd, "--version"], check=True, capture_output=True, text=True).stdout
    return {"kvorum": version("kvorum"), "etcd": printed.split()[2]}


def read_commit() -> str:
    """Short, with ``+`` behind it if files differ from it; ``unknown`` outside a work tree."""
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run(
        [*git, "rev-parse", "--short", "HEAD"], check=False, capture_output=True, text=True
    )
    if commit.returncode:
        return "unknown"
    changed = subprocess.run(
        [*git, "status", "--porcelain", "--untracked-files=no"],
        check=False,
        capture_output=True,
        text=True,
    )
    return commit.stdout.strip() + ("+" if changed.stdout.strip() else "")
