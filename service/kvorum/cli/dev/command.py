"""From env files, or from a mere number of nodes, to a running cluster and an exit code."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from kvorum.cli.dev.made_up import DIRECTORY, made_up_files
from kvorum.cli.dev.plan import find_env_files, nearby, plan_nodes
from kvorum.cli.dev.ports import is_taken, ports_in_use
from kvorum.cli.dev.supervisor import Supervisor
from kvorum.cli.exits import Exit
from kvorum.errors import ConfigurationError


def run_cluster(
    env_files: Sequence[Path] | None,
    environ: Mapping[str, str],
    *,
    stdout: TextIO,
    stderr: TextIO,
    size: int | None = None,
    directory: Path | None = None,
) -> int:
    """The cluster of ``env_files``, or a made-up one of ``size`` nodes in ``directory``.

    DONE when stopped on request, FAILED when it did not come up, USAGE for wrong settings.
    """
    try:
        nodes = plan_nodes(_env_files(env_files, size, directory, stdout), environ)
    except ConfigurationError as error:
        print(f"kvorum: {error}", file=stderr)
        return Exit.USAGE
    busy = ports_in_use(nodes)
    if busy:
        print("kvorum: the cluster cannot start:", *busy, sep="\n  ", file=stderr)
        print("Is another cluster running? `ss -ltnp` shows who holds a port.", file=stderr)
        return Exit.FAILED
    # A file of log lines is for reading here, so it is not JSON unless asked for.
    supervisor = Supervisor(nodes, {"LOG_FORMAT": "human", **environ}, stdout)
    return asyncio.run(supervisor.run())


def _env_files(
    named: Sequence[Path] | None, size: int | None, directory: Path | None, stdout: TextIO
) -> Sequence[Path]:
    if size is None and directory is not None:
        raise ConfigurationError("--dir is for a made-up cluster: kvorum dev 3 --dir DIR")
    if size is not None and named:
        raise ConfigurationError("name either a number of nodes or env files, not both")
    if size is not None:
        return _made_up((directory or DIRECTORY).absolute(), size, stdout)
    return named or find_env_files(Path.cwd())


def _made_up(directory: Path, size: int, stdout: TextIO) -> list[Path]:
    files, is_new = made_up_files(directory, size, is_taken)
    if is_new:
        print(f"kvorum: wrote {size} env files to {nearby(directory)}", file=stdout, flush=True)
    return files
