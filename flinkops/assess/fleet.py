"""The whole fleet: every job assessed, the worst first."""

from collections import Counter
from collections.abc import Mapping, Sequence

from flinkops.assess.health import checks
from flinkops.assess.job import assess_job
from flinkops.assess.limits import limits_of
from flinkops.assess.signals import signals, to_sample
from flinkops.config.policy import Policy
from flinkops.model.assessment import LEVEL_ORDER, FleetAssessment, JobAssessment
from flinkops.model.facts import FleetSnapshot, JobFacts, JobKey
from flinkops.model.history import JobSample
from flinkops.model.numbers import amount, whole
from flinkops.model.states import ENDED

FRESH_GRACE_MS = 1000
"""Facts of a poll carry the time at which each job was seen, somewhat before the poll was over."""


def assess(snapshot: FleetSnapshot, history: Mapping[JobKey, Sequence[JobSample]], policy: Policy) -> FleetAssessment:
    """What a snapshot means, given what was remembered of earlier ones. Never raises, whatever the facts hold."""
    sources = {source.name: source for source in snapshot.sources}
    fresh_ms = snapshot.taken_ms - (whole((amount(snapshot.poll_seconds) or 0.0) * 1000) or 0) - FRESH_GRACE_MS
    current = current_jobs(snapshot.jobs)
    of_key = Counter(job.key for job in current)
    jobs = [
        assess_job(
            job,
            sources.get(job.cluster),
            _own(job, history.get(job.key, ()), shared=of_key[job.key] > 1),
            policy,
            taken_ms=snapshot.taken_ms,
            fresh_ms=fresh_ms,
        )
        for job in current
    ]
    return FleetAssessment(
        taken_ms=snapshot.taken_ms,
        poll_seconds=snapshot.poll_seconds,
        sources=snapshot.sources,
        jobs=tuple(sorted(jobs, key=_worst_first)),
    )


def _own(job: JobFacts, samples: Sequence[JobSample], *, shared: bool) -> Sequence[JobSample]:
    """The past of a job goes on over upgrades, unless another one of the same name runs beside it."""
    return [sample for sample in samples if sample.job_id == job.id] if shared else samples


def current_jobs(jobs: Sequence[JobFacts]) -> list[JobFacts]:
    """Without ended jobs that a later one of the same name has replaced: an upgrade leaves them behind."""
    newest: dict[JobKey, int] = {}
    for job in jobs:
        newest[job.key] = max(newest.get(job.key, job.started_ms or 0), job.started_ms or 0)
    return [job for job in jobs if job.state not in ENDED or (job.started_ms or 0) >= newest[job.key]]


def sample(job: JobFacts, policy: Policy) -> JobSample:
    """What is remembered of one poll of a job."""
    job_class = policy.class_of(job)
    found = signals(job, (), job_class)
    judged = checks(job, found, limits_of(job, job_class), job_class)
    return to_sample(job, found, tuple(check.code for check in judged if check.breached))


def _worst_first(job: JobAssessment) -> tuple[int, str, str, str, str]:
    return (LEVEL_ORDER[job.health.level], *job.key, job.id)
