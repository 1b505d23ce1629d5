"""The table of `kvorum status`: cells as text, then as plain lines or for a terminal."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from kvorum.cli.health.judging import Alarm, Row, State, alarms_of, margin, rows_of
from kvorum.cli.health.sampling import ClusterSample
from kvorum.cli.output import columns, printable
from kvorum.cli.sizes import duration_text, size_text

if TYPE_CHECKING:
    from rich.console import RenderableType

_HEADS = (
    *("NODE", "ROLE", "STATE", "TERM", "APPLIED", "LAG"),
    *("KEYS", "SIZE", "UP", "RELEASE", "ENDPOINT"),
)
_NUMBERS = frozenset({"TERM", "APPLIED", "LAG", "KEYS", "SIZE", "UP"})
_NONE = "-"
_STYLES: Mapping[State, str] = {
    State.OK: "green",
    State.LAGGING: "yellow",
    State.SILENT: "red",
    State.UNREACHABLE: "red",
    State.NOT_SERVING: "bold red",
    State.UNKNOWN: "dim",
}


class Picture(Struct, frozen=True):
    """One look at a cluster, judged, ready to be shown in any form."""

    sample: ClusterSample
    rows: list[Row]
    alarms: list[Alarm]

    @classmethod
    def of(cls, sample: ClusterSample) -> "Picture":
        rows = rows_of(sample)
        return cls(sample, rows, alarms_of(sample, rows))


# --- cells ---------------------------------------------------------------------------------


def headline(picture: Picture) -> str:
    sample = picture.sample
    if sample.view is None:
        return "no cluster"
    cluster = sample.view.info.get("clusterId", "")
    voters, well = margin(picture.rows)
    leader = f"{sample.leader_id} leads" if sample.leader_id else "no leader"
    term = f"term {sample.view.number('currentTerm')}"
    if any(row.state is State.UNKNOWN for row in picture.rows):
        return f"cluster {cluster}: {leader}, {term}, {_plural(voters, 'voter')}"
    if not sample.leader_id:
        return f"cluster {cluster}: {leader}, {term}; {well} of {voters} voters answer"
    spare = max(0, well - (voters // 2 + 1))
    return f"cluster {cluster}: {leader}, {term}; {well} of {voters} voters well, {spare} may fail"


def store_line(sample: ClusterSample) -> str:
    store = sample.view.store if sample.view is not None else {}
    if not store:
        return ""
    quota = store.get("quotaBytes", 0)
    of_quota = f" of {size_text(quota)}" if quota else ""
    oldest = store.get("compactedRevision", 0)
    history = f"history since {oldest}" if oldest else "all history kept"
    return (
        f"store: {_plural(store.get('keys', 0), 'key')}, {size_text(store.get('sizeBytes', 0))}"
        f"{of_quota}; revision {store.get('revision', 0)}, {history}; "
        f"{_plural(store.get('leases', 0), 'lease')}, "
        f"{_plural(store.get('watchers', 0), 'watch', 'watches')} here"
    )


def _plural(count: int, noun: str, nouns: str = "") -> str:
    return f"{count} {noun if count == 1 else nouns or f'{noun}s'}"


def notes(picture: Picture) -> list[str]:
    """What is no alarm, but good to know."""
    sample = picture.sample
    if sample.view is None:
        return []
    found = []
    if sample.view.members is not None and sample.view.members.is_joint:
        found.append("a change of voters is under way")
    if sample.leader is None and sample.leader_id:
        found.append(
            f"{sample.leader_id}, which leads, was not asked: only it knows how the others are; "
            "name all nodes with --endpoint"
        )
    if margin(picture.rows)[0] == 1:
        found.append("with one voter nothing is replicated, and its disk must not fail")
    return found


def cells(row: Row) -> tuple[str, ...]:
    node = row.node if row.node is not None and not row.node.error else None
    return (
        row.name,
        _role(row),
        row.state.value,
        str(node.number("currentTerm")) if node else _NONE,
        str(node.number("lastApplied")) if node else _NONE,
        _NONE if row.lag is None else str(row.lag),
        str(node.store.get("keys", _NONE)) if node else _NONE,
        size_text(node.store["sizeBytes"]) if node and "sizeBytes" in node.store else _NONE,
        _uptime(row),
        node.metrics.version if node and node.metrics else _NONE,
        row.node.endpoint.removeprefix("http://") if row.node else _NONE,
    )


def _role(row: Row) -> str:
    role = str(row.node.info.get("role", "")) if row.node is not None else ""
    if row.member is None:
        return role or _NONE
    if row.member.role != "voter":
        return row.member.role
    return role or ("leader" if row.member.is_leader else "voter")


def _uptime(row: Row) -> str:
    metrics = row.node.metrics if row.node is not None else None
    if metrics is None or metrics.uptime_s is None:
        return _NONE
    return duration_text(metrics.uptime_s)


# --- forms ---------------------------------------------------------------------------------


def plain(picture: Picture) -> str:
    """For a file, a pipe, or a terminal that is asked once."""
    table = columns([_HEADS, *(cells(row) for row in picture.rows)]) if picture.rows else []
    parts = [headline(picture), store_line(picture.sample), "", *table, "", *_remarks(picture)]
    return "\n".join(parts).rstrip()


def _remarks(picture: Picture) -> list[str]:
    return [
        *(f"ALARM {printable(alarm.text)}" for alarm in picture.alarms),
        *(f"note: {printable(note)}" for note in notes(picture)),
    ]


def fields(picture: Picture) -> dict[str, object]:
    """For programs."""
    sample, (voters, well) = picture.sample, margin(picture.rows)
    view = sample.view
    return {
        "clusterId": view.info.get("clusterId", "") if view is not None else "",
        "leaderId": sample.leader_id,
        "voters": voters,
        "votersWell": well,
        "store": view.store if view is not None else {},
        "nodes": [_row_fields(row) for row in picture.rows],
        "alarms": [{"kind": alarm.kind, "text": alarm.text} for alarm in picture.alarms],
        "notes": notes(picture),
    }


def _row_fields(row: Row) -> dict[str, object]:
    node, member = row.node, row.member
    told: dict[str, object] = {
        "name": row.name,
        "member": member.id if member is not None else None,
        "role": _role(row),
        "state": row.state,
        "lag": row.lag,
        "endpoint": node.endpoint if node is not None else None,
    }
    if node is None or node.error:
        return told | ({"error": node.error} if node is not None else {})
    metrics = node.metrics
    return told | {
        "term": node.number("currentTerm"),
        "commitIndex": node.number("commitIndex"),
        "lastApplied": node.number("lastApplied"),
        "lastIndex": node.number("lastIndex"),
        "store": node.store,
        "version": metrics.version if metrics else "",
        "uptimeSeconds": metrics.uptime_s if metrics else None,
    }


def rich_picture(picture: Picture) -> "RenderableType":
    """For a terminal that shows it again and again."""
    from rich.console import Group  # noqa: PLC0415  # slow, and only a terminal needs it
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in _HEADS:
        table.add_column(name, justify="right" if name in _NUMBERS else "left", no_wrap=True)
    for row in picture.rows:
        texts = [Text(printable(cell)) for cell in cells(row)]
        texts[2].stylize(_STYLES[row.state])
        if texts[1].plain == "leader":
            texts[1].stylize("bold")
        table.add_row(*texts)
    remarks = [Text(f"ALARM {printable(alarm.text)}", "bold red") for alarm in picture.alarms]
    remarks += [Text(f"note: {printable(note)}", "yellow") for note in notes(picture)]
    head = Text(headline(picture), "bold")
    store = Text(store_line(picture.sample))
    return Group(head, store, Text(), table, Text(), *remarks)
