"""Watches a fleet of foreign jobs: the doctor is asked about all of them in full, again and again."""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping

import msgspec

from flinkops.clock import SystemClock
from flinkops.collect import Collector
from flinkops.config.policy import Policy
from flinkops.diagnose.diagnosis import diagnose
from flinkops.diagnose.evidence import Evidence, encode_evidence
from flinkops.evidence_collector import PollingEvidenceCollector
from flinkops.model.endpoint import parse_endpoint
from flinkops.model.states import ENDED
from flinkops.observer import Observer
from flinkops.sources.flink.source import FlinkRestSource

_POLL_SECONDS = 120.0
"""On a machine that is busy with other things a cluster of twenty jobs takes its time to answer."""
ASK_SECONDS = 10.0
CONFIDENCE = 0.95


class Told(msgspec.Struct, frozen=True):
    """A finding above info, or a level of health that is not ok, at one ask: seconds since the watch began."""

    seconds: float
    job: str
    code: str
    severity: str
    text: str


class JobWatch(msgspec.Struct):
    """One job over the watch. ``unknown`` and ``levels`` count the asks at which a field was a question mark."""

    name: str
    state: str = ""
    asks: int = 0
    watched_seconds: float = 0.0
    levels: dict[str, int] = {}
    findings: dict[str, int] = {}
    infos: dict[str, int] = {}
    unknown: dict[str, str] = {}
    unknown_asks: dict[str, int] = {}
    not_applicable: dict[str, str] = {}
    not_assessed: dict[str, str] = {}


class FleetWatch(msgspec.Struct):
    """All of them. ``loads`` are of the machine, a minute's mean at each ask."""

    jobs: dict[str, JobWatch] = {}
    told: list[Told] = []
    loads: list[float] = []


def watch(
    url: str, seconds: float, stop: threading.Event, capture: Callable[[str, bytes], None] = lambda _name, _line: None
) -> FleetWatch:
    """Ask about all jobs of the cluster, in full, each ASK_SECONDS, for so long; those that come later join in."""
    source = FlinkRestSource(parse_endpoint(url, name="lab"))
    observer = Observer(Collector([source], SystemClock(), deadline_seconds=_POLL_SECONDS), Policy())
    collector = PollingEvidenceCollector(observer)
    found = FleetWatch()
    begun = before = time.monotonic()
    while (now := time.monotonic()) - begun < seconds and not stop.is_set():
        evidence = collector.jobs(list, second_poll_seconds=0.0)
        found.loads.append(_load())
        for each in evidence:
            _note(found, each, now - begun, now - before)
            capture(each.job.name, encode_evidence(each))
        before = now
        stop.wait(max(0.0, ASK_SECONDS - (time.monotonic() - now)))
    return found


def _note(found: FleetWatch, evidence: Evidence, at: float, passed: float) -> None:
    name = evidence.job.name
    job, told = found.jobs.setdefault(name, JobWatch(name)), diagnose(evidence)
    assessment = evidence.assessment
    job.state = str(assessment.state)
    job.asks += 1
    job.watched_seconds += passed if assessment.state not in ENDED else 0.0
    job.levels[assessment.health.level] = job.levels.get(assessment.health.level, 0) + 1
    job.not_applicable |= dict(assessment.not_applicable)
    job.not_assessed = {each.code: each.why for each in told.not_assessed}
    job.unknown |= dict(assessment.unknown)
    for field in assessment.unknown:
        job.unknown_asks[field] = job.unknown_asks.get(field, 0) + 1
    for finding in told.findings:
        where = job.infos if finding.severity == "info" else job.findings
        where[finding.code] = where.get(finding.code, 0) + 1
        if finding.severity != "info":
            lines = "; ".join(f"{each.text} {each.value} ({each.limit})" for each in finding.evidence)
            found.told.append(Told(round(at, 1), name, finding.code, finding.severity, f"{finding.title}: {lines}"))
    if assessment.health.level in ("warning", "critical", "unknown"):
        text = "; ".join(each.text for each in assessment.health.reasons)
        found.told.append(Told(round(at, 1), name, "health", assessment.health.level, text))


def _load() -> float:
    with open("/proc/loadavg") as file:
        return float(file.read().split()[0])


def upper_bound_per_hour(alarms: int, hours: float) -> float:
    """The exact (Poisson) one-sided upper 95 % bound of a rate of which so many were seen in so many hours."""
    low, high = 0.0, 100.0 + 10 * alarms
    for _ in range(100):
        middle = (low + high) / 2
        at_most = sum(
            math.exp(-middle + count * math.log(middle) - math.lgamma(count + 1)) for count in range(alarms + 1)
        )
        low, high = (middle, high) if at_most > 1 - CONFIDENCE else (low, middle)
    return high / hours


def as_text(found: FleetWatch, right: Mapping[str, Mapping[str, str]]) -> str:
    """A row for each job, then the sum. ``right``: the codes that are true of a job."""
    hours = sum(each.watched_seconds for each in found.jobs.values()) / 3600
    lines = [
        "| job | state | asks | health | above info | info | still unknown at more than half of the asks |",
        "|---" * 7 + "|",
    ]
    alarms = 0
    for each in sorted(found.jobs.values(), key=lambda job: job.name):
        false = {code: count for code, count in each.findings.items() if code not in right.get(each.name, {})}
        alarms += len(false)
        standing = [field for field, count in each.unknown_asks.items() if count > each.asks / 2]
        cells = (
            each.name,
            each.state,
            each.asks,
            _counts(each.levels),
            _counts(each.findings),
            _counts(each.infos),
            ", ".join(standing) or "none",
        )
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    bound = upper_bound_per_hour(alarms, hours) if hours else math.inf
    load = Counter(round(each) for each in found.loads)
    told = (
        f"{len(found.jobs)} jobs, {hours:.2f} job-hours of live jobs, {alarms} false alarms (a code of a job is one); "
    )
    told += (
        f"upper 95 % bound {bound:.2f} an hour; load of the machine {min(load, default=0)} to {max(load, default=0)}"
    )
    return "\n".join([*lines, "", told])


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"
