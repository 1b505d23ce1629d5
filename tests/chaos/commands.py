"""System commands that the harness runs, and what is left of harnesses that died.

Whatever a harness makes outside its own memory (namespaces, interfaces, mounts, directories)
carries its process id in its name, so that the next one can tell what nobody owns any more.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

DIRECTORY_PREFIX = "kvorum-chaos-"
NAMESPACE_PREFIX = "kvchaos-"
LINK_PREFIX = "kvch"


class CommandFailed(Exception):
    """A system command failed; the text has the command and what it said."""


def run(*command: str, stdin: str = "") -> str:
    """Its output; raises :class:`CommandFailed`."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise CommandFailed(f"{' '.join(command)}: exit code {done.returncode}: {said}")
    return done.stdout


def attempt(*command: str) -> str:
    """Run it; the answer is empty if it worked, else what it said."""
    try:
        run(*command)
    except (CommandFailed, OSError) as error:
        return str(error)
    return ""


def missing(programs: Sequence[str]) -> list[str]:
    return [program for program in programs if shutil.which(program) is None]


def remove_leftovers(temporary: Path) -> list[str]:
    """Remove what dead harnesses left; the names of it. Does nothing if not root."""
    if os.geteuid() != 0:
        return []
    return [*_remove_namespaces(), *_remove_links(), *remove_directories(temporary)]


def _remove_namespaces() -> Iterator[str]:
    directory = Path("/run/netns")
    for path in sorted(directory.glob(f"{NAMESPACE_PREFIX}*")) if directory.exists() else ():
        if not _is_alive(path.name.removeprefix(NAMESPACE_PREFIX).split("-")[0]):
            for pid in run("ip", "netns", "pids", path.name).split():
                os.kill(int(pid), 9)
            run("ip", "netns", "del", path.name)
            yield path.name


def _remove_links() -> Iterator[str]:
    for path in sorted(Path("/sys/class/net").glob(f"{LINK_PREFIX}*")):
        if not _is_alive(path.name.removeprefix(LINK_PREFIX).split("x")[0]):
            attempt("ip", "link", "del", path.name)  # its pair's removal may have removed it
            yield path.name


def remove_directories(temporary: Path) -> Iterator[str]:
    for path in sorted(temporary.glob(f"{DIRECTORY_PREFIX}*")):
        if not _is_alive(path.name.removeprefix(DIRECTORY_PREFIX).split("-")[0]):
            unmount_below(path)
            shutil.rmtree(path)
            yield path.name


def unmount_below(directory: Path) -> None:
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in reversed([each for each in mounts if each.startswith(f"{directory}/")]):
        run("umount", "--lazy", mount)


def _is_alive(pid: str) -> bool:
    return pid.isdigit() and Path("/proc", pid).exists()
