"""What an interrupted import remembers beside its input, to go on where it stopped.

Everything before ``done`` is in the store. Batches behind it may be too; they are put again,
which changes nothing but their revisions.
"""

from pathlib import Path

import msgspec
from msgspec import Struct

from kvorum.cli.exits import Exit
from kvorum.cli.failed import CommandFailed

SUFFIX = ".kvorum-import"
FAILURES_KEPT = 1000


class Failure(Struct, frozen=True, omit_defaults=True):
    """A line that was not imported."""

    line: int
    error: str
    key: str = ""


class Job(Struct, frozen=True, rename="camel"):
    """Which import it is: another file, prefix or cluster makes another one."""

    size_bytes: int
    modified_ns: int
    prefix: str
    form: str
    cluster_id: str


class ImportState(Struct, rename="camel"):
    """``done`` entries, from the first, are through; ``imported`` of them without failing."""

    job: Job
    done: int = 0
    imported: int = 0
    failed: int = 0
    failures: list[Failure] = []


def job_of(path: Path, *, prefix: str, form: str, cluster_id: str) -> Job:
    status = path.stat()
    return Job(status.st_size, status.st_mtime_ns, prefix, form, cluster_id)


def load_state(path: Path, job: Job) -> ImportState:
    """Where to go on; from the start if nothing was interrupted.

    Raises :class:`CommandFailed` if something else was: skipping its part would lose keys.
    """
    try:
        state = msgspec.json.decode(path.read_bytes(), type=ImportState)
    except FileNotFoundError:
        return ImportState(job)
    except (OSError, msgspec.DecodeError) as error:
        raise CommandFailed(
            Exit.FAILED, f"{path} cannot be read: {error}. --again imports from the start"
        ) from error
    if state.job != job:
        raise CommandFailed(
            Exit.FAILED,
            f"{path} is of an import that was interrupted, of another {_difference(state.job, job)}"
            ". --again imports from the start",
        )
    return state


def _difference(old: Job, new: Job) -> str:
    if old.cluster_id != new.cluster_id:
        return "cluster"
    return "prefix or format" if (old.prefix, old.form) != (new.prefix, new.form) else "file"


def save_state(path: Path, state: ImportState) -> None:
    """At once or not at all."""
    unfinished = path.with_name(path.name + ".new")
    unfinished.write_bytes(msgspec.json.encode(state))
    unfinished.replace(path)
