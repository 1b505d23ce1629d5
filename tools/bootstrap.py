"""Create `.venv` from requirements.lock; do nothing if it is already there and current.

Runs on a machine that has only python3, so it uses the standard library alone, and
syntax old enough that an outdated Python can still read the message about its age.
Safe to start several times at once: the others wait for the first one. An environment that
another Python made stays, since nodes may be running from it; only who names a Python
(``PYTHON=…``) gets that one.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "kvorum-lock.sha256"
PYTHON_MIN = (3, 11)
ATTEMPTS = 3


class SetupError(Exception):
    """The environment cannot be made; the message says what to do."""


def say(text: str) -> None:
    print(f"setup: {text}", file=sys.stderr, flush=True)


def fingerprint() -> str:
    """Of the lock and the place, and of the Python in a line of its own."""
    digest = hashlib.sha256((ROOT / "requirements.lock").read_bytes())
    digest.update(str(ROOT).encode())
    return f"{digest.hexdigest()}\n{sys.version}\n"


def is_current() -> bool:
    """Whether the environment fits, and its Python is still there."""
    if not STAMP.is_file() or not (VENV / "bin" / "python").exists():
        return False
    stamp = STAMP.read_text()
    if os.environ.get("PYTHON", "python3") != "python3":  # somebody wants this very one
        return stamp == fingerprint()
    return stamp.partition("\n")[0] == fingerprint().partition("\n")[0]


def run(*command: str) -> None:
    subprocess.run(command, check=True, cwd=ROOT)


def require_python() -> None:
    if sys.version_info < PYTHON_MIN:  # the message is for those
        have = ".".join(str(part) for part in sys.version_info[:3])
        raise SetupError(
            f"Python 3.11 or newer is needed, but {sys.executable} is {have}. "
            "Name another one: make PYTHON=python3.12 …, or PYTHON=python3.12 ./run1.sh"
        )


def has_ensurepip() -> bool:
    """Debian and Ubuntu keep it in the package python3-venv."""
    return importlib.util.find_spec("ensurepip") is not None


def create_venv() -> list[str]:
    """Make an empty environment; return the command that is its pip."""
    shutil.rmtree(VENV, ignore_errors=True)
    python = str(VENV / "bin" / "python")
    if has_ensurepip():
        run(sys.executable, "-m", "venv", str(VENV))
        return [python, "-m", "pip"]
    if importlib.util.find_spec("pip") is None:
        raise SetupError(
            "this Python can make no virtual environment: it has neither ensurepip nor pip. "
            "On Debian or Ubuntu install them with: apt-get install python3-venv"
        )
    run(sys.executable, "-m", "venv", "--without-pip", str(VENV))
    return [sys.executable, "-m", "pip", "--python", python]


def install(pip: list[str]) -> None:
    quiet = ["--quiet", "--quiet", "--disable-pip-version-check", "--no-input"]
    run(*pip, "install", *quiet, "--require-hashes", "--requirement", "requirements.lock")
    run(*pip, "install", *quiet, "--no-deps", "--no-build-isolation", "--editable", ".")


def build() -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            install(create_venv())
        except subprocess.CalledProcessError as error:
            say(f"attempt {attempt} of {ATTEMPTS} failed: {error}")
        else:
            STAMP.write_text(fingerprint())
            return
    raise SetupError("the packages could not be installed; the reason stands above")


def main() -> int:
    if is_current():
        return 0
    try:
        require_python()
        with (ROOT / ".venv.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not is_current():  # another one may have made it meanwhile
                say(f"creating {VENV.name} with {sys.executable} (once, a minute or two)")
                build()
                say("done")
    except SetupError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted; the next start begins again")
        return 130
    return 0


if __name__ == "__main__":
    os.environ.pop("PYTHONPATH", None)  # must not leak packages into the new environment
    sys.exit(main())
