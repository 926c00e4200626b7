"""One observation as the screens use it: indexed by job, and with what is to be said of its age. Pure."""

from dataclasses import dataclass, field

from flinkops.model.assessment import JobAssessment
from flinkops.model.facts import ClusterFacts, JobKey, SourceStatus
from flinkops.model.observation import Observation

STALE_FACTOR = 3
"""A row is stale when its data is older than this many refresh intervals."""


@dataclass(frozen=True)
class View:
    """One observation, ready to be asked by key. Made off the screen's thread."""

    observation: Observation
    stale_after_seconds: float
    by_key: dict[JobKey, JobAssessment] = field(default_factory=dict)
    lost_sources: frozenset[str] = frozenset()
    clusters: dict[str, ClusterFacts] = field(default_factory=dict)

    @staticmethod
    def of(observation: Observation, *, interval_seconds: float) -> "View":
        """Index the observation."""
        assessment = observation.assessment
        stale_after = max(15.0, STALE_FACTOR * interval_seconds)
        return View(
            observation=observation,
            stale_after_seconds=stale_after,
            by_key={job.key: job for job in assessment.jobs},
            lost_sources=frozenset(s.name for s in assessment.sources if not _answers(s, stale_after)),
            clusters={cluster.name: cluster for cluster in observation.snapshot.clusters},
        )

    @property
    def taken_ms(self) -> int:
        """When its snapshot was taken."""
        return self.observation.assessment.taken_ms

    @property
    def jobs(self) -> tuple[JobAssessment, ...]:
        """Worst first."""
        return self.observation.assessment.jobs

    def is_stale(self, job: JobAssessment) -> bool:
        """Whether its data is old: its source did not answer, or long ago."""
        return job.cluster in self.lost_sources or (job.data_age_seconds or 0.0) > self.stale_after_seconds

    @property
    def disconnected(self) -> bool:
        """No source answered."""
        sources = self.observation.assessment.sources
        return bool(sources) and not self.pending and len(self.lost_sources) == len({s.name for s in sources})

    @property
    def pending(self) -> int:
        """Sources that are still being asked for the first time."""
        return sum(source.pending for source in self.observation.assessment.sources)

    def age_seconds(self, now_ms: int) -> float | None:
        """Of the newest data in the picture; None when no source ever gave any."""
        since_poll = max(0.0, (now_ms - self.taken_ms) / 1000)
        ages = [s.age_seconds for s in self.observation.assessment.sources if s.age_seconds is not None]
        if self.disconnected:
            return min(ages) + since_poll if ages else None
        return since_poll

    def first_error(self) -> str:
        """Of the sources that do not answer."""
        errors = (source.error for source in self.observation.assessment.sources if source.state != "ok")
        return next((error for error in errors if error), "no reason given")


def _answers(source: SourceStatus, stale_after_seconds: float) -> bool:
    """It does, if too slowly for all of it: then each row says by its own age how good it is."""
    if source.state == "stale":
        return source.age_seconds is not None and source.age_seconds <= stale_after_seconds
    return source.state == "ok"
