"""A vertex whose metrics could not be read leaves what is reckoned over all vertices unknown: never less, never 0."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from flinkops.assess.latency import latency
from flinkops.assess.rates import rates
from flinkops.assess.state import state_size
from flinkops.config.policy import JobClass
from flinkops.model.graph import Graph
from tests.fake_flink import FakeFlink, Fault, Recording, serving
from tests.unit.builders import job, spread, vertex
from tests.unit.command_line import Cli

RECORDINGS = ("flink-1.20-windows", "flink-2.3-count", "flink-2.3-prices")
GOES_ON = ("age_seconds", "uptime_seconds", "skew_seconds", "taken_at")
"""What changes from one poll to the next by the clock alone."""


@pytest.mark.parametrize("recording", RECORDINGS)
def test_each_number_is_what_it_was_or_unknown(cli: Cli, recording: str) -> None:
    flink = FakeFlink(Recording.load(recording))
    with serving(flink):
        before = _jobs(cli, flink)
        for read in sorted({each["id"] for seen in before.values() for each in seen["vertices"]}):
            flink.faults = [Fault("500", f"/vertices/{read}/subtasks/metrics")]
            for name, now_seen in _jobs(cli, flink).items():
                wrong = [
                    (path, was, now)
                    for path, was, now in _leaves(before[name], now_seen)
                    if now is not None and now != was and not path.endswith(GOES_ON)
                ]
                assert not wrong, (read, name)


def test_unknown_says_which_vertex(cli: Cli) -> None:
    flink = FakeFlink(Recording.load("flink-2.3-prices"))
    with serving(flink):
        seen = next(iter(_jobs(cli, flink).values()))
        source = next(each for each in seen["vertices"] if each["name"].startswith("Source"))
        flink.faults = [Fault("500", f"/vertices/{source['id']}/subtasks/metrics")]
        unread = next(iter(_jobs(cli, flink).values()))
    for path in ("processing_latency_seconds", "late_records", "late_ratio", "event_time_skew_seconds", "state_keys"):
        assert source["name"] in unread["unknown"][path], path


def _jobs(cli: Cli, flink: FakeFlink) -> dict[str, dict[str, Any]]:
    document = msgspec.json.decode(cli("status", "--rest", flink.url, "-o", "json").out)
    return {each["name"]: each for each in document["jobs"]}


def _leaves(before: object, after: object, path: str = "") -> Iterator[tuple[str, object, object]]:
    """Where both have a value, by path; of texts only those that say what was measured and how."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before.keys() - {"health", "unknown", "not_applicable", "watermark_state"}:
            yield from _leaves(before[key], after.get(key), f"{path}.{key}")
    elif isinstance(before, list) and isinstance(after, list):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _leaves(one, other, f"{path}.{index}")
    else:
        yield path, before, after


@pytest.mark.parametrize(
    "field", ["late_records", "accepted", "unchanged_dropped", "state_keys", "records_written_per_second"]
)
def test_a_sum_with_a_nan_in_it_is_unknown(field: str) -> None:
    facts = job(vertices=(vertex("a", **{field: spread(5.0)}), vertex("b", "a")))
    known, graph = msgspec.structs.replace(facts, unknown={}), Graph(facts.vertices)
    nan = msgspec.structs.replace(facts, unknown={f"vertices.b.{field}": "not a number"})
    found, partial = (
        {
            **rates(each, graph, (), JobClass(name="any")).value._asdict(),
            **state_size(each, (), JobClass(name="any")).value._asdict(),
        }
        for each in (known, nan)
    )
    assert {name for name in found if found[name] is not None and partial[name] is None}
    assert all(partial[name] in (found[name], None) for name in found)


def test_a_latency_of_nothing_is_not_missed() -> None:
    empty = vertex("b", "a", records_in_per_second=spread(0.0))
    facts = job(vertices=(vertex("a", latency_p99_seconds=spread(0.2)), empty))
    facts = msgspec.structs.replace(facts, unknown={"vertices.b.latency_p99_seconds": "not a number"})
    found = latency(facts, Graph(facts.vertices), ()).value
    assert found is not None
    assert found.p99 == 0.2
