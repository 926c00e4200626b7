"""The effective mode of an upgrade, and what is scaled in place, by older and newer operators."""

from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from flinkops.act.operator.prepare import observed_job
from flinkops.plan.operator.predict import Edit, Prediction, predict
from flinkops.plan.operator.situation import ObservedJob
from flinkops.sources.kubernetes.operator_version import OperatorSeen
from flinkops.sources.kubernetes.plan_inputs import Read
from tests.unit.builders import NOW_MS as FACTS_MS
from tests.unit.builders import checkpoint, checkpoints, job
from tests.unit.cr_samples import OPERATORS
from tests.unit.operator_cases import (
    AGE_KEY,
    CANCEL_KEY,
    FALLBACK_KEY,
    FEATURES,
    HA_OFF,
    METADATA,
    NEVER_STARTED,
    NEW,
    NO_METADATA,
    NOW_MS,
    SEEN,
    deployed_with,
    in_state,
    running,
)

OVERRIDES = "pipeline.jobvertex-parallelism-overrides"


class Row(NamedTuple):
    """One rule: the job as it is, what is asked for, and what each generation of operators does."""

    name: str
    state: str
    mode: str
    old: str  # operators up to 1.9
    new: str  # 1.10 and newer
    observed: ObservedJob = SEEN
    settings: dict[str, str] = {}
    jobmanager: str = "READY"
    deployed: dict[str, Any] = {}
    edit: Edit = Edit(image="other:1")
    job_status: dict[str, Any] = {}


LAST_STATE = {"job_upgradeMode": "last-state"}


OTHER_VERSION = Edit(manifest={"flinkVersion": "v1_17"})


