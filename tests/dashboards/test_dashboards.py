"""The committed dashboards on a real Prometheus that holds three hours of a fleet: every panel, as it is drawn."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from devtools.backfill import Backfilled, backfilled
from devtools.dashboard_pictures import DASHBOARDS, board_notes, boards, panel_lines, picture, variables_of
from devtools.debian import program
from devtools.panel_svg import Line
from flinkops.errors import FlinkopsError, OperationFailed
from tests.dashboards.story import snapshots
from tests.unit.promtool import MISSING

EVERYTHING = {"namespace": ".*", "job": ".+"}
EMPTY_FOR_ORDERS = {"Records dropped", "Late records"}
"""It neither drops nor counts late records."""
GRAFANA_UNITS = {"s", "decbytes", "Bps", "cps", "percentunit", "short"}
PANELS = [(board, panel) for board in boards() for panel in board["panels"]]


def name_of(one: tuple[dict[str, Any], dict[str, Any]]) -> str:
    return f"{one[0]['title']}: {one[1]['title']}"


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backfilled]:
    try:
        program("prometheus")
    except FlinkopsError as error:
        pytest.skip(f"{MISSING}: {error.line()}")
    with backfilled(tmp_path_factory.mktemp("story") / "prometheus", snapshots(120)) as found:
        yield found


def lines_of(prometheus: Backfilled, panel: dict[str, Any], **variables: str) -> list[Line]:
    return panel_lines(prometheus, panel, EVERYTHING | variables)


@pytest.mark.thorough
def test_every_panel_has_data_of_the_fleet(prometheus: Backfilled) -> None:
    assert len(PANELS) > 50
    assert [name_of(one) for one in PANELS if not lines_of(prometheus, one[1])] == []


@pytest.mark.thorough
def test_panels_are_empty_only_for_what_a_job_does_not_do(prometheus: Backfilled) -> None:
    (board,) = (board for board in boards() if board["uid"] == "flinkops-job")
    empty = {panel["title"] for panel in board["panels"] if not lines_of(prometheus, panel, job="orders")}
    assert empty == EMPTY_FOR_ORDERS
    assert picture(prometheus, board, variables_of(board)).count(">not reported by these jobs, or not known<") == 2


@pytest.mark.thorough
def test_every_query_alone_has_data(prometheus: Backfilled) -> None:
    for one in PANELS:
        for target in one[1]["targets"]:
            assert lines_of(prometheus, one[1] | {"targets": [target]}), (name_of(one), target["expr"])


@pytest.mark.thorough
def test_legends_are_complete_and_tell_the_series_of_a_panel_apart(prometheus: Backfilled) -> None:
    for one in PANELS:
        if one[1]["type"] == "table":
            continue
        legends = [line.legend for line in lines_of(prometheus, one[1])]
        assert len(set(legends)) == len(legends), name_of(one)
        assert all(legend and "  " not in legend for legend in legends), (name_of(one), legends)


@pytest.mark.thorough
def test_values_fit_their_axis_and_states_have_words(prometheus: Backfilled) -> None:
    for one in PANELS:
        defaults = one[1]["fieldConfig"]["defaults"]
        values = {value for line in lines_of(prometheus, one[1]) for _, value in line.points}
        if one[1]["type"] == "timeseries":
            assert min(values) >= defaults.get("min", min(values)), name_of(one)
            assert max(values) <= defaults.get("max", max(values)), name_of(one)
        elif one[1]["type"] == "state-timeline":
            (words,) = (mapping["options"] for mapping in defaults["mappings"])
            assert {f"{value:g}" for value in values} <= set(words), name_of(one)
            assert len({each["color"] for each in words.values()}) == len(words)


@pytest.mark.thorough
def test_tables_show_their_columns_and_no_other(prometheus: Backfilled) -> None:
    for one in PANELS:
        if one[1]["type"] == "table":
            (arranged,) = (each["options"] for each in one[1]["transformations"])
            labels = {name for line in lines_of(prometheus, one[1]) for name in line.labels}
            hidden = {name for name, out in arranged["excludeByName"].items() if out}
            assert labels | {"Time", "Value"} == set(arranged["indexByName"]) | hidden, name_of(one)


@pytest.mark.thorough
def test_each_kind_of_event_is_marked(prometheus: Backfilled) -> None:
    for board in boards():
        notes = {note["name"]: note["iconColor"] for note in board["annotations"]["list"]}
        assert {note.color for note in board_notes(prometheus, board, EVERYTHING)} == set(notes.values())


@pytest.mark.thorough
def test_a_query_that_prometheus_refuses_says_why(prometheus: Backfilled) -> None:
    with pytest.raises(OperationFailed, match="parse error"):
        prometheus.instant("max by (")


@pytest.mark.parametrize("board", boards(), ids=lambda board: board["uid"])
def test_panels_lie_beside_each_other(board: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        grid = panel["gridPos"]
        cells = set(itertools.product(range(grid["x"], grid["x"] + grid["w"]), range(grid["y"], grid["y"] + grid["h"])))
        assert grid["x"] + grid["w"] <= 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["fieldConfig"]["defaults"]["unit"] in GRAFANA_UNITS
        assert panel["fieldConfig"]["defaults"]["noValue"]


@pytest.mark.thorough
def test_what_the_linter_leaves_out_is_there_and_explained() -> None:
    rules = yaml.safe_load((DASHBOARDS / ".lint").read_text(encoding="utf-8"))["exclusions"]
    assert all(rule["reason"] for rule in rules.values())
    named = {(board["title"], panel["title"]) for board, panel in PANELS}
    assert {(each["dashboard"], each["panel"]) for each in rules["target-job-rule"]["entries"]} <= named
