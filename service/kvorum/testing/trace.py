"""What happened in a simulation: lines for people, and counts."""

from collections import Counter
from collections.abc import Callable
from typing import Final

from kvorum.node.ports import Clock

WriteLine = Callable[[str], None]


class Trace:
    """One line for each event, in the order of time. Free of cost while nobody listens.

    ``faults`` counts what was injected, by kind.
    """

    def __init__(self, clock: Clock, write: WriteLine | None = None) -> None:
        self._clock = clock
        self._begin_s = clock.monotonic_s()
        self._write = write
        self.is_on: Final = write is not None
        self.faults: Counter[str] = Counter()

    def tell(self, who: str, what: str, *facts: object) -> None:
        """Callers on busy paths ask ``is_on`` first, so that they need not make the facts."""
        if self._write is not None:
            now_s = self._clock.monotonic_s() - self._begin_s
            self._write(f"{now_s:11.6f} {who:<8} {what} {' '.join(map(str, facts))}".rstrip())

    def fault(self, kind: str, who: str, *facts: object) -> None:
        self.faults[kind] += 1
        self.tell(who, f"fault: {kind}", *facts)
