"""What somebody without the doctor would say of the same evidence: Flink's own red marks, and the plain alert rules.

Pure; each gives codes of the doctor's, first one first, so that both are counted like it.
"""

from collections.abc import Callable, Iterable, Mapping

from flinkops.diagnose.evidence import Evidence
from flinkops.model.facts import JobFacts
from flinkops.model.numbers import worst
from flinkops.model.reasons import ReasonCode, Subject
from flinkops.model.states import JobState

HIGH_RATIO = 0.5
"""Above it Flink's pages call a vertex's backpressure high, and paint it red (JobVertexBackPressureHandler)."""
BUSY_RATIO = 0.9
"""From there on the graph's colour of a busy vertex is about as red as it gets."""
_OF_SUBJECT = {
    Subject.LATENCY: "backpressure",
    Subject.EVENT_TIME: "watermark-delay",
    Subject.LATE_RECORDS: "watermark-delay",
    Subject.STATE: "state-bloat",
    Subject.BACKPRESSURE: "backpressure",
    Subject.CHECKPOINTS: "checkpoint-timeout",
    Subject.AVAILABILITY: "restart-loop",
    Subject.RESTARTS: "restart-loop",
}
_OF_REASON = {ReasonCode.JOB_RESTARTING: "restart-loop", ReasonCode.JOB_FAILED: "restart-loop"}


def flink_ui(evidence: Evidence) -> tuple[str, ...]:
    """The red things of Flink's pages, as one meets them: the job's state, exceptions, the graph, checkpoints."""
    return _once(_red(evidence.job))


def _red(job: JobFacts) -> Iterable[str]:
    if job.state in (JobState.FAILED, JobState.RESTARTING) or job.restarts:
        yield "restart-loop"
    if any(vertex.status in ("CREATED", "SCHEDULED") for vertex in job.vertices):
        yield "out-of-slots"
    for vertex in job.vertices:
        if (worst(vertex.backpressured_ratio) or 0.0) > HIGH_RATIO or (worst(vertex.busy_ratio) or 0.0) > BUSY_RATIO:
            yield "backpressure"
    if any(each.status == "FAILED" for each in (job.checkpoints.history if job.checkpoints else ())):
        yield "checkpoint-timeout"


def alert_rules(evidence: Evidence) -> tuple[str, ...]:
    """What the alerts page for, worst first: each objective that is broken, taken for its nearest cause."""
    broken = [each for each in evidence.assessment.health.reasons if each.level in ("warning", "critical")]
    codes = (_OF_REASON.get(each.code) or _OF_SUBJECT.get(each.code.subject) for each in broken)
    return _once(code for code in codes if code is not None)


def _once(codes: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(codes))


BASELINES: Mapping[str, Callable[[Evidence], tuple[str, ...]]] = {"flink-ui": flink_ui, "alert-rules": alert_rules}
