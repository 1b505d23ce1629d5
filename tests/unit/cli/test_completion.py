"""Completion scripts: the shells accept them, and they know the commands."""

import subprocess
from pathlib import Path

import pytest

from kvorum.cli.main import main

ASK = """
source "$1"
COMP_WORDS=(kvorum "${@:2}")
COMP_CWORD=$(( $# - 1 ))
_shtab_kvorum
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "kvorum.bash"
    with pytest.MonkeyPatch.context() as patch, path.open("w") as out:
        patch.setattr("sys.stdout", out)
        assert main(["completion", "bash"]) == 0
    return path


def completed(script: Path, *words: str, cwd: Path | None = None) -> set[str]:
    done = subprocess.run(
        ["bash", "-c", ASK, "bash", str(script), *words],
        check=True,
        capture_output=True,
        text=True,
        cwd=cwd,
    )
    return {word.strip() for word in done.stdout.split()}


def test_commands(script: Path) -> None:
    assert {"lease", "lock", "ls"} <= completed(script, "l") | completed(script, "")
    assert completed(script, "lease", "") >= {"grant", "keepalive", "revoke", "list", "show"}


def test_options_and_their_choices(script: Path) -> None:
    assert {"--ttl", "--file"} <= completed(script, "put", "--")
    assert completed(script, "get", "-o", "") >= {"json", "table", "raw"}


def test_files(script: Path, tmp_path: Path) -> None:
    (tmp_path / "settings.env").touch()
    assert "settings.env" in completed(script, "import", "sett", cwd=tmp_path)


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_other_shells(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    out = capsys.readouterr().out
    assert all(command in out for command in ("keepalive", "lock", "import"))
