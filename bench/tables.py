"""Results as tables: in columns for a terminal, in Markdown for docs/performance.md."""

from collections.abc import Iterator, Sequence
from statistics import median

from bench.results import Results, Row, ratio
from bench.systems import ETCD, KVORUM
from bench.targets import Verdict, judge

Line = tuple[str, ...]
MEASURED: Line = ("load", "measure", "kvorum", "etcd", "ratio")
AIMED: Line = ("target", "wanted", "found", "spread", "")
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


def measured(rows: Sequence[Row]) -> Iterator[Line]:
    for row in rows:
        ours, theirs = row.values.get(KVORUM), row.values.get(ETCD)
        yield (
            f"{row.load}, {row.at}",
            _measure(row),
            spread(ours) if ours else "",
            spread(theirs) if theirs else "",
            _ratio(ours, theirs),
        )
        for name in row.values.keys() - {KVORUM, ETCD}:
            yield (f"… {name}", "", "", *_other(row, name, ours))


def _other(row: Row, name: str, ours: Sequence[float] | None) -> tuple[str, str]:
    """A contender besides the two stands in the column of etcd, with kvorum's ratio to it."""
    return spread(row.values[name]), _ratio(ours, row.values[name])


def _measure(row: Row) -> str:
    return {"per second": "per s", "µs": "µs of the leader's CPU"}.get(row.measure, row.measure)


def _ratio(ours: Sequence[float] | None, theirs: Sequence[float] | None) -> str:
    found = ratio(ours or (), theirs or ())
    return f"{found.median:.2f} ({found.low:.2f}–{found.high:.2f})" if found else ""


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
    parts = [describe(results), columns(MEASURED, list(measured(results.rows)))]
    if known:
        parts.append(columns(AIMED, list(aimed(known))))
    if len(known) < len(verdicts):
        parts.append(f"{len(verdicts) - len(known)} of {len(verdicts)} targets were not measured.")
    return "\n\n".join(parts)


def for_document(results: Results) -> str:
    """The part of docs/performance.md between the markers, with them."""
    parts = [
        BEGIN,
        describe(results),
        markdown(AIMED, list(aimed(judge(results)))),
        "All that was measured; medians, and in brackets the lowest and the highest:",
        markdown(MEASURED, list(measured(results.rows))),
        END,
    ]
    return "\n\n".join(parts)


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
