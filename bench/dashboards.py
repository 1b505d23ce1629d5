"""Graphs of the dashboards' main panels, from a live cluster whose leader is killed.

``python -m bench.dashboards [SECONDS]``: five nodes under load and Debian's Prometheus for so long
(default: 180); after a third of it the leader is killed, after two thirds it is started again.
The panels' own queries are drawn into docs/images/dashboards.png.
"""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from msgspec import Struct

from tests.chaos.places import NODES, SPARE
from tests.chaos.processes import Processes
from tests.deploy.dashboards.panels import FILES, Json, load, panels
from tests.deploy.live.load import Load, prepare
from tests.deploy.live.prometheus import Preferred, Prometheus, Series

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "images" / "dashboards.png"
SHOWN = {
    "Overview": ("Roles", "Writes and reads", "Latency", "CPU"),
    "Raft": (
        "Term",
        "Entries committed",
        "Commit latency",
        "Lag by follower",
        "Round trip by follower (p99)",
        "Elections by cause",
    ),
    "Storage": ("Sync of the log (p99)", "Written to the log", "Log in memory"),
    "API": ("Requests by status", "Event-loop lag (p99)", "Memory"),
}
COLUMNS = 4
WARM_UP_S = 12
VALUES = {"__rate_interval": "5s", "namespace": ".*", "job": "kvorum", "node": ".*"}
UNITS = {"s": ("ms", 1e3), "bytes": ("MiB", 2.0**-20), "Bps": ("KiB/s", 2.0**-10)}
UNITS |= {"reqps": ("/s", 1.0), "ops": ("/s", 1.0), "percentunit": ("%", 100.0), "short": ("", 1.0)}
STATES = {0: ("follower", "tab:blue"), 1: ("leader", "tab:green"), 4: ("no leader", "tab:red")}
NODE_COLOURS = {f"Node-{node}": f"C{node - 1}" for node in NODES}


class Story(Struct):
    """When what happened, seconds since 1970."""

    began_s: float
    killed_s: float = 0.0
    started_s: float = 0.0
    ended_s: float = 0.0

    def since(self, time_s: float) -> float:
        return time_s - self.began_s


async def tell(nodes: Processes, watcher: Prometheus, seconds: float) -> Story:
    await asyncio.sleep(WARM_UP_S)
    story = Story(await watcher.now_s())
    await asyncio.sleep(seconds / 3)
    leader = await nodes.leader()
    story.killed_s = await watcher.now_s()
    nodes.kill([leader])
    await asyncio.sleep(seconds / 3)
    story.started_s = await watcher.now_s()
    nodes.start([leader])
    await asyncio.sleep(seconds / 3)
    story.ended_s = await watcher.now_s()
    return story


# --- drawing ---------------------------------------------------------------------------------


def _label(legend: str, series: Series) -> str:
    if legend == "__auto":
        return ", ".join(series.labels.values()) or "value"
    for name, value in series.labels.items():
        legend = legend.replace(f"{{{{{name}}}}}", value)
    return legend


def _states(axes: Axes, found: Sequence[tuple[str, Series]], story: Story) -> None:
    rows = sorted(found, key=lambda pair: pair[0])
    for row, (_, series) in enumerate(rows):
        for time_s, value in series.samples:
            axes.barh(row, 1, left=story.since(time_s), color=STATES[int(value)][1], height=0.7)
    axes.set_yticks(range(len(rows)), [label for label, _ in rows])
    axes.invert_yaxis()
    for name, colour in STATES.values():
        axes.barh(0, 0, color=colour, label=name)


def _lines(axes: Axes, found: Sequence[tuple[str, Series]], story: Story, panel: Json) -> None:
    unit, factor = UNITS[panel["fieldConfig"]["defaults"]["unit"]]
    for label, series in sorted(found, key=lambda pair: pair[0]):
        times, values = _with_gaps(series.samples)
        axes.plot(
            [story.since(time_s) for time_s in times],
            [value * factor for value in values],
            linewidth=1.1,
            label=label,
            color=NODE_COLOURS.get(label),
        )
    axes.set_ylim(bottom=0)
    axes.set_ylabel(unit, rotation=0, ha="right", va="center")


