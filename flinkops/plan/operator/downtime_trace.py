"""Where the seconds of an operator's upgrade went: from the old job's end to the new one's last task. Pure.

Kubernetes gives whole seconds, Flink milliseconds, and the clocks are several: a phase that would be negative is 0 s,
and the next one begins where it ended.
"""

from collections.abc import Sequence

from flinkops.model.assessment import Value
from flinkops.model.effect import PodTimes


class DowntimePhase(Value, frozen=True):
    """``seconds`` between the end of the phase before and the end of this one."""

    phase: str
    seconds: float


def downtime_phases(
    pods: Sequence[PodTimes], *, stopped_ms: int, job_started_ms: int | None, all_running_ms: int
) -> tuple[DowntimePhase, ...]:
    """In order; their sum is the downtime. What nobody tells is part of the phase behind it.

    `stopped_ms`: the old job was last seen running; `job_started_ms`: the new JobManager made its job (Flink's
    ``start-time``). Pods that are older than the stop are not of the change: where there are no others, as for a
    session job, there are no phases.
    """
    new = [pod for pod in pods if pod.created_ms >= stopped_ms - 1000]
    if not new:
        return ()
    managers = [pod for pod in new if pod.is_jobmanager]
    workers = [pod for pod in new if not pod.is_jobmanager]
    ends: list[tuple[str, int | None]] = [
        ("the operator creates the JobManager's pod", _last([one.created_ms for one in managers])),
        ("it is scheduled", _last([one.scheduled_ms for one in managers])),
        ("its image is there", _last([one.pulled_ms for one in managers])),
        ("its container starts", _last([one.started_ms for one in managers])),
        ("its JVM and the program come to the job", job_started_ms),
        ("the TaskManagers' pods are created", _last([one.created_ms for one in workers])),
        ("they are scheduled", _last([one.scheduled_ms for one in workers])),
        ("their image is there", _last([one.pulled_ms for one in workers])),
        ("their containers start", _last([one.started_ms for one in workers])),
        ("their JVMs, the restore, all tasks run", all_running_ms),
    ]
    found, before = [], stopped_ms
    for phase, end_ms in ends:
        if end_ms is None or end_ms < before - 1000:
            continue  # not told, or over before what is told first
        end_ms = min(max(end_ms, before), all_running_ms)
        found.append(DowntimePhase(phase, round((end_ms - before) / 1000, 1)))
        before = end_ms
    return tuple(found)


def in_words(phases: Sequence[DowntimePhase]) -> str:
    """Those of at least 0.1 s, on one line.

    >>> in_words([DowntimePhase("it is scheduled", 0.0), DowntimePhase("its image is there", 2.5)])
    'its image is there 2.5 s'
    """
    return ", ".join(f"{one.phase} {one.seconds:.1f} s" for one in phases if one.seconds >= 0.1)


def _last(times: Sequence[int | None]) -> int | None:
    known = [time for time in times if time is not None]
    return max(known) if known else None
