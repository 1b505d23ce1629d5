"""Finished spans on their way to a collector: a bounded queue, and a thread that empties it.

In place of the SDK's batch processor, which neither counts what it drops nor stops within a
bound: a collector that is away would hold up the end of the process for half a minute, and
fill the log meanwhile.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

_log = logging.getLogger("kvorum.tracing")

QUEUE_MAX = 8192
"""Spans, of about 2 KiB each."""
BATCH_MAX = 256
"""Spans in one message; encoding them takes a few milliseconds, off the event loop."""
DELAY_S = 1.0
"""How long a span waits for others."""
COMPLAINT_INTERVAL_S = 300.0


class SpanCounts:
    """What became of finished spans."""

    __slots__ = ("dropped", "exported", "failed")

    def __init__(self) -> None:
        self.exported = self.failed = self.dropped = 0

    def by_result(self) -> dict[str, int]:
        return {"exported": self.exported, "failed": self.failed, "dropped": self.dropped}


class SpanQueue(SpanProcessor):
    """Takes spans from any thread; ``close`` gives up on a collector that does not answer."""

    def __init__(
        self,
        exporter: SpanExporter,
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
        self._queue: deque[ReadableSpan] = deque()
        self._awake = threading.Event()
        self._stopping = threading.Event()
        self._complained_s: float | None = None
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing to do before it ends."""

    def on_end(self, span: ReadableSpan) -> None:
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

    def shutdown(self) -> None:
        """As the SDK calls it."""
        self.close(DELAY_S)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 - the SDK's
        """Wake the thread; it is not waited for."""
        self._awake.set()
        return not self._queue

    # --- the thread --------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._awake.wait(self._delay_s)
            self._awake.clear()
            while self._queue:
                succeeded = self._send(self._take())
                if self._stopping.is_set() and not succeeded:
                    return
        while self._queue and self._send(self._take()):
            pass

    def _take(self) -> list[ReadableSpan]:
        taken: list[ReadableSpan] = []
        while self._queue and len(taken) < BATCH_MAX:
            taken.append(self._queue.popleft())
        return taken

    def _send(self, batch: Sequence[ReadableSpan]) -> bool:
        try:
            succeeded = self._exporter.export(batch) is SpanExportResult.SUCCESS
            why = "the collector does not take them"
        except Exception as error:  # noqa: BLE001 - whatever it is, the next batch is tried
            succeeded, why = False, str(error) or type(error).__name__
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
                "cannot export spans (OTEL_EXPORTER_OTLP_ENDPOINT); they are thrown away",
                extra={"why": why, "failed": self._counts.failed},
            )
