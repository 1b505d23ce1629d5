"""Parts that tell of sampled requests do what the plain ones do."""

from kvorum.mvcc.state_machine import StateMachine
from kvorum.node.log_time import LogTime
from kvorum.node.tracing.hub import NodeTracing
from kvorum.node.tracing.parts import TracedApplier, TracedLog, log_store
from kvorum.raft.types import EntryId, HardState, Index, Term
from tests.support.recorded_spans import RecordedSpans
from tests.unit.node.fakes import Bench, ManualLog, batch, entry, settle


class ApplierBench(Bench):
    def __init__(self) -> None:
        super().__init__()
        self.spans = RecordedSpans()
        self.tracing = NodeTracing(self.spans, str)
        self.machine = StateMachine()
        log_time = LogTime(self.clock, lambda: False)
        self.applier = TracedApplier(self.tracing, self.machine, self.proposals, log_time)

    def follow(self, index: int) -> None:
        place = EntryId(Term(1), Index(index))
        self.tracing.entries.follow(place, self.spans.context(index), 0)


def test_entries_are_applied_whether_they_are_traced_or_not() -> None:
    bench = ApplierBench()
    bench.applier.apply([entry(1, 1, batch("a"))])
    bench.follow(3)
    bench.applier.apply([entry(1, 2, batch("b")), entry(1, 3, batch("c"))])
    assert bench.machine.applied_index == 3
    assert bench.machine.outcome("c") is not None
    apply = bench.spans.one("kvorum.apply")
    assert (apply.attributes["kvorum.index"], apply.end_ns) == (3, 0)
    bench.follow(2)
    assert len(bench.spans.named("kvorum.follow")) == 1, "applied long ago"


def test_a_snapshot_ends_what_it_took_the_place_of() -> None:
    bench, source = ApplierBench(), StateMachine()
    for index in (1, 2):
        source.apply(index, batch(f"r{index}"))
    bench.follow(1)
    bench.follow(3)
    bench.applier.replace_state(source)
    assert bench.applier.applied == 2
    first, second = bench.spans.named("kvorum.follow")
    assert (first.error, second.end_ns) == ("abandoned", None)


async def test_a_sync_is_told_with_its_failure() -> None:
    spans, log = RecordedSpans(), ManualLog()
    tracing = NodeTracing(spans, str)
    traced = log_store(tracing, log)
    assert isinstance(traced, TracedLog)
    assert log_store(None, log) is log
    tracing.entries.follow(EntryId(Term(1), Index(3)), spans.context(1), 0)
    written = traced.append(HardState(Term(1)), [entry(1, 3, b"x")])
    assert log.writes == [(HardState(Term(1)), (entry(1, 3, b"x"),))]
    spans.time_ns = 5
    log.fail(OSError("disk"))
    await settle()
    sync = spans.one("kvorum.fsync")
    assert (sync.start_ns, sync.end_ns, sync.error) == (0, 5, "OSError")
    assert isinstance(written.exception(), OSError)
    assert traced.release(Index(2)).done()
    assert log.released == [2]
