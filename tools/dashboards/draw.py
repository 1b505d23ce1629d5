"""A panel in Grafana's words: one function for each way of drawing."""

from collections.abc import Sequence

from grafana_foundation_sdk.builders import common as options
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import (
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import heatmap as heatmap_models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from tools.dashboards.promql import chosen
from tools.dashboards.spec import Kind, Panel, Query, Step

SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")

_Graphic = timeseries.Panel | stat.Panel | statetimeline.Panel | heatmap.Panel | table.Panel
_AnyQuery = Builder[variants.Dataquery]
_LINES = (Kind.GRAPH, Kind.STACK, Kind.BARS)
_GRID = common.GraphTresholdsStyleMode


def draw(panel: Panel) -> models.Panel:
    """Without a place yet."""
    graphic = _graphic(panel)
    graphic.title(panel.title).description(panel.about).datasource(SOURCE)
    graphic.targets(_queries(panel))
    graphic.unit(panel.unit)
    graphic.thresholds(_thresholds(panel.steps))
    if panel.states:
        graphic.mappings([_mapping(panel.states)])
    if panel.nothing:
        graphic.no_value(panel.nothing)
    if panel.decimals is not None:
        graphic.decimals(panel.decimals)
    if panel.maximum is not None:
        graphic.max(panel.maximum)
    return graphic.build()


def _graphic(panel: Panel) -> _Graphic:
    if panel.kind in _LINES:
        return _lines(panel)
    if panel.kind in (Kind.FIGURE, Kind.NAME):
        return _figure(panel)
    if panel.kind is Kind.STATES:
        return _states()
    if panel.kind is Kind.HEATMAP:
        return _heatmap(panel)
    return _table()


# --- queries ---------------------------------------------------------------------------------


def _queries(panel: Panel) -> list[_AnyQuery]:
    return [_query(panel.kind, query, chr(ord("A") + n)) for n, query in enumerate(panel.queries)]


def _query(kind: Kind, query: Query, name: str) -> prometheus.Dataquery:
    asked = prometheus.Dataquery().expr(chosen(query.expr)).ref_id(name).datasource(SOURCE)
    asked = asked.legend_format(query.legend or "__auto")
    if kind in (Kind.FIGURE, Kind.NAME):
        return asked.instant()
    if kind is Kind.TABLE:
        return asked.instant().format(PromQueryFormat.TABLE)
    asked = asked.range()
    return asked.format(PromQueryFormat.HEATMAP) if kind is Kind.HEATMAP else asked


# --- ways of drawing -------------------------------------------------------------------------


def _lines(panel: Panel) -> timeseries.Panel:
    graph = (
        timeseries.Panel()
        .line_width(1)
        .show_points(common.VisibilityMode.NEVER)
        .axis_soft_min(0)
        .legend(_legend(panel))
        .tooltip(_tooltip())
    )
    if panel.kind is Kind.BARS:
        return graph.draw_style(common.GraphDrawStyle.BARS).fill_opacity(80)
    if panel.kind is Kind.STACK:
        stacking = options.StackingConfig().mode(common.StackingMode.NORMAL).group("A")
        return graph.stacking(stacking).fill_opacity(40)
    style = options.GraphThresholdsStyleConfig().mode(_GRID.DASHED if panel.steps else _GRID.OFF)
    return graph.thresholds_style(style).fill_opacity(6)


def _legend(panel: Panel) -> options.VizLegendOptions:
    """A table only where there is room for its columns."""
    legend = options.VizLegendOptions().show_legend(True).placement(common.LegendPlacement.BOTTOM)
    if panel.width < 8:
        return legend.display_mode(common.LegendDisplayMode.LIST).calcs([])
    return legend.display_mode(common.LegendDisplayMode.TABLE).calcs(["lastNotNull", "max"])


def _tooltip() -> options.VizTooltipOptions:
    tooltip = options.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI)
    return tooltip.sort(common.SortOrder.DESCENDING)


def _figure(panel: Panel) -> stat.Panel:
    by_name = panel.kind is Kind.NAME
    return (
        stat.Panel()
        .color_mode(common.BigValueColorMode.VALUE)
        .graph_mode(common.BigValueGraphMode.NONE)
        .text_mode(common.BigValueTextMode.NAME if by_name else common.BigValueTextMode.AUTO)
        .reduce_options(options.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    )


def _states() -> statetimeline.Panel:
    legend = options.VizLegendOptions().show_legend(True)
    legend = legend.display_mode(common.LegendDisplayMode.LIST)
    return (
        statetimeline.Panel()
        .show_value(common.VisibilityMode.NEVER)
        .merge_values(True)
        .row_height(0.8)
        .fill_opacity(70)
        .line_width(0)
        .legend(legend.placement(common.LegendPlacement.BOTTOM).calcs([]))
        .tooltip(_tooltip())
    )


def _heatmap(panel: Panel) -> heatmap.Panel:
    colour = (
        heatmap.HeatmapColorOptions()
        .mode(heatmap_models.HeatmapColorMode.SCHEME)
        .scheme("Oranges")
        .scale(heatmap_models.HeatmapColorScale.EXPONENTIAL)
        .exponent(0.5)
        .steps(64)
    )
    return (
        heatmap.Panel()
        .calculate(False)
        .color(colour)
        .y_axis(heatmap.YAxisConfig().unit(panel.unit))
        .filter_values(heatmap.FilterValueRange().le(1e-9))
        .show_tooltip()
        .hide_legend()
    )


def _table() -> table.Panel:
    """What is the same in every row, or says nothing, is left out."""
    hidden = dict.fromkeys(("Time", "Value", "__name__", "job", "namespace"), True)
    tidy = models.DataTransformerConfig(id_val="organize", options={"excludeByName": hidden})
    return table.Panel().show_header(True).with_transformation(tidy)


# --- colours ---------------------------------------------------------------------------------


def _thresholds(steps: Sequence[Step]) -> builders.ThresholdsConfig:
    bounds = [models.Threshold(value=step.value, color=step.colour) for step in steps]
    return (
        builders.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps(bounds or [models.Threshold(value=None, color="text")])
    )


def _mapping(states: dict[str, tuple[str, str]]) -> models.ValueMap:
    return models.ValueMap(
        options={
            value: models.ValueMappingResult(text=text, color=colour, index=number)
            for number, (value, (text, colour)) in enumerate(states.items())
        }
    )
