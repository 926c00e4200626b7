"""What screens want to be done, as typed messages: they post them, the app handles them. No screen knows another."""

from collections.abc import Sequence
from dataclasses import dataclass

from textual.message import Message

from flinkops.model.assessment import JobAssessment, VertexAssessment
from flinkops.model.facts import JobKey


@dataclass
class Say(Message):
    """A short message in the line of keys, for some seconds."""

    text: str


class OpenScreen(Message):
    """Show another screen on top of this one."""


@dataclass
class OpenJob(OpenScreen):
    """The screen of one job."""

    key: JobKey


@dataclass
class OpenVertex(OpenScreen):
    """The subtasks of a vertex."""

    job: JobAssessment
    vertex: VertexAssessment


@dataclass
class OpenFindings(OpenScreen):
    """What is wrong with a job, and what to do first."""

    key: JobKey


@dataclass
class OpenAutoscaling(OpenScreen):
    """What parallelism a job needs, and why."""

    key: JobKey


@dataclass
class OpenFlameGraph(OpenScreen):
    """Where the threads of a vertex spend their time."""

    job: JobAssessment
    vertex: VertexAssessment


@dataclass
class OpenLogs(OpenScreen):
    """The logs of the job's cluster, or of one of its TaskManagers."""

    job: JobAssessment
    taskmanager: str | None = None


@dataclass
class OpenEvents(OpenScreen):
    """What Kubernetes and the operator reported about the job's resource."""

    job: JobAssessment


@dataclass
class OpenTimeline(OpenScreen):
    """What happened to a job, or to the fleet, in the last hours."""

    job: JobAssessment | None


@dataclass
class AskNote(Message):
    """Ask for a note on these jobs."""

    keys: Sequence[JobKey]


@dataclass
class WriteIncident(Message):
    """Gather the evidence of these jobs into a file."""

    jobs: Sequence[JobAssessment]


@dataclass
class WriteExport(Message):
    """Write a view to a file beside where the person is."""

    data: bytes
    suffix: str
