"""A disk, measured as the log uses it: a write and a sync at a time, into allocated space."""

from collections.abc import Callable
from pathlib import Path
from secrets import token_bytes, token_hex
from time import perf_counter

from msgspec import Struct

from kvorum.cli.health.latencies import Latencies
from kvorum.cli.health.verdicts import DISK, TOO_QUICK_S, Finding, Level, judged
from kvorum.cli.sizes import milliseconds_text
from kvorum.storage.fs import File, FileSystem
from kvorum.storage.record import HEADER_BYTES
from kvorum.storage.segment import RECORDS_OFFSET, SEGMENT_BYTES

RECORD_BYTES = 2048
"""A batch of a dozen small writes."""

_IN_MEMORY = frozenset({"tmpfs", "ramfs"})
_REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs", "fuse.sshfs"})


class DiskReport(Struct, frozen=True):
    directory: str
    file_system: str
    latencies: Latencies
    findings: tuple[Finding, ...]


def measure_disk(
    fs: FileSystem,
    directory: Path,
    seconds: float,
    *,
    file_system: str,
    clock: Callable[[], float] = perf_counter,
) -> DiskReport:
    """Takes 64 MiB meanwhile, and gives them back. Raises OSError."""
    path = directory / f"kvorum-check-{token_hex(4)}.tmp"
    file = fs.create(path)
    try:
        file.allocate(SEGMENT_BYTES)
        file.sync()
        latencies = _write(file, seconds, clock)
    finally:
        file.close()
        fs.remove(path)
    findings = _findings(directory, file_system, latencies)
    return DiskReport(str(directory), file_system, latencies, tuple(findings))


def _write(file: File, seconds: float, clock: Callable[[], float]) -> Latencies:
    header, payload = token_bytes(HEADER_BYTES), token_bytes(RECORD_BYTES - HEADER_BYTES)
    samples: list[float] = []
    offset, start = RECORDS_OFFSET, clock()
    now = start
    while now - start < seconds:
        file.write_durably((header, payload), offset)
        before, now = now, clock()
        samples.append(now - before)
        offset += RECORD_BYTES
        if offset + RECORD_BYTES > SEGMENT_BYTES:
            offset = RECORDS_OFFSET
    return Latencies.of(samples, now - start)


def _findings(directory: Path, file_system: str, latencies: Latencies) -> list[Finding]:
    where = str(directory)
    found = [judged(DISK, where, latencies.quantile(0.99))]
    median_s = latencies.quantile(0.5)
    if file_system in _IN_MEMORY:
        told = f"{file_system} is memory: what it holds is gone when the machine stops"
        found.append(Finding(Level.UNFIT, where, told))
    elif median_s < TOO_QUICK_S:
        told = (
            f"a sync of {milliseconds_text(median_s)} reaches no medium: unless the disk protects "
            "its cache against loss of power, acknowledged writes can be lost"
        )
        found.append(Finding(Level.SLOW, where, told))
    if file_system in _REMOTE:
        told = f"{file_system} is a disk of another machine: its syncs and locks have to be real"
        found.append(Finding(Level.SLOW, where, told))
    if file_system == "overlay":
        told = "overlay is a container's own layer: it vanishes with the container; take a volume"
        found.append(Finding(Level.SLOW, where, told))
    return found


def file_system_of(directory: Path, mounts: str) -> str:
    """Its type, by the text of /proc/self/mounts; "" if that does not tell."""
    best, kind = "", ""
    for line in mounts.splitlines():
        _, point, found, *_ = [*line.split(), "", "", ""]
        point = point.replace("\\040", " ")
        if len(point) >= len(best) and directory.is_relative_to(point or "?"):
            best, kind = point, found
    return kind
