"""Which requests are sampled, under which ids, and what their spans become."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random

import msgspec
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from kvorum.telemetry.spans import Kind, SpanContext, parse_traceparent
from kvorum.telemetry.tracing import Tracing
from kvorum.telemetry.tracing_options import SAMPLERS, SamplerName, TracingOptions
from tests.support.wait import eventually

OPTIONS = TracingOptions(
    endpoint="http://localhost:1",
    sampler="parentbased_always_on",
    ratio=0.25,
    service_name="kvorum",
    service_version="1.2.3",
    instance_id="Node-1",
    attributes={"k8s.pod.name": "kvorum-0"},
)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = SpanContext(int(TRACE, 16), 0x00F067AA0BA902B7)


def headers(traceparent: str, tracestate: str = "") -> list[tuple[bytes, bytes]]:
    found = [(b"host", b"localhost"), (b"traceparent", traceparent.encode())]
    return [*found, (b"tracestate", tracestate.encode())] if tracestate else found


SAMPLED, UNSAMPLED = (
    headers(f"00-{TRACE}-00f067aa0ba902b7-01"),
    headers(f"00-{TRACE}-00f067aa0ba902b7-00"),
)


class Traced:
    """A tracing whose spans are kept; ``sent`` closes it."""

    def __init__(self, sampler: SamplerName = "parentbased_always_on") -> None:
        self._exporter = InMemorySpanExporter()
        options = msgspec.structs.replace(OPTIONS, sampler=sampler)
        self.tracing = Tracing(options, self._exporter, random=Random(1))

    def sent(self) -> Sequence[ReadableSpan]:
        self.tracing.close()
        return self._exporter.get_finished_spans()


@contextmanager
def traced(sampler: SamplerName = "parentbased_always_on") -> Iterator[Traced]:
    made = Traced(sampler)
    try:
        yield made
    finally:
        made.tracing.close()


@pytest.mark.parametrize(
    ("sampler", "by_chance", "wanted", "unwanted"),
    [
        ("always_on", 1000, True, True),
        ("always_off", 0, False, False),
        ("parentbased_always_on", 1000, True, False),
        ("parentbased_always_off", 0, True, False),
        ("parentbased_traceidratio", 250, True, False),
    ],
)
def test_samplers(sampler: SamplerName, by_chance: int, wanted: bool, unwanted: bool) -> None:
    with traced(sampler) as made:
        admit = made.tracing.admit
        admitted = sum(admit([(b"host", b"localhost")]) is not None for _ in range(1000))
        assert abs(admitted - by_chance) <= 50
        assert (admit(SAMPLED) is not None) is wanted
        assert (admit(UNSAMPLED) is not None) is unwanted


def test_a_ratio_without_parents_goes_by_the_trace_id() -> None:
    with traced("traceidratio") as made:
        low = headers(f"00-{'0' * 31}1-00f067aa0ba902b7-00")
        high = headers(f"00-{'f' * 32}-00f067aa0ba902b7-01")
        assert made.tracing.admit(low) is not None
        assert made.tracing.admit(high) is None
        assert made.tracing.accepts(SpanContext(1, 1))
        assert not made.tracing.accepts(SpanContext((1 << 128) - 1, 1))


def test_every_sampler_by_the_specification_is_there() -> None:
    for sampler in SAMPLERS:
        with traced(sampler) as made:  # type: ignore[arg-type]  # what the Literal has
            made.tracing.admit(SAMPLED)


def test_a_new_trace_gets_the_id_that_decided() -> None:
    made = Traced("parentbased_traceidratio")
    admissions = [made.tracing.admit(()) for _ in range(200)]
    for admission in filter(None, admissions):
        admission.start("GET /x", {}).end(1)
    spans = made.sent()
    drawn = [admission.trace_id for admission in admissions if admission is not None]
    assert [span.context.trace_id for span in spans if span.context] == drawn
    assert all(trace_id & (1 << 64) - 1 < 1 << 62 for trace_id in drawn)


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "nonsense",
        f"00-{TRACE}-00f067aa0ba902b7",
        f"ff-{TRACE}-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-00f067aa0ba902b7-01-extra",
        "00-\xff",
    ],
)
def test_a_context_that_is_none_is_ignored(traceparent: str) -> None:
    made = Traced()
    admission = made.tracing.admit([(b"traceparent", traceparent.encode("latin-1"))])
    assert admission is not None
    admission.start("GET /x", {}).end(1)
    [span] = made.sent()
    assert span.parent is None
    assert span.context
    assert span.context.trace_id not in (0, PARENT.trace_id)


def test_two_contexts_are_none() -> None:
    made = Traced()
    admission = made.tracing.admit([*SAMPLED, *SAMPLED])
    assert admission is not None
    admission.start("GET /x", {}).end(1)
    [span] = made.sent()
    assert span.parent is None


def test_a_request_goes_on_with_its_clients_trace() -> None:
    made = Traced()
    given = headers(f"00-{TRACE}-00f067aa0ba902b7-01", "a=1,b=2")
    admission = made.tracing.admit(given)
    assert admission is not None
    admission.start("PUT /key/{key}", {"http.route": "/key/{key}"}).end(2**62)
    [span] = made.sent()
    assert span.context
    assert span.parent
    assert span.context.trace_id == PARENT.trace_id
    assert (span.parent.span_id, span.kind) == (PARENT.span_id, SpanKind.SERVER)
    assert span.context.trace_state.to_header() == "a=1,b=2"
    assert span.attributes == {"http.route": "/key/{key}"}
    assert span.end_time == 2**62


def test_the_resource_says_whose_spans_these_are() -> None:
    made = Traced()
    made.tracing.start("x", PARENT, 1).end(2)
    [span] = made.sent()
    assert span.resource.attributes["service.name"] == "kvorum"
    assert span.resource.attributes["service.version"] == "1.2.3"
    assert span.resource.attributes["service.instance.id"] == "Node-1"
    assert span.resource.attributes["k8s.pod.name"] == "kvorum-0"


def test_spans_below_others_have_times_links_and_errors() -> None:
    made = Traced()
    other = SpanContext(7, 8)
    span = made.tracing.start(
        "kvorum.append",
        PARENT,
        100,
        kind=Kind.CLIENT,
        links=[other],
        attributes={"kvorum.index": 3},
    )
    span.link(SpanContext(9, 10))
    span.end(200, "timeout")
    child = made.tracing.start("kvorum.commit", span.context, 150)
    child.end(160)
    first, second = made.sent()
    assert (first.start_time, first.end_time, first.kind) == (100, 200, SpanKind.CLIENT)
    assert [link.context.span_id for link in first.links] == [8, 10]
    assert first.attributes == {"kvorum.index": 3, "error.type": "timeout"}
    assert first.status.status_code is StatusCode.ERROR
    assert first.context
    assert second.parent
    assert second.parent.span_id == first.context.span_id
    assert second.status.status_code is StatusCode.UNSET


def test_what_is_told_after_the_end_is_ignored(caplog: pytest.LogCaptureFixture) -> None:
    made = Traced()
    span = made.tracing.start("x", PARENT, 1)
    span.end(2)
    span.set("a", 1)
    span.link(PARENT)
    span.fail("late")
    span.end(3, "late")
    [found] = made.sent()
    assert (found.end_time, found.attributes, found.links) == (2, {}, ())
    assert not caplog.records


def test_the_current_span_is_the_requests() -> None:
    with traced() as made:
        tracing = made.tracing
        assert tracing.current() is None
        span = tracing.start("x", PARENT, 1)
        with tracing.activate(span):
            current = tracing.current()
            assert current is not None
            assert current.context == span.context
            span.end(2)
            assert tracing.current() is None, "a stream's request is over once it is open"
        assert tracing.current() is None


def test_spans_are_counted() -> None:
    with traced() as made:
        made.tracing.start("x", PARENT, 1).end(2)
        counts = made.tracing.counts
        eventually("it is exported", lambda: counts.by_result()["exported"] == 1)
        assert counts.by_result() == {"exported": 1, "failed": 0, "dropped": 0}


def test_nothing_global_is_set() -> None:
    """Several nodes in one process each have a provider of their own."""
    with traced() as one, traced() as two:
        one.tracing.start("x", PARENT, 1).end(2)
        assert not two.sent()
        assert len(one.sent()) == 1


def test_contexts_between_nodes() -> None:
    assert PARENT.traceparent == f"00-{TRACE}-00f067aa0ba902b7-01"
    assert parse_traceparent(PARENT.traceparent) == PARENT
    for wrong in ("", f"00-{TRACE}-00f067aa0ba902b7-00", f"00-{'0' * 32}-00f067aa0ba902b7-01"):
        assert parse_traceparent(wrong) is None
