"""clock-skew: the clock of a TaskManager is ahead of the JobManager's."""

from flinkops.diagnose.case import Case
from flinkops.diagnose.rule import FLINK_DOCS, Rule, Verdict, line, remedy
from flinkops.model.facts import CheckpointPhases
from flinkops.model.findings import Finding, NotAssessed

AHEAD_SECONDS = 5.0
"""Clocks that are set over the network differ by less than a second."""


def judge(case: Case) -> Verdict:
    """A subtask's start delay is by its own clock, the whole of its checkpoint by the JobManager's, and no shorter."""
    facts = case.job.checkpoints
    if facts is not None and not case.holds("it takes checkpoints", facts.enabled):
        return ()
    known = [(ahead, each) for each in _phases(case) if (ahead := _ahead_seconds(each)) is not None]
    if not known:
        return NotAssessed("clock-skew", case.why_missing("detail", "no checkpoint says when its barriers came"))
    ahead, worst = max(known, key=lambda pair: pair[0])
    if not case.above("by how much barriers came after the end of their checkpoint", ahead, AHEAD_SECONDS, "seconds"):
        return ()
    return [
        Finding(
            code="clock-skew",
            severity="warning",
            confidence=0.9,
            title=f"The clock of a TaskManager is ahead by at least {ahead:.0f} s",
            vertex=worst.vertex,
            evidence=(
                line(
                    "start delay of the last checkpoint, by a TaskManager's clock",
                    worst.start_delay_seconds,
                    unit="seconds",
                ),
                line("its whole duration, by the JobManager's", worst.end_to_end_seconds, unit="seconds"),
                line("the first is a part of the second: their difference", ahead, AHEAD_SECONDS, "seconds"),
                line("a clock that is behind does not show so"),
            ),
            remedy=(
                remedy(
                    "Set the clocks of the TaskManagers' machines by the network (chrony, ntpd), and watch their offset"
                ),
                remedy("Until then, take the time of events from the records, never from the machine that reads them"),
            ),
            next=case.shown.command,
            move=case.shown.move,
            reference=FLINK_DOCS + "ops/monitoring/checkpoint_monitoring/",
        )
    ]


def _phases(case: Case) -> tuple[CheckpointPhases, ...]:
    """Of each vertex where the detail was asked for, else the one that every poll has."""
    detail, facts = case.evidence.detail, case.job.checkpoints
    if detail and detail.checkpoint_phases:
        return detail.checkpoint_phases
    return (facts.phases,) if facts is not None and facts.phases is not None else ()


def _ahead_seconds(phases: CheckpointPhases) -> float | None:
    """Maxima over subtasks: the one with the longest start delay took no longer than the longest of all."""
    if phases.start_delay_seconds is None or phases.end_to_end_seconds is None:
        return None
    return phases.start_delay_seconds - phases.end_to_end_seconds


RULE = Rule("clock-skew", judge)