ROWS = [
    Row("running, savepoint", "RUNNING", "savepoint", "savepoint", "savepoint"),
    Row("running, last-state", "RUNNING", "last-state", "last-state", "last-state", deployed=LAST_STATE),
    Row("running, stateless", "RUNNING", "stateless", "stateless", "stateless"),
    Row("failed, stateless", "FAILED", "stateless", "stateless", "stateless"),
    Row("last-state is new, HA is off", "RUNNING", "last-state", "fail", "last-state", settings=HA_OFF),
    Row("restarting, savepoint, metadata", "RESTARTING", "savepoint", "last-state", "last-state", METADATA),
    Row("restarting, savepoint, metadata not read", "RESTARTING", "savepoint", "last-state", "last-state"),
    Row("restarting, no metadata", "RESTARTING", "savepoint", "wait", "last-state", NO_METADATA),
    Row("restarting, HA off", "RESTARTING", "savepoint", "wait", "last-state", settings=HA_OFF),
    Row("restarting, fallback off", "RESTARTING", "savepoint", "wait", "wait", METADATA, {FALLBACK_KEY: "false"}),
    Row(
        "restarting, cancel instead",
        "RESTARTING",
        "last-state",
        "last-state",
        "last-state",
        METADATA,
        {CANCEL_KEY: "true"},
    ),
    Row(
        "reconciling, metadata",
        "RECONCILING",
        "last-state",
        "last-state",
        "last-state",
        METADATA,
        jobmanager="DEPLOYING",
    ),
    Row("reconciling, no metadata", "RECONCILING", "last-state", "wait", "wait", NO_METADATA, jobmanager="DEPLOYING"),
    Row("JobManager gone, no metadata", "RECONCILING", "savepoint", "fail", "fail", NO_METADATA, jobmanager="MISSING"),
    Row(
        "JobManager in error, no metadata", "RECONCILING", "savepoint", "fail", "fail", NO_METADATA, jobmanager="ERROR"
    ),
    Row(
        "JobManager never started",
        "RECONCILING",
        "savepoint",
        "savepoint",
        "savepoint",
        NEVER_STARTED,
        jobmanager="DEPLOYING",
    ),
    Row("failed, state recorded", "FAILED", "savepoint", "savepoint", "savepoint", NO_METADATA),
    Row(
        "failed, metadata left, JobManager gone",
        "FAILED",
        "savepoint",
        "last-state",
        "last-state",
        METADATA,
        jobmanager="MISSING",
    ),
    Row("failed, metadata left, JobManager answers", "FAILED", "savepoint", "last-state", "savepoint", METADATA),
    Row("being cancelled", "CANCELLING", "savepoint", "last-state", "wait"),
    Row(
        "checkpoint too old",
        "RUNNING",
        "last-state",
        "savepoint",
        "savepoint",
        replace(SEEN, checkpoint_age_seconds=900.0),
        {AGE_KEY: "10 min"},
        deployed=LAST_STATE,
    ),
    Row(
        "checkpoint young enough",
        "RUNNING",
        "last-state",
        "last-state",
        "last-state",
        replace(SEEN, checkpoint_age_seconds=500.0),
        {AGE_KEY: "10 min"},
        deployed=LAST_STATE,
    ),
    Row(
        "checkpoint pending",
        "RUNNING",
        "last-state",
        "wait",
        "wait",
        replace(SEEN, checkpoint_age_seconds=900.0, pending_checkpoint_age_seconds=5.0),
        {AGE_KEY: "10 min"},
        deployed=LAST_STATE,
    ),
    Row(
        "job just started",
        "RUNNING",
        "last-state",
        "last-state",
        "last-state",
        SEEN,
        {AGE_KEY: "10 min"},
        deployed=LAST_STATE,
        job_status={"startTime": str(NOW_MS - 1000)},
    ),
    Row("other version, running, last-state", "RUNNING", "last-state", "savepoint", "savepoint", edit=OTHER_VERSION),
    Row("other version, restarting", "RESTARTING", "savepoint", "wait", "last-state", METADATA, edit=OTHER_VERSION),
    Row("other version, reconciling", "RECONCILING", "savepoint", "wait", "wait", METADATA, edit=OTHER_VERSION),
    Row(
        "savepoint in progress",
        "RUNNING",
        "savepoint",
        "wait",
        "wait",
        job_status={"savepointInfo": {"triggerId": "x"}},
    ),
    Row(
        "savepoint in progress, ignored",
        "RUNNING",
        "savepoint",
        "savepoint",
        "savepoint",
        settings={"kubernetes.operator.job.upgrade.ignore-pending-savepoint": "true"},
        job_status={"savepointInfo": {"triggerId": "x"}},
    ),
    Row(
        "resume after a savepoint",
        "FINISHED",
        "savepoint",
        "savepoint",
        "savepoint",
        deployed={"job_state": "suspended"},
        edit=Edit(state="running"),
    ),
    Row(
        "resume after last-state",
        "FINISHED",
        "savepoint",
        "last-state",
        "last-state",
        deployed={"job_state": "suspended", "job_upgradeMode": "last-state"},
        edit=Edit(state="running"),
    ),
    Row(
        "resume after stateless",
        "FINISHED",
        "savepoint",
        "stateless",
        "stateless",
        deployed={"job_state": "suspended", "job_upgradeMode": "stateless"},
        edit=Edit(state="running"),
    ),
    Row("suspend", "RUNNING", "savepoint", "savepoint", "savepoint", edit=Edit(state="suspended")),
]


def predicted(row: Row, operator: str) -> Prediction:
    found = in_state(operator, row.state, jobmanager=row.jobmanager, **row.job_status)
    if row.deployed or row.settings:
        deployed_with(found, settings=row.settings, **row.deployed)
    edit = row.edit
    if edit.manifest is not None:
        edit = Edit(manifest={**found["spec"], **edit.manifest})
    asked = Edit(image=edit.image, state=edit.state, manifest=edit.manifest, mode=row.mode)
    return predict(found, asked, observed=row.observed, features=FEATURES[operator])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_effective_mode_of_older_operators(row: Row) -> None:
    assert predicted(row, "1.7.0").effective_mode == row.old


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_effective_mode_of_newer_operators(row: Row) -> None:
    assert predicted(row, "1.15.0").effective_mode == row.new


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_terminal_job_without_recorded_state_would_start_empty(operator: str) -> None:
    """The operator takes "savepoint" for an answer here and deploys without one."""
    found = in_state(operator, "FAILED", jobmanager="READY")
    found["status"]["jobStatus"].pop("upgradeSavepointPath", None)
    found["status"]["jobStatus"]["savepointInfo"] = {}
    predicted = predict(found, Edit(image="x:1"), observed=NO_METADATA, features=FEATURES[operator])
    assert predicted.effective_mode == "stateless"
    assert any("all state would be lost" in line for line in predicted.refused)


