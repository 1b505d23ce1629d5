"""The environment is made anew when its packages change, not when another Python looks at it."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "bootstrap.py"


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, as if its project were a new directory with an environment."""
    spec = importlib.util.spec_from_file_location("bootstrap_under_test", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    venv = tmp_path / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").touch()
    (tmp_path / "requirements.lock").write_text("a==1\n")
    for name, value in (("ROOT", tmp_path), ("VENV", venv), ("STAMP", venv / "stamp")):
        monkeypatch.setattr(module, name, value)
    monkeypatch.delenv("PYTHON", raising=False)
    module.STAMP.write_text(module.fingerprint())
    return module


def test_an_environment_of_another_python_stays(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version", "3.99")
    assert bootstrap.is_current()
    monkeypatch.setenv("PYTHON", "python3")  # what make says if nobody says anything
    assert bootstrap.is_current()
    monkeypatch.setenv("PYTHON", "python3.99")
    assert not bootstrap.is_current()


def test_other_packages_or_a_python_that_is_gone_need_a_new_one(bootstrap: ModuleType) -> None:
    assert bootstrap.is_current()
    (bootstrap.VENV / "bin" / "python").unlink()
    assert not bootstrap.is_current()
    (bootstrap.VENV / "bin" / "python").touch()
    (bootstrap.ROOT / "requirements.lock").write_text("a==2\n")
    assert not bootstrap.is_current()
