"""The table for people."""

from collections.abc import Iterable, Mapping, Sequence

from tests.chaos.arena import Row

HEADINGS = (
    "scenario", "operations ok", "failed", "unknown", "faults", "longest write pause",
    "linearizable",
)  # fmt: skip


def table(rows: Iterable[Row]) -> str:
    """One line a scenario, then the faults of each, and what went wrong."""
    rows = list(rows)
    lines = [HEADINGS, *map(_cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    text = [_line(line, widths) for line in lines]
    text.insert(1, "  ".join("-" * width for width in widths))
    for row in rows:
        faults = ", ".join(f"{count} × {fault}" for fault, count in row.faults.items())
        text += ["", f"{row.scenario}: {faults or 'no faults'}"]
        text += [f"  PROBLEM: {problem}" for problem in row.problems]
    return "\n".join(text)


def not_done(reasons: Mapping[str, str], rows: Iterable[Row]) -> str:
    """What this machine could not play, whole scenarios and single faults; empty if nothing."""
    lines = [f"  {scenario}: {reason}" for scenario, reason in reasons.items()]
    lines += [f"  {row.scenario}: {f}: {why}" for row in rows for f, why in row.not_done.items()]
    return "\n".join(["CHAOS THAT COULD NOT BE DONE HERE:", *lines]) if lines else ""


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.scenario,
        str(row.ok),
        str(row.failed),
        str(row.unknown),
        str(sum(row.faults.values())),
        f"{row.longest_pause_s:.2f} s",
        "NO" if row.problems else "yes",
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    return "  ".join([first, *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))])
