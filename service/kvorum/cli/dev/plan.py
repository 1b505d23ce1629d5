"""Which nodes to start, how, and where their log lines go."""

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from kvorum.errors import ConfigurationError
from kvorum.settings import Settings, load_settings


class NodePlan(NamedTuple):
    """One node; ``directory`` is where relative paths of its settings begin."""

    settings: Settings
    env_file: Path
    command: tuple[str, ...]
    directory: Path

    @property
    def name(self) -> str:
        return self.settings.self_id

    @property
    def log_file(self) -> Path:
        data_dir = self.directory / self.settings.data_dir
        return data_dir.with_name(f"{data_dir.name}.log")

    @property
    def restart_command(self) -> str:
        """What to type to start this node by hand."""
        if len(self.command) == 1:
            return f"./{Path(self.command[0]).name}"
        return f"kvorum serve --env-file {nearby(self.env_file)}"


def find_env_files(directory: Path) -> list[Path]:
    """1.env, 2.env, … 10.env in the order of their numbers."""
    found = [path for path in directory.glob("*.env") if path.stem.isdecimal()]
    if not found:
        raise ConfigurationError(
            f"{directory} holds no 1.env, 2.env, …; change the directory, name the files "
            "(kvorum dev --env-file FILE …), or say how many nodes are to be made up: kvorum dev 3"
        )
    return sorted(found, key=lambda path: int(path.stem))


def plan_nodes(env_files: Sequence[Path], environ: Mapping[str, str]) -> list[NodePlan]:
    """Raises ConfigurationError for a wrong file, or for files that do not fit together."""
    nodes = [_plan(path.absolute(), load_settings(path, environ)) for path in env_files]
    _refuse_repeated("SELF_ID", (node.settings.self_id for node in nodes))
    _refuse_repeated("SELF_ADDRESS", (node.settings.self_address for node in nodes))
    _refuse_repeated("REST_ADDRESS", (node.settings.rest_address for node in nodes))
    return nodes


def _plan(env_file: Path, settings: Settings) -> NodePlan:
    script = env_file.with_name(f"run{env_file.stem}.sh")
    here = (sys.executable, "-m", "kvorum.cli.main", "serve", "--env-file", str(env_file))
    command = (str(script),) if script.is_file() else here
    return NodePlan(settings, env_file, command, env_file.parent)


def _refuse_repeated(variable: str, values: Iterable[str]) -> None:
    repeated = sorted(value for value, count in Counter(values).items() if count > 1)
    if repeated:
        raise ConfigurationError(
            f"{variable} {', '.join(repeated)} belongs to more than one node; each needs its own "
            "(a variable of the environment overrides every env file)"
        )


def nearby(path: Path) -> Path:
    """Short, if the user stands above it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
