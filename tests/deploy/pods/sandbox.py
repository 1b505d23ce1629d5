"""A container without a container engine: namespaces, a root of its own, an unprivileged user.

What `crun` would do is done by a shell script as PID 1 of new mount, PID, UTS and IPC namespaces:
it mounts a new root with the system's programs, this environment's Python and the package, all
read-only, then the volumes, becomes the user and turns into the image's entrypoint. Needs root.

Not here: cgroups (limits of memory and CPU), seccomp, a user namespace. The programs are those of
this machine, not of the image.
"""

import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).resolve().parents[3]
VENV = ROOT / ".venv"
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_ETC = ("ld.so.cache", "nsswitch.conf", "localtime", "ssl", "passwd", "group", "host.conf")
NEEDED_PROGRAMS = ("ip", "nsenter", "unshare", "setpriv", "mount", "umount", "pivot_root")


class Mount(Struct, frozen=True):
    """A directory of this machine that the container sees at ``path``."""

    source: Path
    path: str
    read_only: bool = False


class Security(Struct, frozen=True):
    """What of a pod's and a container's security context a process can have."""

    user: int
    group: int
    groups: Sequence[int] = ()
    drop_all: bool = True
    no_new_privileges: bool = True
    read_only_root: bool = True


class Box(Struct, frozen=True):
    """What a container is started with. ``etc``: text of files there, by name."""

    hostname: str
    network: str  # name of a network namespace
    command: Sequence[str]
    environment: Mapping[str, str]
    mounts: Sequence[Mount]
    security: Security
    etc: Mapping[str, str]


def start_command(box: Box, workplace: Path) -> list[str]:
    """Starts the container; it dies with whoever runs the command, and ends as its PID 1 does.

    ``workplace``: an empty directory for the root's mount point and the files of /etc.
    """
    root, etc = workplace / "root", workplace / "etc"
    root.mkdir(parents=True)
    etc.mkdir()
    for name, text in box.etc.items():
        (etc / name).write_text(text)
    script = workplace / "start.sh"
    script.write_text("\n".join(_script(box, root, etc)) + "\n")
    unshare = ("unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child")
    return [
        *("setpriv", "--pdeathsig", "KILL"),
        *("nsenter", f"--net=/run/netns/{box.network}", *unshare),
        *("sh", "-e", str(script)),
    ]


def enter_command(pid: int, command: Sequence[str], security: Security) -> list[str]:
    """Runs ``command`` inside the container whose PID 1 is ``pid``, as `kubectl exec` does."""
    spaces = ("--mount", "--pid", "--net", "--uts", "--ipc", "--root", "--wd")
    return ["nsenter", "--target", str(pid), *spaces, *_privileges(security), *command]


def _script(box: Box, root: Path, etc: Path) -> Iterator[str]:
    yield "mount --make-rprivate /"
    yield f"mount -t tmpfs -o mode=755,size=4m kvorum-pod {_q(root)}"
    yield from _system(root)
    yield from _etc_files(root, etc)
    for mount in box.mounts:
        yield from _bind(mount.source, root / mount.path.strip("/"), read_only=mount.read_only)
    yield from _python(root)  # last: it may lie below a volume, such as /tmp
    yield f"hostname {_q(box.hostname)}"
    yield f"mkdir {_q(root / '.old')}"
    yield f"cd {_q(root)} && pivot_root . .old && cd / && umount -l /.old && rmdir /.old"
    if box.security.read_only_root:
        yield "mount -o remount,bind,ro /"
    # Nothing of this machine's environment may reach the program: Kubernetes gives it all it has.
    given = [f"{name}={value}" for name, value in box.environment.items()]
    yield shlex.join(["exec", "env", "-i", *given, *_privileges(box.security), *box.command])


def _system(root: Path) -> Iterator[str]:
    yield from _bind(Path("/usr"), root / "usr", read_only=True)
    for name in _MERGED:
        path = Path("/", name)
        if path.is_symlink():
            yield f"ln -s {_q(path.readlink())} {_q(root / name)}"
        elif path.is_dir():
            yield from _bind(path, root / name, read_only=True)
    yield f"mkdir {_q(root / 'proc')} {_q(root / 'dev')}"
    yield f"mount -t proc proc {_q(root / 'proc')}"
    for name in _DEVICES:
        yield f"touch {_q(root / 'dev' / name)}"
        yield f"mount --bind /dev/{name} {_q(root / 'dev' / name)}"
    yield f"ln -s /proc/self/fd {_q(root / 'dev/fd')}"


def _python(root: Path) -> Iterator[str]:
    """The interpreter, its environment and the package, where they are on this machine."""
    base = Path(sys.base_prefix).resolve()
    for path in (base, VENV, ROOT / "service"):
        if not path.is_relative_to("/usr"):
            yield from _bind(path, root / str(path).strip("/"), read_only=True)


def _etc_files(root: Path, etc: Path) -> Iterator[str]:
    yield f"mkdir {_q(root / 'etc')}"
    for name in _ETC:
        source = Path("/etc", name)
        if source.is_dir():
            yield from _bind(source, root / "etc" / name, read_only=True)
        elif source.exists():
            yield f"cp -L {_q(source)} {_q(root / 'etc' / name)}"
    yield f"cp {_q(etc)}/* {_q(root / 'etc')}/"


def _bind(source: Path, target: Path, *, read_only: bool) -> Iterator[str]:
    yield f"mkdir -p {_q(target)}"
    yield f"mount --bind {_q(source)} {_q(target)}"
    if read_only:
        yield f"mount -o remount,bind,ro {_q(target)}"


def _privileges(security: Security) -> list[str]:
    words = ["setpriv", f"--reuid={security.user}", f"--regid={security.group}"]
    if security.groups:
        words.append("--groups=" + ",".join(map(str, security.groups)))
    else:
        words.append("--clear-groups")
    if security.drop_all:
        words += ["--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all"]
    if security.no_new_privileges:
        words.append("--no-new-privs")
    return words


def _q(path: Path | str) -> str:
    return shlex.quote(str(path))


def missing_programs() -> list[str]:
    return [name for name in NEEDED_PROGRAMS if shutil.which(name) is None]
