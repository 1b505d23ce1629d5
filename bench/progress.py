"""What a long run tells while it goes on: which step, what it found, when all will be done."""

import sys
import time


class Progress:
    """``steps`` in all, which take about ``total_s``; begins at once."""

    def __init__(self, steps: int, total_s: float) -> None:
        self._steps = steps
        self._left_s = total_s
        self._number = 0
        self._began_s = time.monotonic()

    def scene(self, text: str) -> None:
        self._say(f"--- {text}")

    def step(self, title: str) -> None:
        self._number += 1
        self._say(f"[{self._number}/{self._steps}, {minutes(self._left_s)} to go] {title}")

    def found(self, text: str) -> None:
        self._say(f"    {text}")

    def over(self, took_s: float) -> None:
        """What was reckoned for something is behind us."""
        self._left_s = max(0.0, self._left_s - took_s)

    def end(self) -> None:
        self._say(f"done in {minutes(time.monotonic() - self._began_s)}")

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def minutes(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02} min"
