"""Where else a job can be seen: Flink's own pages, dashboards, runbooks, and what `[links]` names. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from flinkops.model.assessment import JobAssessment

RUNBOOKS = {
    "latency-high": "FlinkJobLatencyBudgetBurn",
    "skew-high": "FlinkJobSkewBudgetBurn",
    "backpressure-high": "FlinkJobBackpressured",
    "checkpoint-age": "FlinkJobCheckpointBudgetBurn",
    "checkpoint-slow": "FlinkJobCheckpointNearTimeout",
    "checkpoint-failing": "FlinkJobCheckpointsFailing",
    "state-limit": "FlinkJobStateNearLimit",
    "late-records": "FlinkJobLateRecords",
    "restart-loop": "FlinkJobRestartLoop",
    "job-restarted": "FlinkJobRestartLoop",
    "availability-low": "FlinkJobAvailabilityBudgetBurn",
    "job-failed": "FlinkJobAvailabilityBudgetBurn",
    "job-failing": "FlinkJobAvailabilityBudgetBurn",
    "job-restarting": "FlinkJobAvailabilityBudgetBurn",
    "source-unreachable": "FlinkopsSourceDown",
    "source-denied": "FlinkopsSourceDown",
    "source-stale": "FlinkopsSourceDown",
}
"""Code of a reason -> the page of docs/runbooks that helps; what is not known has one of its own."""
UNKNOWN_RUNBOOK = "FlinkJobHealthUnknown"


@dataclass(frozen=True)
class Links:
    """What the settings say of pages elsewhere."""

    templates: Mapping[str, str] = field(default_factory=dict)
    runbooks: str = "docs/runbooks"
    grafana: str = ""

    def of(self, job: JobAssessment) -> list[tuple[str, str]]:
        """Name and address, the most useful first."""
        found = [(name, fill(template, job)) for name, template in self.templates.items()]
        if self.grafana:
            query = f"var-namespace={quote(job.namespace or '', safe='')}&var-job={quote(job.name, safe='')}"
            found.append(("Grafana", f"{self.grafana.rstrip('/')}/d/flinkops-job?{query}"))
        seen: set[str] = set()
        for reason in job.health.reasons:
            page = UNKNOWN_RUNBOOK if reason.level == "unknown" and reason.code not in RUNBOOKS else None
            page = page or RUNBOOKS.get(reason.code)
            if page is not None and page not in seen:
                seen.add(page)
                found.append((f"runbook: {reason.code}", f"{self.runbooks.rstrip('/')}/{page}.md"))
        return found


def fill(template: str, job: JobAssessment) -> str:
    """The address for this job; names are quoted, whatever they hold."""
    reasons = job.health.reasons
    values = {
        "job": job.name,
        "namespace": job.namespace or "",
        "cluster": job.cluster,
        "job_id": job.id,
        "code": reasons[0].code if reasons else "",
    }
    return template.format_map({name: quote(value, safe="") for name, value in values.items()})
