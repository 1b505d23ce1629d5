"""A dashboard as JSON, by Grafana's own library: so it has the form that Grafana reads."""

import json
from collections.abc import Iterator, Sequence

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from tools.dashboards.draw import SOURCE, draw
from tools.dashboards.promql import chosen
from tools.dashboards.spec import Dashboard, Row

WIDTH = 24
TAG = "kvorum"


def render(dashboard: Dashboard) -> str:
    """The file's text, the same in every run."""
    builder = (
        builders.Dashboard(f"kvorum / {dashboard.title}")
        .uid(f"kvorum-{dashboard.name}")
        .description(dashboard.about)
        .tags([TAG])
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .time("now-1h", "now")
        .refresh("30s")
        .readonly()
        .link(_links())
    )
    for variable in _variables():
        builder = builder.with_variable(variable)
    for annotation in _annotations():
        builder = builder.annotation(annotation)
    model = builder.build()
    model.panels = list(_placed(dashboard.rows))
    return json.dumps(model, cls=JSONEncoder, indent=2, ensure_ascii=False) + "\n"


def _links() -> builders.DashboardLink:
    return (
        builders.DashboardLink("kvorum")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .tooltip("The same cluster and time on another dashboard")
        .include_vars(True)
        .keep_time(True)
    )


# --- variables and marks ---------------------------------------------------------------------


def _variables() -> Iterator[builders.DatasourceVariable | builders.QueryVariable]:
    yield builders.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
    yield _variable(
        "namespace", "Namespace", "label_values(kvorum_build_info, namespace)", many=True
    )
    yield _variable(
        "job",
        "Cluster",
        'label_values(kvorum_build_info{namespace=~"$namespace"}, job)',
        many=False,
    )
    yield _variable(
        "node", "Node", f"label_values({chosen('kvorum_build_info{@}')}, instance)", many=True
    )


def _variable(name: str, label: str, query: str, *, many: bool) -> builders.QueryVariable:
    """With ``many``, several or all may be chosen; all also matches where the label is missing."""
    variable = (
        builders.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query({"query": query, "refId": f"{name}-values"})
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(many)
    )
    if not many:
        return variable
    everything = models.VariableOption(selected=True, text=["All"], value=["$__all"])
    return variable.include_all(True).all_value(".*").current(everything)


def _annotations() -> Iterator[builders.AnnotationQuery]:
    yield _mark("New leader", "purple", "max(changes(kvorum_term{@}[2m])) > 0")
    yield _mark(
        "Restart",
        "orange",
        "count by (instance) (time() - process_start_time_seconds{@} < 60)",
    )


def _mark(name: str, colour: str, expr: str) -> builders.AnnotationQuery:
    return (
        builders.AnnotationQuery()
        .name(name)
        .datasource(SOURCE)
        .enable(True)
        .icon_color(colour)
        .expr(chosen(expr))
    )


# --- places ----------------------------------------------------------------------------------


def _placed(rows: Sequence[Row]) -> Iterator[models.Panel | models.RowPanel]:
    """Rows from the top, panels from the left; the panels of a line fill the width."""
    number = y = 0
    for row in rows:
        number += 1
        yield _heading(row.title, number, y)
        x, y = 0, y + 1
        for panel in row.panels:
            number += 1
            drawn = draw(panel)
            drawn.id_val = number
            drawn.grid_pos = models.GridPos(x=x, y=y, w=panel.width, h=panel.height)
            yield drawn
            x += panel.width
            if x == WIDTH:
                x, y = 0, y + panel.height
            assert x < WIDTH, f"{panel.title} stands over the edge"
        assert x == 0, f"the last line of {row.title} is not filled"


def _heading(title: str, number: int, y: int) -> models.RowPanel:
    place = models.GridPos(x=0, y=y, w=WIDTH, h=1)
    return models.RowPanel(title=title, id_val=number, grid_pos=place, panels=[])
