"""From env files to a running cluster and back to an exit code."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from kvorum.cli.dev.plan import find_env_files, plan_nodes
from kvorum.cli.dev.ports import ports_in_use
from kvorum.cli.dev.supervisor import Supervisor
from kvorum.errors import ConfigurationError


def run_cluster(
    env_files: Sequence[Path] | None,
    environ: Mapping[str, str],
    *,
    stdout: TextIO,
    stderr: TextIO,
) -> int:
    """0 when stopped on request, 1 when the cluster did not come up, 2 on wrong settings."""
    try:
        nodes = plan_nodes(env_files or find_env_files(Path.cwd()), environ)
    except ConfigurationError as error:
        print(f"kvorum: {error}", file=stderr)
        return 2
    busy = ports_in_use(nodes)
    if busy:
        print("kvorum: the cluster cannot start:", *busy, sep="\n  ", file=stderr)
        print("Is another cluster running? `ss -ltnp` shows who holds a port.", file=stderr)
        return 1
    # A file of log lines is for reading here, so it is not JSON unless asked for.
    supervisor = Supervisor(nodes, {"LOG_FORMAT": "human", **environ}, stdout)
    return asyncio.run(supervisor.run())
