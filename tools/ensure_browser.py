"""Make sure that the browser tests have a browser: Debian's Chromium and its driver.

As root on a Debian-like system the missing packages are installed; otherwise the message
says how. Does nothing where both are there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

PROGRAMS = {"chromium": "chromium", "chromedriver": "chromium-driver"}


def missing_packages() -> list[str]:
    return [package for program, package in PROGRAMS.items() if shutil.which(program) is None]


def main() -> int:
    missing = missing_packages()
    if not missing:
        return 0
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print(
            "the browser tests need Chromium and its driver on the PATH. "
            f"On Debian or Ubuntu: sudo apt-get install {' '.join(missing)}",
            file=sys.stderr,
        )
        return 1
    print(f"installing for the browser tests: {' '.join(missing)}", file=sys.stderr)
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=environ)
    subprocess.run(install, check=True, env=environ)
    return 0


if __name__ == "__main__":
    sys.exit(main())
