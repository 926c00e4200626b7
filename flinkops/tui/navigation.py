"""Which screen shows what was asked for; or, in words, why none can."""

from collections.abc import Mapping
from pathlib import Path

from textual.screen import Screen

from flinkops.model.assessment import JobAssessment
from flinkops.sources.protocol import HasJobDetails, HasResourceEvents, details_of
from flinkops.tui.events import EventsScreen
from flinkops.tui.findings import FindingsScreen
from flinkops.tui.flame import FlameScreen
from flinkops.tui.job import JobScreen
from flinkops.tui.logs import LogsScreen
from flinkops.tui.messages import (
    OpenAutoscaling,
    OpenEvents,
    OpenFindings,
    OpenFlameGraph,
    OpenJob,
    OpenLogs,
    OpenScreen,
    OpenTimeline,
    OpenVertex,
)
from flinkops.tui.timeline import TimelineScreen
from flinkops.tui.vertex import VertexScreen


def screen_for(
    message: OpenScreen, sources: Mapping[str, object], *, replaying: bool, journal_folder: Path | None = None
) -> Screen[None] | str:
    """The screen; else why it cannot be shown."""
    match message:
        case OpenJob(key):
            return JobScreen(key)
        case OpenFindings(key):
            return FindingsScreen(key)
        case OpenAutoscaling(key):
            from flinkops.tui.autoscaling import AutoscalingScreen  # the first paint does not wait for it

            return AutoscalingScreen(key)
        case OpenTimeline(job):
            return TimelineScreen(sources, journal_folder, job)
        case OpenEvents(job):
            return _events(job, sources.get(job.cluster), replaying=replaying)
        case OpenVertex(job) | OpenFlameGraph(job) | OpenLogs(job):
            source = details_of(sources.get(job.cluster), job.facts)
            if source is None:
                return "a recording has no more than this" if replaying else "its source cannot be asked for this"
            return _detailed(message, source)
    raise TypeError(f"no screen for {type(message).__name__}")


def _detailed(message: OpenVertex | OpenFlameGraph | OpenLogs, source: HasJobDetails) -> Screen[None]:
    match message:
        case OpenVertex(job, vertex):
            return VertexScreen(source, job, vertex)
        case OpenFlameGraph(job, vertex):
            return FlameScreen(source, job, vertex)
        case OpenLogs(job, taskmanager):
            return LogsScreen(source, job, taskmanager)


def _events(job: JobAssessment, source: object, *, replaying: bool) -> Screen[None] | str:
    if isinstance(source, HasResourceEvents) and job.facts is not None and job.facts.resource is not None:
        return EventsScreen(source, job)
    if replaying:
        return "a recording has no events"
    return "it is no resource in Kubernetes: nobody keeps events of it"
