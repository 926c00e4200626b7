"""The Grafana dashboards, built with grafana-foundation-sdk from the panels in dashboard_panels."""

from collections.abc import Callable, Mapping

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.builders import prometheus, statetimeline, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from devtools.dashboard_panels import DASHBOARDS, SELECTOR, DashboardSpec, PanelSpec

_DATASOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
AnyPanel = timeseries.Panel | table.Panel | statetimeline.Panel
_BUILDERS: dict[str, Callable[[], AnyPanel]] = {
    "timeseries": timeseries.Panel,
    "table": table.Panel,
    "states": statetimeline.Panel,
}
_HEIGHT = 8
_TAG = "flinkops"


def dashboard_files() -> Mapping[str, str]:
    """Every dashboard as JSON, by its file's name."""
    encoder = JSONEncoder(sort_keys=True, indent=2)
    return {f"{spec.uid}.json": encoder.encode(_dashboard(spec).build()) + "\n" for spec in DASHBOARDS}


def _dashboard(spec: DashboardSpec) -> dashboards.Dashboard:
    board = (
        dashboards.Dashboard(spec.title)
        .uid(spec.uid)
        .description(spec.description)
        .tags([_TAG])
        .refresh("30s")
        .time("now-3h", "now")
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .editable()
        .with_variable(dashboards.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_variable("namespace", "Namespace", "label_values(flinkops_job_info, namespace)"))
        .with_variable(_variable("job", "Job", 'label_values(flinkops_job_info{namespace=~"$namespace"}, job)'))
        .link(
            dashboards.DashboardLink("Flink dashboards")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([_TAG])
            .include_vars(True)
            .keep_time(True)
        )
    )
    for name, (expr, color, by_value) in _ANNOTATIONS.items():
        board = board.annotation(_annotation(name, expr, color, by_value=by_value))
    for panel in spec.panels:
        board = board.with_panel(_panel(panel))
    return board


_ANNOTATIONS = {
    "Upgrades": (
        f"max by (job) (flinkops_job_start_timestamp_seconds{{{SELECTOR}}}) * 1000",
        "blue",
        True,
    ),
    "Restores": (f"max by (job) (flinkops_job_restored_timestamp_seconds{{{SELECTOR}}}) * 1000", "orange", True),
    "Rescales": (f"max by (job) (flinkops_job_last_rescale_timestamp_seconds{{{SELECTOR}}}) * 1000", "purple", True),
    "Restarts": (
        f"max by (job) (increase(flinkops_job_restarts_total{{{SELECTOR}}}[$__rate_interval])) > 0",
        "red",
        False,
    ),
    "Failed checkpoints": (
        f"max by (job) (increase(flinkops_job_checkpoints_failed_total{{{SELECTOR}}}[$__rate_interval])) > 0",
        "yellow",
        False,
    ),
}


def _annotation(name: str, expr: str, color: str, *, by_value: bool) -> dashboards.AnnotationQuery:
    return (
        dashboards.AnnotationQuery()
        .name(name)
        .datasource(_DATASOURCE)
        .enable(True)
        .icon_color(color)
        .expr(expr)
        .title_format(name)
        .text_format("{{job}}")
        .use_value_for_time(by_value)
    )


def _variable(name: str, label: str, query: str) -> dashboards.QueryVariable:
    return (
        dashboards.QueryVariable(name)
        .label(label)
        .datasource(_DATASOURCE)
        .query(query)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")  # also the jobs that have no namespace
        .current(models.VariableOption(selected=True, text="All", value="$__all"))
    )


def _panel(spec: PanelSpec) -> AnyPanel:
    panel = (
        _BUILDERS[spec.kind]()
        .title(spec.title)
        .description(spec.description)
        .datasource(_DATASOURCE)
        .unit(spec.unit)
        .span(spec.width)
        .height(_HEIGHT)
    )
    for place, (expr, legend) in enumerate(spec.queries):
        query = prometheus.Dataquery().expr(expr).legend_format(legend).ref_id(chr(ord("A") + place))
        panel = panel.with_target(
            query.instant().format(PromQueryFormat.TABLE) if spec.kind == "table" else query.range()
        )
    if isinstance(panel, timeseries.Panel):
        panel = panel.fill_opacity(10).show_points(common.VisibilityMode.NEVER)
        panel = panel.legend(
            common_builders.VizLegendOptions()
            .display_mode(common.LegendDisplayMode.TABLE)
            .placement(common.LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs(["lastNotNull", "max"])
        )
    return panel
