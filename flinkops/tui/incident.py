"""An incident in one file: evidence of the jobs concerned, the findings of the doctor, ends of logs; no secrets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from textual.message import Message

from flinkops.model.assessment import JobAssessment
from flinkops.model.observation import Observation
from flinkops.tui.background import Outcome


@dataclass
class IncidentWritten(Message):
    """The bundle is there, or why not."""

    outcome: Outcome[str]


@dataclass(frozen=True)
class Incident:
    """What is to be written, and where."""

    path: Path
    jobs: tuple[JobAssessment, ...]

    def write(self, observation: Observation, sources: Mapping[str, object]) -> str:
        """Ask for all there is and write it; blocks. Says what is in it. Raises FlinkopsError."""
        from flinkops.bundle import write_bundle
        from flinkops.diagnose.fleet import diagnose_fleet
        from flinkops.evidence_collector import EvidenceCollector
        from flinkops.render.doctor import doctor_json

        collector = EvidenceCollector(sources)
        evidence = [collector.collect(observation, job) for job in self.jobs]
        logs = collector.logs(evidence)
        write_bundle(self.path, evidence, doctor_json(diagnose_fleet(evidence)), logs)
        return f"wrote {self.path}: {len(evidence)} jobs, {len(logs)} logs; names are in it, secrets are not"


def incident(jobs: Sequence[JobAssessment], now_ms: int) -> Incident:
    """Under a name that says when, beside where the person is."""
    return Incident(Path(f"flinkops-incident-{now_ms // 1000}.tar.gz"), tuple(job for job in jobs if job.facts))
