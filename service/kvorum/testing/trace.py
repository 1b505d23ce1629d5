"""What happened in a simulation: lines for people, and counts."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kvorum.node.ports import Clock
from kvorum.telemetry.logs import extra_fields
from kvorum.testing.virtual_time import present_gate

_LINE_MAX = 1000

WriteLine = Callable[[str], None]


class Trace:
    """One line for each event, in the order of time. Free of cost while nobody listens.

    ``faults`` counts what was injected, by kind.
    """

    def __init__(self, clock: Clock, write: WriteLine | None = None) -> None:
        self._clock = clock
        self._begin_s = clock.monotonic_s()
        self._write = write
        self.is_on = write is not None
        self.faults: Counter[str] = Counter()

    def tell(self, who: str, what: str, *facts: object) -> None:
        """Callers on busy paths ask ``is_on`` first, so that they need not make the facts."""
        if self.is_on and self._write is not None:
            now_s = self._clock.monotonic_s() - self._begin_s
            line = f"{now_s:11.6f} {who:<8} {what} {' '.join(map(str, facts))}".rstrip()
            self._write(line if len(line) <= _LINE_MAX else line[:_LINE_MAX] + "…")

    def fault(self, kind: str, who: str, *facts: object) -> None:
        self.faults[kind] += 1
        self.tell(who, f"fault: {kind}", *facts)

    @contextmanager
    def with_logs(self) -> Iterator[None]:
        """Let what the nodes log be a part of the story; without a listener, nobody hears it."""
        logger = logging.getLogger("kvorum")
        handler = _LogsToTrace(self)
        level, propagate = logger.level, logger.propagate
        logger.setLevel(logging.DEBUG if self.is_on else logging.CRITICAL + 1)
        logger.propagate = False
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate


class _LogsToTrace(logging.Handler):
    def __init__(self, trace: Trace) -> None:
        super().__init__()
        self._trace = trace

    def emit(self, record: logging.LogRecord) -> None:
        gate = present_gate()
        extras = [f"{key}={value}" for key, value in extra_fields(record).items()]
        self._trace.tell(gate.name if gate else "-", record.getMessage(), *extras)
