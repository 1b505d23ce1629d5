"""The Dockerfile as far as it can be judged without building it; `make image-test` builds it."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.deploy.image.dockerfile import (
    copied_from_context,
    ignores,
    instructions,
    last_stage,
)

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()
INSTRUCTIONS = instructions(DOCKERFILE)
IGNORED = [
    line
    for line in (ROOT / ".dockerignore").read_text().splitlines()
    if line and not line.startswith("#")
]


def sent(*sources: str) -> list[str]:
    """Files that the engine would send to the builder, as .dockerignore lets them through."""
    found: list[str] = []
    for source in sources:
        path = ROOT / source
        files = path.rglob("*") if path.is_dir() else [path]
        names = [str(file.relative_to(ROOT)) for file in files if file.is_file()]
        found += [name for name in names if not ignores(IGNORED, name)]
    return found


def in_final_stage(keyword: str) -> list[str]:
    return [one.text for one in last_stage(INSTRUCTIONS) if one.keyword == keyword]


def context(directory: Path) -> Path:
    """What the Dockerfile copies, and .dockerignore lets through."""
    for name in sent(*copied_from_context(INSTRUCTIONS)):
        target = directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    return directory


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = context(tmp_path_factory.mktemp("context"))
    script = "from setuptools import build_meta; print(build_meta.build_wheel('dist'))"
    (directory / "dist").mkdir()
    built = subprocess.run(
        [sys.executable, "-c", script], cwd=directory, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    return directory / "dist" / built.stdout.splitlines()[-1]


def test_hadolint_finds_nothing() -> None:
    done = subprocess.run(
        [BIN / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("script", ["build.sh", "healthcheck"])
def test_shellcheck_finds_nothing(script: str) -> None:
    path = ROOT / "deploy/image" / script
    assert os.access(path, os.X_OK)
    done = subprocess.run(["shellcheck", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("source", copied_from_context(INSTRUCTIONS))
def test_what_is_copied_exists_and_is_not_ignored(source: str) -> None:
    assert (ROOT / source).exists()
    assert not ignores(IGNORED, source)
    assert sent(source)


def test_every_module_is_sent() -> None:
    package = ROOT / "service" / "kvorum"
    modules = {str(file.relative_to(ROOT)) for file in package.rglob("*.py")}
    assert modules <= set(sent("service"))


def test_nothing_else_is_sent() -> None:
    sources = copied_from_context(INSTRUCTIONS)
    for path in (*ROOT.iterdir(), *(ROOT / "deploy").iterdir(), *(ROOT / "deploy/image").iterdir()):
        name = str(path.relative_to(ROOT))
        if not any(source == name or source.startswith(f"{name}/") for source in sources):
            assert ignores(IGNORED, name), name
            assert ignores(IGNORED, f"{name}/anything"), name


@pytest.mark.parametrize(
    ("path", "ignored"),
    [
        ("service/kvorum/errors.py", False),
        ("service/kvorum/__pycache__/errors.cpython-313.pyc", True),
        ("service/kvorum.egg-info/PKG-INFO", True),
        (".git/config", True),
        (".venv/bin/python", True),
        ("data/node-1/wal", True),
        ("1.env", True),
    ],
)
def test_what_the_builder_may_see(path: str, ignored: bool) -> None:
    assert ignores(IGNORED, path) is ignored


def test_the_wheel_made_of_what_is_copied_has_every_file_of_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if name.startswith("kvorum/")}
    assert inside == {name.removeprefix("service/") for name in sent("service/kvorum")}


def test_the_wheel_runs_by_itself(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    script = (
        "import kvorum.app.process, kvorum.cli.main as main; print(main.__file__);"
        "raise SystemExit(main.main(['--version']))"
    )
    environ = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    file, version = done.stdout.splitlines()
    assert Path(file).is_relative_to(tmp_path), "another kvorum than the wheel's was imported"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert version == f"kvorum {project['version']}"


def test_every_install_is_pinned_with_hashes_or_the_wheel_just_built() -> None:
    commands = [command for one in INSTRUCTIONS for command in one.text.split("&&")]
    installs = [command for command in commands if "pip" in command and " install " in command]
    installs = [command for command in installs if "apt-get" not in command]
    assert len(installs) == 3
    for command in installs:
        assert "--require-hashes" in command or "--no-index" in command, command
    assert any("-r requirements-runtime.lock" in command for command in installs)


def test_the_build_tool_is_taken_from_the_lock_with_its_hashes() -> None:
    [script] = [
        command
        for one in INSTRUCTIONS
        for command in one.text.split("&&")
        if "requirements.lock >" in command
    ]
    expression = re.search(r"sed -n '([^']*)'", script)
    assert expression is not None
    found = subprocess.run(
        ["sed", "-n", expression[1], ROOT / "requirements.lock"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert re.fullmatch(r"setuptools==\S+ \\\n( +--hash=sha256:[0-9a-f]{64}( \\)?\n)+", found)


def test_the_contract_with_what_runs_it() -> None:
    assert in_final_stage("USER") == ["10001:10001"]
    assert [json.loads(text) for text in in_final_stage("ENTRYPOINT")] == [
        ["/usr/bin/tini", "--", "kvorum"]
    ]
    assert [json.loads(text) for text in in_final_stage("CMD")] == [["serve"]]
    assert in_final_stage("WORKDIR") == ["/"]
    assert in_final_stage("EXPOSE") == ["8081 8001"]
    assert in_final_stage("STOPSIGNAL") == ["SIGTERM"]
    [env] = in_final_stage("ENV")
    environ = dict(word.split("=", 1) for word in shlex.split(env))
    assert environ.pop("PATH").startswith("/opt/kvorum/bin:")
    assert environ == {
        "HOME": "/tmp",
        "PYTHONDONTWRITEBYTECODE": "1",
        "DATA_DIR": "/var/lib/kvorum",
        "REST_ADDRESS": "0.0.0.0:8081",
        "LISTEN_ADDRESS": "0.0.0.0:8001",
    }


def test_labels_say_what_it_is_and_of_which_source() -> None:
    [labels] = in_final_stage("LABEL")
    found = dict(word.split("=", 1) for word in shlex.split(labels))
    prefix = "org.opencontainers.image."
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert found[f"{prefix}title"] == project["name"]
    assert found[f"{prefix}description"] == project["description"]
    assert found[f"{prefix}licenses"] == project["license"]
    for argument in ("VERSION", "REVISION", "SOURCE"):
        assert found[prefix + argument.lower()] == f"${{{argument}}}"
