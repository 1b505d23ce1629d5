"""Finished spans on their way to a collector: a bounded queue, and a thread that empties it.

Unlike the SDK's, it counts what it drops and stops within a bound: a collector that is away
must neither hold up the end of the process nor fill its log.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Protocol

_log = logging.getLogger("kvorum.tracing")

QUEUE_MAX = 16_384
"""Spans, of some 300 bytes each."""
BATCH_MAX = 512
"""Spans in one message."""
DELAY_S = 1.0
"""How long a span waits for others."""
COMPLAINT_INTERVAL_S = 300.0


class Exporter(Protocol):
    """Called by one thread; ``shutdown`` by another one, to end an ``export`` under way."""

    def export(self, spans: Sequence[bytes]) -> bool:
        """Whether the collector took them."""
        ...

    def shutdown(self) -> None: ...


class SpanCounts:
    """What became of finished spans."""

    __slots__ = ("dropped", "exported", "failed")

    def __init__(self) -> None:
        self.exported = self.failed = self.dropped = 0

    def by_result(self) -> dict[str, int]:
        return {"exported": self.exported, "failed": self.failed, "dropped": self.dropped}


class SpanQueue:
    """Takes encoded spans; ``close`` gives up on a collector that does not answer."""

    def __init__(
        self,
        exporter: Exporter,
        counts: SpanCounts,
        *,
        queue_max: int = QUEUE_MAX,
        delay_s: float = DELAY_S,
        clock_s: Callable[[], float] = monotonic,
    ) -> None:
        self._exporter = exporter
        self._counts = counts
        self._queue_max = queue_max
        self._delay_s = delay_s
        self._clock_s = clock_s
        self._queue: deque[bytes] = deque()
        self._awake = threading.Event()
        self._stopping = threading.Event()
        self._complained_s: float | None = None
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def put(self, span: bytes) -> None:
        """Never blocks: what does not fit is dropped."""
        if self._stopping.is_set() or len(self._queue) >= self._queue_max:
            self._counts.dropped += 1
            return
        self._queue.append(span)
        if len(self._queue) == BATCH_MAX:
            self._awake.set()

    def close(self, timeout_s: float) -> None:
        """Send what waits, within ``timeout_s``; what is left then is dropped.

        At once if the collector did not answer before.
        """
        self._stopping.set()
        self._awake.set()
        self._thread.join(timeout_s if self._complained_s is None else 0)
        self._exporter.shutdown()  # ends an attempt that is under way
        self._counts.dropped += len(self._queue)
        self._queue.clear()

    # --- the thread --------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._awake.wait(self._delay_s)
            self._awake.clear()
            while batch := self._take():
                if not self._send(batch) and self._stopping.is_set():
                    return

    def _take(self) -> list[bytes]:
        taken: list[bytes] = []
        while self._queue and len(taken) < BATCH_MAX:
            taken.append(self._queue.popleft())
        return taken

    def _send(self, batch: Sequence[bytes]) -> bool:
        succeeded, why = False, "the collector does not take them"
        try:
            succeeded = self._exporter.export(batch)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next batch is tried
            why = str(error) or type(error).__name__
        if succeeded:
            self._counts.exported += len(batch)
            if self._complained_s is not None:
                _log.info("spans are exported again")
                self._complained_s = None
        else:
            self._counts.failed += len(batch)
            self._complain(why)
        return succeeded

    def _complain(self, why: str) -> None:
        """Once, then every some minutes: a collector is not worth filling a log for."""
        now_s = self._clock_s()
        if self._stopping.is_set():
            return
        if self._complained_s is None or now_s - self._complained_s >= COMPLAINT_INTERVAL_S:
            self._complained_s = now_s
            _log.warning(
                "cannot export spans (OTEL_EXPORTER_OTLP_ENDPOINT): they are thrown away",
                extra={"why": why, "failed": self._counts.failed},
            )
