"""The real clock."""

import time


class SystemClock:
    def monotonic_s(self) -> float:
        return time.monotonic()
