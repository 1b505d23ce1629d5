"""Spans leave in batches, are counted, and never hold anybody up."""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from kvorum.telemetry.span_queue import BATCH_MAX, COMPLAINT_INTERVAL_S, SpanCounts, SpanQueue
from tests.support.wait import eventually


class Collector(SpanExporter):
    """Takes spans while ``works``; answers nothing while ``hangs``, until it is shut down."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.works = True
        self.raises = False
        self.hangs = False
        self.freed = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.batches.append(len(spans))
        if self.hangs:
            self.freed.wait(30)
            return SpanExportResult.FAILURE
        if self.raises:
            raise ValueError("no such span")
        return SpanExportResult.SUCCESS if self.works else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self.freed.set()


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class QueueBench:
    def __init__(self, *, queue_max: int = 1000, delay_s: float = 0.01) -> None:
        self.collector, self.counts, self.clock = Collector(), SpanCounts(), Clock()
        self.queue = SpanQueue(
            self.collector, self.counts, queue_max=queue_max, delay_s=delay_s, clock_s=self.clock
        )

    def end(self, count: int = 1) -> None:
        for number in range(count):
            self.queue.on_end(ReadableSpan(f"span {number}"))


@contextmanager
def queue_bench(*, queue_max: int = 1000, delay_s: float = 0.01) -> Iterator[QueueBench]:
    bench = QueueBench(queue_max=queue_max, delay_s=delay_s)
    try:
        yield bench
    finally:
        bench.queue.close(0)


def test_spans_leave_after_a_while_or_in_full_batches() -> None:
    with queue_bench(delay_s=60) as bench:
        bench.end(BATCH_MAX)
        eventually("a full batch leaves at once", lambda: bench.counts.exported == BATCH_MAX)
        assert bench.collector.batches == [BATCH_MAX]
    with queue_bench() as bench:
        bench.end()
        eventually("one leaves after a while", lambda: bench.counts.exported == 1)


def test_what_does_not_fit_is_dropped() -> None:
    with queue_bench(queue_max=5) as bench:
        bench.collector.hangs = True
        bench.end()
        eventually("the collector hangs", lambda: bench.collector.batches)
        bench.end(7)
        assert bench.counts.dropped == 2


def test_one_warning_then_silence_then_another(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "kvorum.tracing")

    def fail(count: int) -> None:
        bench.end()
        eventually("it is thrown away", lambda: bench.counts.failed == count)

    with queue_bench() as bench:
        bench.collector.works = False
        for count in (1, 2, 3):
            fail(count)
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        bench.clock.now_s += COMPLAINT_INTERVAL_S
        fail(4)
        assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
        bench.collector.works = True
        bench.end()
        eventually("it goes on", lambda: bench.counts.exported == 1)
        eventually("and says so", lambda: len(caplog.records) == 3)
        assert caplog.records[-1].message == "spans are exported again"


def test_an_exporter_that_raises_is_a_failure_like_any_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with queue_bench() as bench:
        bench.collector.raises = True
        bench.end(2)
        eventually("they are thrown away", lambda: bench.counts.failed == 2)
        bench.collector.raises = False
        bench.end()
        eventually("the next one leaves", lambda: bench.counts.exported == 1)
    assert caplog.records[0].__dict__["why"] == "no such span"


def test_closing_sends_what_waits() -> None:
    with queue_bench(delay_s=60) as bench:
        bench.end(3)
        bench.queue.close(30)
        assert bench.counts.exported == 3
        bench.end()
        assert bench.counts.dropped == 1, "nobody sends it any more"


def test_closing_does_not_wait_for_a_collector_that_hangs() -> None:
    with queue_bench() as bench:
        bench.collector.hangs = True
        bench.end()
        eventually("the collector hangs", lambda: bench.collector.batches)
        bench.end(4)
        began_s = time.monotonic()
        bench.queue.close(0.05)
        assert time.monotonic() - began_s < 10
        assert bench.counts.dropped == 4


def test_closing_does_not_wait_at_all_for_a_collector_that_is_away() -> None:
    with queue_bench() as bench:
        bench.collector.works = False
        bench.end()
        eventually("it is known to be away", lambda: bench.counts.failed == 1)
        bench.collector.hangs = True
        bench.end()
        eventually("it hangs now", lambda: len(bench.collector.batches) == 2)
        began_s = time.monotonic()
        bench.queue.close(30)
        assert time.monotonic() - began_s < 15