def _with_gaps(samples: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """Nothing is drawn across the time in which a node was away."""
    times, values = [samples[0][0]], [samples[0][1]]
    for time_s, value in samples[1:]:
        if time_s - times[-1] > 1.5:
            times.append(times[-1] + 1)
            values.append(float("nan"))
        times.append(time_s)
        values.append(value)
    return times, values


async def draw(axes: Axes, panel: Json, watcher: Prometheus, story: Story) -> None:
    found = [
        (_label(target["legendFormat"], series), series)
        for target in panel["targets"]
        for series in await watcher.query_range(
            _filled(target["expr"]), story.began_s, story.ended_s
        )
    ]
    assert found, f"{panel['title']} shows nothing"
    if panel["type"] == "state-timeline":
        _states(axes, found, story)
    else:
        _lines(axes, found, story, panel)
    axes.set_title(panel["title"], loc="left", fontsize=10, fontweight="bold")
    axes.set_xlim(0, story.since(story.ended_s))
    for time_s in (story.killed_s, story.started_s):
        axes.axvline(story.since(time_s), color="grey", linestyle=":", linewidth=1)
    axes.grid(alpha=0.25)
    if panel["title"] == "Roles" or not {label for label, _ in found} <= NODE_COLOURS.keys():
        axes.legend(fontsize=6.5, loc="upper right", framealpha=0.7)


def _filled(expr: str) -> str:
    for name, value in VALUES.items():
        expr = expr.replace(f"${name}", value)
    return expr


async def picture(watcher: Prometheus, story: Story, path: Path) -> None:
    """All of ``SHOWN``, four in a row."""
    documents = {load(path)["title"].removeprefix("kvorum / "): load(path) for path in FILES}
    chosen = [
        panel
        for dashboard, titles in SHOWN.items()
        for title in titles
        for panel in panels(documents[dashboard])
        if panel["title"] == title
    ]
    assert len(chosen) == sum(map(len, SHOWN.values())), "every panel is found once"
    rows = len(chosen) // COLUMNS
    figure = Figure(figsize=(17, 3.1 * rows), layout="constrained")
    for number, panel in enumerate(chosen, start=1):
        await draw(figure.add_subplot(rows, COLUMNS, number), panel, watcher, story)
    killed, started = (round(story.since(t)) for t in (story.killed_s, story.started_s))
    figure.suptitle(f"The leader is killed after {killed} s and started again after {started} s")
    nodes = [Line2D([], [], color=colour, label=name) for name, colour in NODE_COLOURS.items()]
    figure.legend(handles=nodes, loc="outside upper right", ncols=len(nodes), fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)


async def run(seconds: float) -> None:
    places = Preferred()
    peers, rest = (
        {node: f"{host}:{port}" for node, (host, port) in addresses.items() if node in NODES}
        for addresses in (places.peers, places.clients)
    )
    directory = Path(tempfile.mkdtemp(prefix="kvorum-dashboards-"))
    settings: Mapping[str, str] = {"SNAPSHOT_ENTRIES": "5000", "SNAPSHOT_KEEP_ENTRIES": "1000"}
    targets = {f"Node-{node}": address for node, address in rest.items()}
    with Processes(places, settings=settings) as nodes:
        nodes.start()
        leader = await nodes.leader()
        port = places.clients[SPARE][1]
        async with Prometheus(directory, port, targets) as watcher:
            await prepare(f"http://{rest[leader]}", await watcher.now_s())
            clients = asyncio.create_task(Load(rest, peers, clients=2).run())
            story = await tell(nodes, watcher, seconds)
            clients.cancel()
            await asyncio.wait([clients])
            await picture(watcher, story, PICTURE)
    shutil.rmtree(directory)
    shutil.rmtree(nodes.directory)
    print(f"wrote {PICTURE.relative_to(Path.cwd())}")


def main() -> None:
    mpl.use("Agg")
    asyncio.run(run(float(sys.argv[1]) if len(sys.argv) > 1 else 180.0))


if __name__ == "__main__":
    main()
