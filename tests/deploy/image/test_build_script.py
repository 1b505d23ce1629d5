"""Which engine `make image` takes, and what it is told; stand-ins record their arguments."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "deploy/image/build.sh"
NEEDED = ("bash", "dirname", "env", "sed")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A PATH with what the script needs and nothing else."""
    for program in NEEDED:
        found = shutil.which(program)
        assert found is not None, program
        (tmp_path / program).symlink_to(found)
    return tmp_path


def engine(path: Path, name: str, code: int = 0) -> None:
    program = path / name
    program.write_text(f'#!/bin/sh\necho "{name}" "$@"\nexit {code}\n')
    program.chmod(0o755)


def build(path: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    allowed = {"PATH": str(path), "HOME": os.environ.get("HOME", "/"), **environ}
    return subprocess.run(
        [SCRIPT, *arguments], env=allowed, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("name", "starts"),
    [
        ("docker", "docker build --file"),
        ("podman", "podman build --format docker --timestamp 1 --file"),
        ("buildah", "buildah build --layers --format docker --timestamp 1 --file"),
    ],
)
def test_every_engine_gets_the_same_build(path: Path, name: str, starts: str) -> None:
    engine(path, name)
    done = build(path, "--no-cache", SOURCE_DATE_EPOCH="1", IMAGE="here:1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(starts)
    assert done.stdout.endswith("--no-cache .\n")
    for part in (
        " --tag here:1 ",
        " SOURCE_DATE_EPOCH=1 ",
        " VERSION=0.1.0 ",
        " REVISION=unknown ",
    ):
        assert part in done.stdout


def test_docker_comes_first_unless_told_otherwise(path: Path) -> None:
    engine(path, "buildah")
    engine(path, "docker")
    assert build(path).stdout.startswith("docker ")
    assert build(path, ENGINE="buildah").stdout.startswith("buildah ")


def test_no_engine_is_said_so(path: Path) -> None:
    done = build(path)
    assert done.returncode == 1
    assert "docker, podman or buildah is needed" in done.stderr


def test_an_unknown_engine_is_refused(path: Path) -> None:
    done = build(path, ENGINE="kaniko")
    assert done.returncode == 1
    assert "kaniko is none of" in done.stderr


def test_a_failed_build_fails(path: Path) -> None:
    engine(path, "docker", code=3)
    assert build(path).returncode == 3


def test_a_clone_names_its_revision_and_the_time_of_it(path: Path) -> None:
    """Git is asked for both, and says that something was changed since."""
    engine(path, "podman")
    git = path / "git"
    git.write_text(
        '#!/bin/sh\ncase "$*" in\n"rev-parse HEAD") echo abc ;;\n'
        '"log -1 --format=%ct") echo 1700000000 ;;\n'
        "status*) [ -z \"$DIRTY\" ] || echo ' M service/kvorum/errors.py' ;;\nesac\n"
    )
    git.chmod(0o755)
    clean, changed = build(path), build(path, DIRTY="1")
    assert " --timestamp 1700000000 " in clean.stdout
    assert " REVISION=abc " in clean.stdout
    assert " REVISION=abc-dirty " in changed.stdout
