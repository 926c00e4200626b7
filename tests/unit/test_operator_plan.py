"""The prediction against what real operators did (recorded), and the table of their rules."""

import copy
import re
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from flinkops.act.operator.prepare import observed_job
from flinkops.plan.operator.predict import Edit, Prediction, predict
from flinkops.plan.operator.situation import ObservedJob
from flinkops.plan.operator.spec import Change, change_class, compare, configuration, last_reconciled
from flinkops.sources.kubernetes.operator_version import OperatorSeen
from flinkops.sources.kubernetes.plan_inputs import Read
from tests.unit.builders import NOW_MS as FACTS_MS
from tests.unit.builders import checkpoint, checkpoints, job
from tests.unit.cr_samples import OPERATORS, recorded, resource
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
    OLD,
    SEEN,
    deployed_with,
    in_state,
    running,
)

OVERRIDES = "pipeline.jobvertex-parallelism-overrides"

# --- what the recorded operators did ------------------------------------------------------------------------------


class Transition(NamedTuple):
    """The edit that was made, seen in the object with the new spec, and the mode that the operator wrote afterwards."""

    operator: str
    edited: int  # the object right after the edit: status still of before
    acted: int  # the object after the operator acted
    observed: ObservedJob = SEEN


TRANSITIONS = [
    Transition("1.7.0", 10, 11),
    Transition("1.7.0", 16, 17),
    Transition("1.7.0", 20, 21, NEVER_STARTED),
    Transition("1.7.0", 25, 26),
    Transition("1.15.0", 6, 7),
    Transition("1.15.0", 12, 13),
    Transition("1.15.0", 16, 17, NEVER_STARTED),
    Transition("1.15.0", 21, 22),
    Transition("1.15.0", 27, 28),
]


@pytest.mark.parametrize("transition", TRANSITIONS, ids=str)
def test_prediction_of_what_the_recorded_operator_did(transition: Transition) -> None:
    edited = resource(transition.operator, transition.edited)
    wanted = edited["spec"]
    before = copy.deepcopy(edited)
    before["spec"] = {**wanted, "restartNonce": 1}  # any other spec: the patch must not be empty
    if "observedGeneration" in before["status"]:
        before["metadata"]["generation"] = before["status"]["observedGeneration"]
    found = predict(
        before,
        Edit(manifest=wanted),
        observed=transition.observed,
        features=FEATURES[transition.operator],
    )
    acted = last_reconciled(resource(transition.operator, transition.acted))
    assert acted is not None
    assert found.effective_mode == acted["job"]["upgradeMode"]
    assert found.change == "upgrade"
    assert found.refused == ()


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_diff_reads_as_the_operators_own_event(operator: str) -> None:
    told = set()
    for event in recorded(operator)["events"]:
        if match := re.search(r"\(Diff: FlinkDeploymentSpec\[(.*)\]\)", event["message"]):
            told.add(frozenset(match[1].split(", ")))
    computed = set()
    for found in recorded(operator)["resources"].values():
        before = last_reconciled(found)
        if before is None or (found["status"]["reconciliationStatus"] or {}).get("state") == "UPGRADING":
            continue
        changes = compare(before, found["spec"])
        if change_class(changes) is Change.UPGRADE:
            computed.add(frozenset(one.line for one in changes))
    missing = {diff for diff in computed if diff not in told}
    assert computed
    assert not missing


