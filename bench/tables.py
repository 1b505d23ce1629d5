"""Results as tables: in columns for a terminal, in Markdown for docs/performance.md."""

from collections.abc import Callable, Iterator, Sequence
from statistics import median

from bench.dialects import LOADS
from bench.results import Results, Row, ratio
from bench.systems import ETCD, KVORUM
from bench.targets import BEFORE, DURING, ONE_K, Verdict, judge

Line = tuple[str, ...]
RATES: Line = (
    *("load", "kvorum per s", "etcd per s", "ratio"),
    *("p50 ms", "p99 ms", "µs of the leader"),
)
OTHERS: Line = ("what", "measure", "kvorum", "etcd", "ratio")
AIMED: Line = ("target", "wanted", "found", "spread", "")
LEGEND = (
    "All that was measured: medians, and in brackets the lowest and the highest. Latencies and the "
    "leader's processor time per request are kvorum's / etcd's."
)
PICTURE = "performance"
"""In docs/images, without suffix."""
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
_WORDS = {True: "met", False: "MISSED", None: "not measured"}


def spread(values: Sequence[float]) -> str:
    """Median and, of several, the lowest and the highest: ``8,120 (7,900–8,300)``."""
    shown = number(median(values))
    low, high = number(min(values)), number(max(values))
    return shown if low == high else f"{shown} ({low}–{high})"


def number(value: float) -> str:
    """Three digits or more."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def rates(results: Results) -> Iterator[Line]:
    """One line for each load that runs in a closed loop, and for every further contender."""
    for row in results.rows:
        if not _is_rate(row):
            continue
        others = [name for name in row.values if name not in {KVORUM, ETCD}]
        ours, theirs = row.values[KVORUM], row.values[ETCD]
        latencies = (_pair(results, row, measure) for measure in ("p50 ms", "p99 ms", "µs"))
        yield (name_of(row), spread(ours), spread(theirs), _ratio(ours, theirs), *latencies)
        for name in others:
            found = row.values[name]
            of_kvorum, of_others = (spread(found), "") if name == ONE_K else ("", spread(found))
            yield (f"… {name}", of_kvorum, of_others, _ratio(ours, found), "", "", "")


def others(results: Results) -> Iterator[Line]:
    """One line for each measure of everything else."""
    shown = {name_of(row) for row in results.rows if _is_rate(row)}
    for row in results.rows:
        if name_of(row) in shown:
            continue
        ours, theirs = row.values.get(KVORUM, ()), row.values.get(ETCD, ())
        told = [
            f"{name}: {spread(row.values[name])}" for name in (BEFORE, DURING) if name in row.values
        ]
        yield (
            name_of(row),
            {"per second": "per s"}.get(row.measure, row.measure),
            ", ".join(told) or (spread(ours) if ours else ""),
            spread(theirs) if theirs else "",
            _ratio(ours, theirs) or _ratio(row.values.get(DURING, ()), row.values.get(BEFORE, ())),
        )


def _is_rate(row: Row) -> bool:
    """With latencies beside it."""
    return row.measure == "per second" and {KVORUM, ETCD} <= row.values.keys()


def name_of(row: Row) -> str:
    """The load in words, and what distinguishes this row of it."""
    load = LOADS.get(row.load)
    return f"{load.title if load else row.load}, {row.at}"


def _pair(results: Results, rate: Row, measure: str) -> str:
    """Medians of kvorum and etcd: ``1.9 / 4.2``."""
    row = results.row(rate.load, rate.at, measure)
    if row is None:
        return ""
    return " / ".join(number(median(row.values[name])) for name in (KVORUM, ETCD))


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> str:
    found = ratio(ours, theirs)
    if found is None:
        return ""
    shown = f"{found.median:.2f}"
    return shown if found.low == found.high else f"{shown} ({found.low:.2f}–{found.high:.2f})"


def aimed(verdicts: Sequence[Verdict]) -> Iterator[Line]:
    for verdict in verdicts:
        target, value, of_rounds = verdict.target, verdict.value, verdict.spread
        yield (
            target.title,
            target.bound(),
            "" if value is None else target.shown(value),
            f"{of_rounds.low:.2f}–{of_rounds.high:.2f}" if of_rounds else "",
            _WORDS[verdict.is_met],
        )


def columns(head: Line, lines: Sequence[Line]) -> str:
    widths = [max(len(line[at]) for line in (head, *lines)) for at in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (head, tuple("-" * width for width in widths), *lines)
    )


def markdown(head: Line, lines: Sequence[Line]) -> str:
    rule = tuple("---" for _ in head)
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *lines))


def for_terminal(results: Results) -> str:
    verdicts = judge(results)
    known = [verdict for verdict in verdicts if verdict.is_met is not None]
    parts = [describe(results), *_tables(results, columns)]
    if known:
        parts.append(columns(AIMED, list(aimed(known))))
    if len(known) < len(verdicts):
        parts.append(f"{len(verdicts) - len(known)} of {len(verdicts)} targets were not measured.")
    parts += [f"FAILED: {failure}" for failure in results.failures]
    return "\n\n".join(parts)


def for_document(results: Results) -> str:
    """The part of docs/performance.md between the markers, with them."""
    parts = [
        BEGIN,
        describe(results),
        f"![Rates, ratios and pauses](images/{PICTURE}.svg)",
        markdown(AIMED, list(aimed(judge(results)))),
        LEGEND,
        *_tables(results, markdown),
        END,
    ]
    return "\n\n".join(parts)


def _tables(results: Results, write: Callable[[Line, Sequence[Line]], str]) -> Iterator[str]:
    for head, lines in ((RATES, list(rates(results))), (OTHERS, list(others(results)))):
        if lines:
            yield write(head, lines)


def describe(results: Results) -> str:
    """What was measured, when and where."""
    machine = results.machine
    form = "the quick form (`QUICK=1`), " if results.is_quick else ""
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    return (
        f"{results.began}, {form}commit {results.commit}: {results.rounds} rounds of "
        f"{results.seconds} s. {versions}; Python {machine.python}. "
        f"{machine.processor}, {machine.cores} cores, {machine.memory_gib:.0f} GiB, "
        f"{machine.system}."
    )


def replace_figures(document: str, results: Results) -> str:
    """The document with new figures between the markers. Raises ``ValueError`` without them."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no {BEGIN} and {END}")
    return f"{before}{for_document(results)}{after}"