def test_the_last_state_mark_is_no_savepoint() -> None:
    found = in_state("1.15.0", "FAILED", jobmanager="READY", upgradeSavepointPath="KUBERNETES_OPERATOR_LAST_STATE")
    predicted = predict(found, Edit(image="x:1"), observed=NO_METADATA, features=NEW)
    assert predicted.effective_mode == "fail"


ADAPTIVE = {"jobmanager.scheduler": "adaptive"}


@pytest.mark.parametrize(("before", "mode"), [(ADAPTIVE, "in-place"), ({}, "savepoint")])
def test_scale_in_place_only_with_the_adaptive_scheduler(before: dict[str, str], mode: str) -> None:
    found = deployed_with(running("1.15.0"), settings=before)
    predicted = predict(found, Edit(settings={OVERRIDES: "a:2"}), observed=SEEN, features=NEW)
    assert predicted.effective_mode == mode


@pytest.mark.parametrize(
    ("before", "after", "mode"),
    [
        ({OVERRIDES: "a:2,b:1"}, {OVERRIDES: "b:1,a:3"}, "in-place"),
        ({OVERRIDES: "a:2,b:1"}, {OVERRIDES: "a:3"}, "savepoint"),  # the operator redeploys when one is taken away
        ({OVERRIDES: "a:2"}, {OVERRIDES: None}, "savepoint"),
        ({OVERRIDES: "a:2"}, {OVERRIDES: None, "job.autoscaler.enabled": "true"}, "savepoint"),
        ({OVERRIDES: "c:2"}, {OVERRIDES: None}, "in-place"),  # of no vertex of this job
        ({}, {OVERRIDES: "a:2", "kubernetes.operator.job.upgrade.inplace-scaling.enabled": "false"}, "savepoint"),
    ],
)
def test_what_the_operator_scales_in_place(before: dict[str, str], after: dict[str, str | None], mode: str) -> None:
    found = deployed_with(running("1.15.0"), settings={**ADAPTIVE, **before})
    seen = replace(SEEN, vertices=("a", "b"))
    assert predict(found, Edit(settings=after), observed=seen, features=NEW).effective_mode == mode


def test_a_checkpoint_in_progress_is_observed_so_that_the_operator_is_seen_to_wait_for_it() -> None:
    """As the operator does (getCheckpointInfo): by the newest one in progress that is no savepoint."""
    under_way = checkpoint(12, FACTS_MS - 5_000, status="IN_PROGRESS", acknowledged_ms=None)
    savepoint = checkpoint(13, FACTS_MS - 1_000, status="IN_PROGRESS", is_savepoint=True)
    done = checkpoint(11, FACTS_MS - 900_000)
    points = checkpoints(history=(savepoint, under_way, done), latest_completed=done)
    read = Read({}, {}, True, False, OperatorSeen())
    observed = observed_job(job(checkpoints=points), read)
    assert (observed.checkpoint_age_seconds, observed.pending_checkpoint_age_seconds) == (900.0, 5.0)
    assert observed_job(job(checkpoints=None), read).pending_checkpoint_age_seconds is None


@pytest.mark.parametrize(("kept", "mode"), [({"a": "2"}, "none"), ({}, "savepoint"), (None, "unknown")])
def test_an_operator_whose_autoscaler_is_on_puts_its_own_overrides_back(kept: dict[str, str] | None, mode: str) -> None:
    found = deployed_with(running("1.15.0"), settings={**ADAPTIVE, OVERRIDES: "a:2", "job.autoscaler.enabled": "true"})
    seen = replace(SEEN, vertices=("a", "b"), autoscaler_overrides=kept)
    predicted = predict(found, Edit(settings={OVERRIDES: None}), observed=seen, features=NEW)
    assert predicted.effective_mode == mode