# --- the classes of a change --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edit", "mode", "change"),
    [
        (Edit(), "native", "none"),
        (Edit(settings={"kubernetes.operator.periodic.savepoint.interval": "1h"}), "native", "ignore"),
        (Edit(settings={"job.autoscaler.enabled": "true"}), "native", "ignore"),
        (Edit(settings={"parallelism.default": "7"}), "native", "ignore"),
        (Edit(mode="last-state"), "native", "ignore"),
        (Edit(settings={"pipeline.jobvertex-parallelism-overrides": "a:2"}), "native", "scale"),
        (Edit(settings={"pipeline.jobvertex-parallelism-overrides": "a:2"}), "standalone", "upgrade"),
        (Edit(parallelism=5), "native", "upgrade"),
        (Edit(parallelism=5), "standalone", "scale"),
        (Edit(image="other:1"), "native", "upgrade"),
        (Edit(settings={"taskmanager.numberOfTaskSlots": None}), "native", "upgrade"),
        (Edit(settings={"job.autoscaler.enabled": "true", "taskmanager.numberOfTaskSlots": "4"}), "native", "upgrade"),
        (Edit(restart_nonce=3), "native", "upgrade"),
        (Edit(state="suspended"), "native", "upgrade"),
        (Edit(arguments=("--a", "b")), "native", "upgrade"),
    ],
)
@pytest.mark.parametrize("operator", OPERATORS)
def test_change_classes(operator: str, edit: Edit, mode: str, change: str) -> None:
    found = predict(deployed_with(running(operator), mode=mode), edit, observed=SEEN, features=FEATURES[operator])
    assert found.change == change


def test_savepoint_redeploy_where_the_resource_has_it() -> None:
    found = running("1.15.0")
    manifest = copy.deepcopy(found["spec"])
    manifest["job"].update(savepointRedeployNonce=1, initialSavepointPath="s3://b/savepoint-1")
    predicted = predict(found, Edit(manifest=manifest), observed=SEEN, features=NEW)
    assert (predicted.change, predicted.effective_mode) == ("savepoint-redeploy", "savepoint-redeploy")
    assert len(predicted.refused) == 1
    assert predicted.refused[0].startswith("state would be lost, all since s3://b/savepoint-1")
    assert "what the job did since s3://b/savepoint-1 is lost" in predicted.risks
    allowed = predict(
        found, Edit(manifest=manifest), observed=SEEN, features=NEW, accepted=frozenset({"savepoint-redeploy"})
    )
    assert allowed.refused == ()
    on_old = predict(running("1.7.0"), Edit(manifest=manifest), observed=SEEN, features=OLD)
    assert any("savepointRedeployNonce" in line for line in on_old.refused)


@pytest.mark.parametrize(
    "beside", [Edit(), Edit(image="other:1"), Edit(parallelism=5), Edit(state="suspended"), Edit(mode="savepoint")]
)
def test_a_changed_redeploy_nonce_takes_no_savepoint_whatever_changes_beside_it(beside: Edit) -> None:
    """Operator 1.15.0, seen: a rollback that set an old nonce back lost twelve minutes of state."""
    found = deployed_with(running("1.15.0"), job_savepointRedeployNonce=4)
    manifest = copy.deepcopy(found["spec"])
    manifest["job"].update(savepointRedeployNonce=3, initialSavepointPath="s3://b/savepoint-1")
    edit = replace(beside, manifest=manifest)
    predicted = predict(found, edit, observed=SEEN, features=NEW)
    assert (predicted.change, predicted.effective_mode) == ("savepoint-redeploy", "savepoint-redeploy")
    assert any("state would be lost" in line for line in predicted.refused)


def test_a_changed_redeploy_nonce_without_a_path_is_refused_by_the_operator() -> None:
    predicted = predict(running("1.15.0"), Edit(manifest=_redeployed_empty()), observed=SEEN, features=NEW)
    assert (predicted.change, predicted.effective_mode) == ("savepoint-redeploy", "fail")
    assert any("InitialSavepointPath must not be empty" in line for line in predicted.refused)


def _redeployed_empty() -> dict[str, Any]:
    spec: dict[str, Any] = copy.deepcopy(running("1.15.0")["spec"])
    spec["job"].update(savepointRedeployNonce=9, initialSavepointPath=None)
    return spec


def test_nested_and_bare_configuration_values_compare_as_text() -> None:
    flat = {"flinkConfiguration": {"a.b": "1", "a.c": "true", "d": "x"}}
    nested = {"flinkConfiguration": {"a": {"b": 1, "c": True}, "d": "x"}}
    assert configuration(nested) == flat["flinkConfiguration"]
    assert compare(flat, nested) == []


# --- the effective mode -------------------------------------------------------------------------------------------


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
