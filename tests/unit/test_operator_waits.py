"""What waits for the operator is shown: in the status, in its JSON, and as a finding."""

from typing import Any

import pytest

from flinkops.assess import assess
from flinkops.clock import iso_utc
from flinkops.config.policy import Policy
from flinkops.diagnose.diagnosis import diagnose
from flinkops.diagnose.evidence import gathered
from flinkops.model.assessment import JobAssessment
from flinkops.model.findings import Diagnosis
from flinkops.render.status_json import job_document
from flinkops.sources.kubernetes.join import Cluster, Listing, job_rows
from tests.unit.builders import NOW_MS, snapshot
from tests.unit.cr_samples import case, resource


def assessed(found: dict[str, Any]) -> JobAssessment:
    """As a poll sees it whose REST API does not answer."""
    jobs, _ = job_rows(Listing((found,)), {("default", found["metadata"]["name"]): Cluster(None)}, "prod", NOW_MS)
    return assess(snapshot(*jobs), {}, Policy()).jobs[0]


def diagnosed(found: dict[str, Any]) -> Diagnosis:
    assessment = assessed(found)
    return diagnose(gathered(NOW_MS, assessment, ()))


def findings(found: dict[str, Any]) -> dict[str, str]:
    return {one.code: one.severity for one in diagnosed(found).findings}


def codes(assessment: JobAssessment) -> list[str]:
    return [one.code.value for one in assessment.health.reasons]


def running(**status: Any) -> dict[str, Any]:
    found = resource("1.15.0", 12)
    found["status"].update(status)
    return found


def written(found: dict[str, Any], seconds_ago: float, *, status: bool) -> dict[str, Any]:
    """With the API server's note of when that part was changed last."""
    entry: dict[str, Any] = {"manager": "x", "time": iso_utc(round(NOW_MS - seconds_ago * 1000))}
    entry |= {"subresource": "status", "fieldsV1": {"f:status": {}}} if status else {"fieldsV1": {"f:spec": {}}}
    found["metadata"].setdefault("managedFields", []).append(entry)
    return found


def test_the_operators_error_is_a_finding_and_its_stale_event_is_none() -> None:
    """As it happened: the job could not create its checkpoint storage, and the doctor named a volume at 95 %."""
    found = findings(case("failed-storage"))
    assert found.pop("operator-error") == "critical"
    assert "deployment-stuck" not in found
    told = diagnosed(case("failed-storage")).findings
    evidence = next(one for one in told if one.code == "operator-error").evidence[0].text
    assert evidence.endswith("Failed to create checkpoint storage at checkpoint coordinator side.")


@pytest.mark.parametrize(("seconds", "severity"), [(5, "info"), (90, "warning"), (900, "critical")])
@pytest.mark.parametrize("state", ["RUNNING", "FINISHED"])
def test_a_deletion_in_progress_is_shown_with_who_holds_it(seconds: int, severity: str, state: str) -> None:
    found = running()
    found["status"]["jobStatus"]["state"] = state
    found["metadata"]["deletionTimestamp"] = iso_utc(NOW_MS - seconds * 1000)
    found["metadata"]["finalizers"] = ["flinkdeployments.flink.apache.org/finalizer", "shop.example/cleanup"]
    assert findings(found)["deletion-waits"] == severity
    assessment = assessed(found)
    assert "resource-deleting" in codes(assessment)
    document = job_document(assessment)["resource"]["deletion"]
    assert document == {
        "since": iso_utc(NOW_MS - seconds * 1000),
        "held_by": "the operator (its finalizer) and finalizer shop.example/cleanup",
        "finalizers": found["metadata"]["finalizers"],
    }


@pytest.mark.parametrize(("seconds", "level", "severity"), [(10, "warning", "info"), (600, "critical", "critical")])
def test_a_lost_jobmanager_is_not_a_job_that_starts(seconds: float, level: str, severity: str) -> None:
    """JobManager MISSING, job RECONCILING, and nothing under way, for good: it had score 100."""
    found = written(running(jobManagerDeploymentStatus="MISSING"), seconds, status=True)
    found["status"]["jobStatus"]["state"] = "RECONCILING"
    assessment = assessed(found)
    reason = next(one for one in assessment.health.reasons if one.code.value == "jobmanager-missing")
    assert (reason.level, reason.value) == (level, seconds)
    assert "job-reconciling" not in codes(assessment)
    diagnosis = diagnosed(found)
    assert [(one.code, one.severity) for one in diagnosis.findings] == [("jobmanager-missing", severity)]
    assert diagnosis.score is not None
    assert diagnosis.score < 100


@pytest.mark.parametrize("lifecycle", ["UPGRADING", "SUSPENDED", "ROLLING_BACK"])
def test_a_jobmanager_that_is_not_meant_to_be_there_is_not_missed(lifecycle: str) -> None:
    found = written(running(jobManagerDeploymentStatus="MISSING", lifecycleState=lifecycle), 600, status=True)
    assert "jobmanager-missing" not in findings(found)


@pytest.mark.parametrize(("seconds", "expected"), [(10.0, None), (300.0, "warning"), (None, None)])
def test_an_edit_that_the_operator_does_not_act_on_for_long_is_a_finding(
    seconds: float | None, expected: str | None
) -> None:
    found = running()
    found["metadata"]["generation"] = found["status"]["observedGeneration"] + 1
    if seconds is not None:
        written(found, seconds, status=False)
    assert findings(found).get("spec-not-taken-up") == expected
    assert ("spec-not-taken-up" in codes(assessed(found))) == (expected is not None)


def test_an_edit_of_a_suspended_job_waits_for_its_resume() -> None:
    found = written(running(lifecycleState="SUSPENDED"), 900, status=False)
    found["metadata"]["generation"] = found["status"]["observedGeneration"] + 1
    assert "spec-not-taken-up" not in findings(found)
