"""Resolve requirements.lock from pyproject.toml: every extra, every platform, with hashes.

The file names no index and no local path: whoever installs it uses their own.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
HEADER = "# Every extra, pinned with hashes, for every platform: regenerate with `make lock`.\n"
PINNED = re.compile(r"^[\w.-]+==", re.MULTILINE)
COMPILE = (
    *("-m", "uv", "pip", "compile", "--quiet", "--upgrade"),
    *("--universal", "--python-version", "3.11", "--all-extras", "--generate-hashes"),
    *("--no-config", "--no-header", "--no-annotate", "--no-emit-index-url"),
    *("--no-emit-find-links", "pyproject.toml"),
)


def main() -> int:
    command = [sys.executable, *COMPILE]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    strangers = [line for line in done.stdout.splitlines() if "://" in line]
    if strangers:
        print("refused: the lock would name a place:", *strangers, sep="\n  ", file=sys.stderr)
        return 1
    LOCK.write_text(HEADER + done.stdout)
    print(f"{LOCK.name}: {len(PINNED.findall(done.stdout))} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
