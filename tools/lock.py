"""Resolve the locks from pyproject.toml, with hashes, for every platform.

``requirements.lock`` has every extra, for developers and CI; ``requirements-runtime.lock`` what
a node needs, for the image, at the same versions. Neither names an index or a local path:
whoever installs them uses their own.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINNED = re.compile(r"^[\w.-]+==", re.MULTILINE)
COMPILE = (
    *("-m", "uv", "pip", "compile", "--quiet"),
    *("--universal", "--python-version", "3.11", "--generate-hashes"),
    *("--no-config", "--no-header", "--no-annotate", "--no-emit-index-url"),
    *("--no-emit-find-links", "pyproject.toml"),
)
LOCKS = {
    "requirements.lock": ("Every extra", ("--upgrade", "--all-extras")),
    "requirements-runtime.lock": (
        "What a node needs",
        ("--extra", "s3", "--constraint", "requirements.lock"),
    ),
}


def resolve(name: str, what: str, options: tuple[str, ...]) -> bool:
    """Write one lock; false if it would name a place."""
    command = [sys.executable, *COMPILE, *options]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    strangers = [line for line in done.stdout.splitlines() if "://" in line]
    if strangers:
        print(f"refused: {name} would name a place:", *strangers, sep="\n  ", file=sys.stderr)
        return False
    header = f"# {what}, pinned with hashes, for every platform: regenerate with `make lock`.\n"
    (ROOT / name).write_text(header + done.stdout)
    print(f"{name}: {len(PINNED.findall(done.stdout))} packages")
    return True


def main() -> int:
    return 0 if all(resolve(name, *how) for name, how in LOCKS.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
