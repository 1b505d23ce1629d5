"""A run as a picture: rates by connections, ratios of all loads, pauses of writes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.results import Ratio, Results, Row, ratio
from bench.systems import ETCD, ETCD_GRPC, KVORUM
from bench.tables import name_of

COLOURS: Mapping[str, str] = {KVORUM: "#1565c0", ETCD: "#ef6c00", ETCD_GRPC: "#8d6e63"}
TITLES = {"put": "put", "get": "linearizable get"}


def draw(results: Results, to: Path) -> Sequence[Path]:
    """Writes ``to`` with ``.png`` and ``.svg`` behind it."""
    ratios = _rates_of_both(results)
    lower = max(4.0, 0.21 * len(ratios))
    figure = Figure(figsize=(13, 4.5 + lower), layout="constrained", facecolor="white")
    [[above], [below]] = figure.subfigures(2, 1, height_ratios=(4.5, lower), squeeze=False)
    for number, load in enumerate(TITLES, start=1):
        _by_connections(above.add_subplot(1, 2, number), results, load)
    grid = below.add_gridspec(1, 3)
    _ratios(below.add_subplot(grid[0, :2]), ratios)
    _pauses(below.add_subplot(grid[0, 2]), results)
    quick = ", quick form" if results.is_quick else ""
    figure.suptitle(
        f"kvorum and etcd {results.versions['etcd']}, 3 nodes on {results.machine.cores} shared "
        f"cores, every write synced (commit {results.commit}{quick})"
    )
    paths = [to.with_name(f"{to.name}.{suffix}") for suffix in ("png", "svg")]
    for path in paths:
        figure.savefig(path, dpi=110)
    return paths


def _connections(row: Row) -> int | None:
    """Of a row that varies nothing else."""
    count, _, rest = row.at.partition(" ")
    return int(count) if rest in {"connection", "connections"} else None


def _by_connections(axes: Axes, results: Results, load: str) -> None:
    rows = {
        count: row
        for row in results.rows
        if row.load == load
        and row.measure == "per second"
        and (count := _connections(row)) is not None
    }
    places = {count: at for at, count in enumerate(sorted(rows))}
    for number, (name, colour) in enumerate(COLOURS.items()):
        of_name = {count: row.values[name] for count, row in rows.items() if name in row.values}
        if not of_name:
            continue
        middle = [median(values) for values in of_name.values()]
        spans = [
            [centre - min(values) for centre, values in zip(middle, of_name.values(), strict=True)],
            [max(values) - centre for centre, values in zip(middle, of_name.values(), strict=True)],
        ]
        at = [places[count] + (number - 1) * 0.27 for count in of_name]
        bars = axes.bar(at, middle, 0.25, yerr=spans, color=colour, label=name, capsize=2)
        axes.bar_label(bars, [f"{value:,.0f}" for value in middle], fontsize=7.5, padding=2)
    axes.set_xticks(list(places.values()), [str(count) for count in places])
    axes.set_xlabel("connections (gRPC: calls in flight)")
    axes.set_ylabel("per second")
    axes.set_title(f"{TITLES[load]}, 256-byte values", loc="left", fontweight="bold")
    axes.margins(y=0.12)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    _tidy(axes)
    if places:
        axes.legend(loc="upper left", frameon=False)


def _rates_of_both(results: Results) -> list[tuple[str, Ratio]]:
    """kvorum's rate over etcd's, of each load."""
    found = [
        (name_of(row), ratio(row.values[KVORUM], row.values[ETCD]))
        for row in results.rows
        if row.measure == "per second" and {KVORUM, ETCD} <= row.values.keys()
    ]
    return [(label, of_row) for label, of_row in found if of_row is not None]


def _ratios(axes: Axes, found: Sequence[tuple[str, Ratio]]) -> None:
    for at, (_, of_row) in enumerate(found):
        is_ahead = of_row.median >= 1
        axes.barh(at, of_row.median, 0.7, color=COLOURS[KVORUM if is_ahead else ETCD], alpha=0.85)
        axes.plot([of_row.low, of_row.high], [at, at], color="black", linewidth=1)
        axes.annotate(
            f"{of_row.median:.2f}",
            (of_row.high, at),
            (4, 0),
            va="center",
            fontsize=7.5,
            textcoords="offset points",
        )
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(range(len(found)), [label for label, _ in found], fontsize=7.5)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.margins(x=0.08, y=0.01)
    axes.set_title("rate over etcd's HTTP (line: spread)", loc="left", fontweight="bold")
    _tidy(axes)


def _pauses(axes: Axes, results: Results) -> None:
    rows = [row for row in results.rows if row.load == "pause of writes"]
    labels = []
    for place, row in enumerate(rows):
        for number, name in enumerate((KVORUM, ETCD)):
            values = sorted(row.values.get(name, ()))
            at = [place + (number - 0.5) * 0.4 + 0.015 * (i % 5 - 2) for i in range(len(values))]
            label = name if place == 0 else None
            axes.scatter(at, values, s=14, color=COLOURS[name], alpha=0.7, label=label)
        labels.append(row.at.partition(",")[0].replace(" of ", "\nof ").replace(" re", "\nre"))
    axes.set_xticks(range(len(rows)), labels, fontsize=8)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("seconds without an acknowledged write")
    axes.set_title("pauses of writes, every trial", loc="left", fontweight="bold")
    _tidy(axes)
    if rows:
        axes.legend(frameon=False)


def _tidy(axes: Axes) -> None:
    axes.set_facecolor("white")
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
