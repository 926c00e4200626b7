"""Asks the doctor about one job, as a user would: over REST, one question after the other."""

from collections.abc import Callable, Sequence
from pathlib import Path

from flinkops.clock import SystemClock
from flinkops.collect import Collector
from flinkops.config.policy import Policy
from flinkops.diagnose.diagnosis import diagnose
from flinkops.diagnose.evidence import Evidence, encode_evidence
from flinkops.evidence_collector import PollingEvidenceCollector
from flinkops.model.endpoint import parse_endpoint
from flinkops.observer import Observer
from flinkops.sources.flink.source import FlinkRestSource
from tests.faults.baselines import BASELINES
from tests.faults.results import Asked, Named

_POLL_SECONDS = 20.0


class Doctor:
    """One doctor for one job, who remembers what was seen; ``capture`` names the file for the evidence."""

    def __init__(self, url: str, job: str, capture: Callable[[str], Path | None] = lambda _job: None) -> None:
        source = FlinkRestSource(parse_endpoint(url, name="lab"), wanted=lambda key: key[2] == job)
        self._observer = Observer(Collector([source], SystemClock(), deadline_seconds=_POLL_SECONDS), Policy())
        self._examiner = PollingEvidenceCollector(self._observer)
        self._job = job
        self._capture = capture(job)

    def ask(self) -> Asked:
        """All that is named, in the doctor's order; nothing while the job is not known."""
        evidence = self._examiner.evidence(job=self._job)
        self._keep(evidence)
        named = tuple(
            Named(finding.code, finding.severity, finding.confidence, finding.caused_by)
            for each in evidence
            for finding in diagnose(each).findings
        )
        baselines = {name: tuple(code for each in evidence for code in say(each)) for name, say in BASELINES.items()}
        return Asked(named, baselines)

    def close(self) -> None:
        """Let go of the connections."""
        self._observer.close()

    def _keep(self, evidence: Sequence[Evidence]) -> None:
        if self._capture is None:
            return
        with self._capture.open("ab") as file:
            for each in evidence:
                file.write(encode_evidence(each) + b"\n")
