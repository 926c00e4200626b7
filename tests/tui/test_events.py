"""The events of a job's resource, what a vertex says of the TaskManagers below it, and the bundle of an incident."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from flinkops.bundle import read_evidence
from flinkops.errors import FlinkopsError
from flinkops.model.detail import KubeEvent, ResourceEvents, TaskManagerDetail
from flinkops.model.facts import JobFacts, ResourceFacts, StuckFacts
from flinkops.model.observation import Observation
from flinkops.tui.vertex import gc_cell, heap_cell
from tests.tui.details import FakeSource
from tests.tui.fleet import T0_MS, fleet
from tests.tui.screen import make_app, press, running, text_of, until, view_of


@dataclass
class Cluster:
    """A Kubernetes source, as far as events go."""

    name: str
    found: ResourceEvents | FlinkopsError
    asked: int = 0

    def events(self, job: JobFacts) -> ResourceEvents:
        self.asked += 1
        if isinstance(self.found, FlinkopsError):
            raise self.found
        return self.found


def shown(source: Cluster, *keys: str, resource: bool = True) -> str:
    async def scenario() -> str:
        app = make_app(sources=[source])
        async with running(app=app, size=(120, 40)) as (_, pilot):
            seen = fleet(140)
            job = next(job for job in seen.assessment.jobs if job.facts)
            assert job.facts is not None
            owner = ResourceFacts("kind", "shop", "orders", "7") if resource else None
            facts = msgspec.structs.replace(job.facts, resource=owner)
            job = msgspec.structs.replace(job, facts=facts, cluster=source.name)
            assessment = msgspec.structs.replace(seen.assessment, jobs=(job,))
            app.poller.observed(view_of(Observation(seen.snapshot, assessment, seen.history)))
            await press(pilot, ["enter", "E"])
            if resource:
                await until(pilot, lambda: source.asked > 0 and "asking" not in text_of(app), what="an answer")
            await press(pilot, keys)
            return text_of(app)

    return asyncio.run(scenario())


def test_events_stand_beside_what_holds_the_job_up_and_can_be_read_in_full() -> None:
    text = "\x1b[31mno such\x1b[0m image " + "x" * 200
    event = KubeEvent(T0_MS - 60_000, "Warning", "Failed", "Pod/orders-1", text, count=3)
    quiet = KubeEvent(None, "Normal", "Submit", "FlinkDeployment/orders", "submitted")
    stuck = StuckFacts(code="image-pull", object="Pod/orders-1", text="ImagePullBackOff", since_ms=T0_MS - 90_000)
    source = Cluster("kind", ResourceEvents((event, quiet), (stuck,), {"events": "only the last 500"}))
    screen = shown(source)
    assert "▲ Warning" in screen
    assert "Pod/orders-1: ImagePullBackOff" in screen
    assert "? events not known: only the last 500" in screen
    assert "\x1b" not in screen
    assert "x" * 60 in shown(source, "enter")


def test_who_may_not_read_events_is_told_so() -> None:
    source = Cluster("kind", ResourceEvents(unknown={"events": "may not list events in shop"}))
    assert "? events not known: may not list events in shop" in shown(source)


def test_a_job_without_a_resource_has_none() -> None:
    assert "nobody keeps events of it" in shown(Cluster("rest", ResourceEvents()), resource=False)


def test_garbage_collection_and_heap_are_shown_where_measured() -> None:
    tm = TaskManagerDetail("tm-1", gc_ratio=0.25, heap_used_bytes=300, heap_max_bytes=400)
    assert gc_cell(tm) == (("25%", "warning"),)
    assert heap_cell(tm) == (("75%", "text"),)
    assert gc_cell(None) == heap_cell(TaskManagerDetail("tm-2")) == (("?", "dim"),)


def test_an_incident_bundle_can_be_diagnosed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def scenario() -> None:
        async with running(fleet(140), size=(120, 40), sources=[FakeSource("flink-00")]) as (app, pilot):
            await press(pilot, ["space", "space", "B"])
            await until(pilot, lambda: "2 jobs" in app.said, what="the bundle")
            assert app.view is not None
            names = {job.name for job in app.view.jobs[:2]}
            (bundle,) = tmp_path.glob("flinkops-incident-*.tar.gz")
            assert {each.job.name for each in read_evidence(bundle)} == names
            await press(pilot, ["B"])
            await until(pilot, lambda: "cannot write" in app.said, what="a name that is taken")

    asyncio.run(scenario())
