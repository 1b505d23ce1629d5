"""What a dashboard consists of, without Grafana's words for it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

GREEN, YELLOW, ORANGE, RED, BLUE, GREY = "green", "yellow", "orange", "red", "blue", "text"


class Kind(Enum):
    """How a panel is drawn."""

    GRAPH = "a line for each series"
    STACK = "areas upon each other: parts of a whole"
    BARS = "what happened within each step"
    FIGURE = "the latest value, large"
    NAME = "the label of the series that there is"
    STATES = "which state each series was in"
    HEATMAP = "how a histogram's buckets filled"
    TABLE = "the latest values with all their labels"


@dataclass(frozen=True)
class Query:
    """``legend`` in Grafana's form: ``{{label}}`` stands for a label's value."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Step:
    """From ``value`` on (None: from the least) a figure has this colour."""

    value: float | None
    colour: str


@dataclass(frozen=True)
class Panel:
    """``about``: what is normal, what to do; ``width`` of 24, ``height`` in steps of 30 pixels."""

    title: str
    about: str
    queries: Sequence[Query]
    kind: Kind = Kind.GRAPH
    unit: str = "short"
    width: int = 8
    height: int = 8
    steps: Sequence[Step] = ()
    states: dict[str, tuple[str, str]] = field(default_factory=dict)  # value → text, colour
    nothing: str = ""  # shown where there are no data
    decimals: int | None = None
    maximum: float | None = None


@dataclass(frozen=True)
class Row:
    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Dashboard:
    """``name`` is that of its file and the end of its uid."""

    name: str
    title: str
    about: str
    rows: Sequence[Row]


def above(*bounds: tuple[float, str], base: str = GREEN) -> tuple[Step, ...]:
    """``base`` up to the first bound, then each bound's colour."""
    return (Step(None, base), *(Step(value, colour) for value, colour in bounds))
