"""Run all tests in two lanes side by side, or pytest as it is if it is given arguments.

Tests with real processes mostly wait; the others mostly compute. So they share the machine: the
second lane yields to the first, whose nodes have clocks to keep. Every line says which lane it
comes from; the last ones count both and name what failed.
"""

import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIVE = (
    "tests/chaos",
    "tests/deploy/live",
    "tests/deploy/pods",
    "tests/e2e",
    "tests/integration",
)
POLITE = 5
"""Added to the niceness of the lane that computes."""
COUNTED = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed|warnings?)")
FAILED = re.compile(r"(FAILED|ERROR) \S+::")
SUMMARY = re.compile(r"=+ .*\b(passed|failed|errors?|no tests ran)\b.* in [\d.]+s.*=+$")


class Lane:
    """One pytest process and what it prints."""

    def __init__(self, name: str, paths: Sequence[str], niceness: int) -> None:
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self._name = name
        self._process = subprocess.Popen(
            [
                *("nice", "-n", str(niceness), sys.executable, "-m", "pytest", *paths),
                *("-o", f"cache_dir=.pytest_cache/{name}", "--color=no"),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._show)
        self._reader.start()

    def _show(self) -> None:
        assert self._process.stdout is not None, "it was asked for"
        for line in self._process.stdout:
            print(f"{self._name:>7} | {line}", end="", flush=True)
            if FAILED.match(line):
                self.failures.append(line.rstrip())
            if SUMMARY.match(line.rstrip()):
                self.counts.update({what: int(number) for number, what in COUNTED.findall(line)})

    def wait(self) -> int:
        """Its exit code."""
        code = self._process.wait()
        self._reader.join()
        return code


def lanes() -> dict[str, tuple[str, ...]]:
    """What each gets of pytest's arguments: every test is in exactly one."""
    for path in LIVE:
        assert (ROOT / path).is_dir(), f"{path} is not there any more"
    return {"live": LIVE, "compute": ("tests", *(f"--ignore={path}" for path in LIVE))}


def main() -> int:
    arguments = sys.argv[1:]
    if arguments:
        os.chdir(ROOT)
        os.execv(sys.executable, (sys.executable, "-m", "pytest", *arguments))  # noqa: S606 - as it is
    began_s = time.monotonic()
    running = [
        Lane(name, paths, POLITE if name == "compute" else 0) for name, paths in lanes().items()
    ]
    codes = [lane.wait() for lane in running]
    counts = sum((lane.counts for lane in running), Counter[str]())
    bad = counts["failed"] + counts["error"] + counts["errors"]
    print(f"\nboth lanes in {time.monotonic() - began_s:.0f} s, exit codes {codes}")
    print(f"{counts['passed']} passed, {bad} failed")
    for lane in running:
        print(*lane.failures, sep="\n", end="\n" if lane.failures else "")
    return 0 if not any(codes) else 1


if __name__ == "__main__":
    sys.exit(main())
