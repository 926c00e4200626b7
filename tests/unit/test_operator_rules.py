"""The operator's rules one by one: nulls, pods and amounts, defaults, standalone, what becomes of a job."""

import json
from typing import Any

import pytest

from flinkops.plan.operator.configuration import of_running_cluster
from flinkops.plan.operator.decision import Act, Mode, StartKind
from flinkops.plan.operator.outlook import versions_of
from flinkops.plan.operator.predict import Edit
from flinkops.plan.operator.reasons import ReasonCode
from flinkops.plan.operator.rules import Features, Rules, features, writer_of
from flinkops.plan.operator.situation import ObservedJob, Situation
from flinkops.plan.operator.spec import Change, compared, job_of
from flinkops.plan.operator.worlds import Fact, FactKind
from tests.unit.cr_samples import case
from tests.unit.fake_operator import FakeOperator
from tests.unit.operator_cases import (
    EACH_OPERATOR,
    FEATURES,
    HA_OFF,
    NO_METADATA,
    NOT_SEEN,
    OLD,
    SEEN,
    SWITCH,
    act,
    deployed_with,
    in_state,
    replaced,
    running,
    told,
)

# --- fault 4: null fields ---------------------------------------------------------------------------------------


def test_a_removed_restart_nonce_is_no_change_as_it_happened() -> None:
    """Recorded on 1.15: nothing restarted, and nothing was written."""
    found = case("restart-nonce-removed")
    wanted = {key: value for key, value in found["spec"].items() if key != "restartNonce"}
    deployed = json.loads(found["status"]["reconciliationStatus"]["lastReconciledSpec"])["spec"]
    assert deployed["restartNonce"] == 1
    prediction = told(found, Edit(manifest=wanted | {"restartNonce": None}))
    assert (prediction.change, prediction.effective_mode) == (Change.NONE, Mode.NONE)


@pytest.mark.parametrize(("minor", "change"), [(7, Change.UPGRADE), (8, Change.NONE), (15, Change.NONE)])
@pytest.mark.parametrize("field", ["restartNonce", "savepointRedeployNonce"])
def test_a_nonce_that_is_taken_away(minor: int, change: Change, field: str) -> None:
    with_nonce: dict[str, Any] = {"job": {"parallelism": 1}}
    (with_nonce if field == "restartNonce" else with_nonce["job"])[field] = 3
    without = {"job": {"parallelism": 1, "savepointRedeployNonce": None}, "restartNonce": None}
    found = compared(with_nonce, without, Rules(minor))
    unknown_field = field == "savepointRedeployNonce" and minor == 7  # 1.7 does not have it
    assert found.change is (Change.NONE if unknown_field else change)


# --- fault 5: pods and amounts ----------------------------------------------------------------------------------


def test_a_normalised_pod_template_is_no_change_as_it_happened() -> None:
    """Recorded on 1.15: empty lists and maps and a bare number in the pod, one setting of the operator's changed."""
    found = case("podtemplate-normalised")
    assert '"args": []' in json.dumps(found["spec"]["podTemplate"])
    prediction = told(found, Edit(settings={"kubernetes.operator.x": "1"}))
    assert (prediction.change, prediction.effective_mode, prediction.act) == (Change.IGNORE, Mode.NONE, Act.NONE)


CONTAINER = {"name": "flink-main-container"}


def pod(**container: Any) -> dict[str, Any]:
    return {"podTemplate": {"spec": {"containers": [{**CONTAINER, **container}]}}}


@EACH_OPERATOR
@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        (pod(), pod(args=[], env=[]), True),
        (pod(resources={"limits": {"cpu": "1"}}), pod(resources={"limits": {"cpu": 1}}), True),
        (pod(resources={"limits": {"cpu": "1000m"}}), pod(resources={"limits": {"cpu": "1"}}), True),
        (pod(resources={"limits": {"memory": "1Gi"}}), pod(resources={"limits": {"memory": "1024Mi"}}), True),
        (pod(resources={"limits": {"memory": "1Gi"}}), pod(resources={"limits": {"memory": "1G"}}), False),
        (pod(args=["a", "b"]), pod(args=["b", "a"]), False),
        (pod(env=[{"name": "A"}, {"name": "B"}]), pod(env=[{"name": "B"}, {"name": "A"}]), False),
        (pod(securityContext={}), pod(), False),
        (pod(ports=[{"containerPort": "80"}]), pod(ports=[{"containerPort": 80}]), True),
        (pod(readinessProbe={"tcpSocket": {"port": "80"}}), pod(readinessProbe={"tcpSocket": {"port": 80}}), False),
        (pod(noSuchField=1), pod(), True),
        ({"podTemplate": {"metadata": {"annotations": {}}}}, {"podTemplate": {"metadata": {}}}, True),
        ({"podTemplate": {"kind": "Pod", "apiVersion": "v1", **pod()["podTemplate"]}}, pod(), True),
    ],
)
def test_pods_are_compared_as_the_operator_has_them(
    operator: str, before: dict[str, Any], after: dict[str, Any], same: bool
) -> None:
    (rules,) = FEATURES[operator].candidates
    found = compared(before, after, rules)
    assert found.change is (Change.NONE if same else Change.UPGRADE)


@EACH_OPERATOR
def test_memory_is_a_text_and_cpu_a_number(operator: str) -> None:
    (rules,) = FEATURES[operator].candidates

    def manager(**resource: Any) -> dict[str, Any]:
        return {"taskManager": {"resource": resource}}

    assert compared(manager(memory="1g"), manager(memory="1024m"), rules).change is Change.UPGRADE
    assert compared(manager(cpu=1), manager(cpu=1.0), rules).change is Change.NONE
    assert compared(manager(cpu="1"), manager(cpu=1.0), rules).change is Change.NONE


# --- fault 6: the operator's own configuration ------------------------------------------------------------------

DIRECTORIES = {
    "execution.checkpointing.dir": "s3://b/c",
    "state.savepoints.dir": "s3://b/s",
    "jobmanager.memory.process.size": "1g",
    "taskmanager.memory.process.size": "1g",
}


def test_a_savepoint_directory_of_the_operators_own_is_one_as_it_happened() -> None:
    """Recorded on 1.15: the spec names none, and a savepoint upgrade worked."""
    found, edit = case("operator-defaults"), Edit(image="count:2", mode="savepoint")
    known = replaced(operator_configuration=DIRECTORIES)
    prediction = told(found, edit, known)
    assert (prediction.act, prediction.effective_mode, prediction.refused) == (Act.SAVEPOINT, Mode.SAVEPOINT, ())


def test_where_the_operators_configuration_cannot_be_read_what_was_accepted_is_accepted_again() -> None:
    """Its validation has passed a savepoint upgrade of a spec without a directory: there is one."""
    prediction = told(case("operator-defaults"), Edit(image="count:2", mode="savepoint"), NOT_SEEN)
    assert (prediction.act, prediction.refused, prediction.unknown) == (Act.SAVEPOINT, (), ())


def test_what_a_running_cluster_has_and_its_spec_does_not_is_a_default() -> None:
    """By REST, where the ConfigMap cannot be read."""
    found = case("operator-defaults")
    settings = found["spec"]["flinkConfiguration"]
    assert "high-availability" not in json.dumps(settings)
    cancelled = {"kubernetes.operator.job.upgrade.last-state.job-cancel.enabled": "false"}
    edit = Edit(image="count:2", mode="last-state", settings=cancelled)
    assert told(found, edit, replaced(operator_configuration=None)).act is Act.UNKNOWN
    for ha, expected in (("kubernetes", Act.LAST_STATE), ("NONE", Act.LAST_STATE_BY_CANCEL)):
        running_with = {"high-availability.type": ha, "high-availability.cluster-id": "count", **DIRECTORIES}
        known = of_running_cluster(running_with)
        prediction = told(found, edit, replaced(operator_configuration=None, running_configuration=known))
        assert (prediction.act, prediction.unknown) == (expected, ())


def test_a_directory_that_neither_has_is_missed() -> None:
    without = {key: value for key, value in DIRECTORIES.items() if "savepoints" not in key}
    prediction = told(
        case("operator-defaults"), Edit(image="c", mode="savepoint"), replaced(operator_configuration=without)
    )
    assert prediction.act is Act.REFUSED
    assert "execution.checkpointing.savepoint-dir] is not set" in prediction.why[0]


@EACH_OPERATOR
@pytest.mark.parametrize(
    ("key", "value", "mode"),
    [
        (f"{SWITCH}last-state-fallback.enabled", "false", Mode.WAIT),
        (f"{SWITCH}last-state-fallback.enabled", "true", Mode.LAST_STATE),
        (None, "", Mode.LAST_STATE),
    ],
)
def test_an_upgrade_switch_of_the_operators_own_counts(operator: str, key: str | None, value: str, mode: Mode) -> None:
    found = in_state(operator, "RESTARTING", jobmanager="READY")
    observed = replaced(operator_configuration={} if key is None else {key: value})
    assert told(found, Edit(image="count:2", mode="savepoint"), observed, FEATURES[operator]).effective_mode is mode


@EACH_OPERATOR
def test_a_default_that_is_not_known_is_named(operator: str) -> None:
    found = in_state(operator, "RESTARTING", jobmanager="READY")
    observed = replaced(operator_configuration=None)
    prediction = told(found, Edit(image="count:2", mode="savepoint"), observed, FEATURES[operator])
    assert (prediction.effective_mode, prediction.act) == (Mode.UNKNOWN, Act.UNKNOWN)
    assert Fact(FactKind.OPERATOR_DEFAULT, f"{SWITCH}last-state-fallback.enabled") in prediction.unknown
    assert "last-state-fallback.enabled" in prediction.why[0]
    assert prediction.refused, "what is not known is not tried"


@EACH_OPERATOR
def test_a_default_that_changes_nothing_is_not_asked(operator: str) -> None:
    observed = replaced(operator_configuration=None)
    prediction = told(running(operator), Edit(image="count:2", mode="savepoint"), observed, FEATURES[operator])
    assert (prediction.effective_mode, prediction.unknown, prediction.refused) == (Mode.SAVEPOINT, (), ())


@pytest.mark.parametrize(
    ("observed", "edit", "fact"),
    [
        (replaced(ha_metadata=None), Edit(image="c", mode="last-state"), Fact(FactKind.HA_METADATA)),
        (
            replaced(NO_METADATA, jobmanager_never_started=None),
            Edit(image="c", mode="last-state"),
            Fact(FactKind.NEVER_STARTED),
        ),
    ],
)
def test_evidence_that_was_not_read_is_named(observed: ObservedJob, edit: Edit, fact: Fact) -> None:
    found = in_state("1.7.0", "RECONCILING", jobmanager="DEPLOYING")
    assert told(found, edit, observed, OLD).unknown == (fact,)


def test_the_version_is_told_by_the_schema_and_by_what_the_operator_has_written() -> None:
    assert [one.minor for one in features(FakeOperator(9).crd()).candidates] == [8, 9]
    assert [one.minor for one in features(FakeOperator(16).crd()).candidates] == [16]
    assert [one.minor for one in features({}).candidates] == [7]
    assert features(FakeOperator(9).crd(), "1.12.1").candidates == (Rules(12),)
    assert writer_of({"job": {"savepointRedeployNonce": None}}) == 8
    assert writer_of({"job": {"autoscalerResetNonce": 1}}) == 11
    assert writer_of({"taskManager": {"resources": None}}) == 16
    assert writer_of({"job": {}}) == 7


def test_a_schema_that_was_left_behind_does_not_date_the_operator() -> None:
    """Helm does not bring it up to date: what a newer operator has written tells more."""
    able = features(FakeOperator(9).crd())
    found = deployed_with(running("1.15.0"), job_autoscalerResetNonce=1)
    written = json.loads(found["status"]["reconciliationStatus"]["lastReconciledSpec"])["spec"]
    situation = Situation(written, written, found["status"], able, SEEN)
    assert min(one.minor for one in versions_of(situation)) == 15, "Flink 2.3 is read from 1.15 on"
    older = {**written, "flinkVersion": "v1_20"}
    assert min(one.minor for one in versions_of(situation._replace(deployed=older))) == 11


def test_a_version_that_is_not_known_is_named_where_it_matters() -> None:
    """A job that has failed can be cancelled to operator 1.13, and not to 1.14: then it waits."""
    able = features(FakeOperator(13).crd())
    assert [one.minor for one in able.candidates] == [13, 14]
    found = in_state("1.7.0", "FAILED", jobmanager="READY")
    prediction = told(found, Edit(manifest={**found["spec"], "flinkVersion": "v1_20"}, mode="last-state"), SEEN, able)
    assert (prediction.effective_mode, prediction.unknown) == (Mode.UNKNOWN, (Fact(FactKind.OPERATOR_VERSION),))
    same = told(found, Edit(image="count:2", mode="last-state"), SEEN, able)
    assert (same.effective_mode, same.unknown) == (Mode.LAST_STATE, ())


# --- fault 9: standalone ----------------------------------------------------------------------------------------


@EACH_OPERATOR
@pytest.mark.parametrize(
    ("reactive", "there", "reason"),
    [
        (True, True, (Act.IN_PLACE, ReasonCode.SCALED_IN_PLACE)),
        (True, False, (Act.SAVEPOINT, ReasonCode.RUNNING_SAVEPOINT)),
        (False, True, (Act.SAVEPOINT, ReasonCode.RUNNING_SAVEPOINT)),
    ],
)
def test_standalone_scales_in_place_only_when_it_is_reactive(
    operator: str, reactive: bool, there: bool, reason: tuple[Act, ReasonCode]
) -> None:
    settings = {"scheduler-mode": "reactive"} if reactive else {"jobmanager.scheduler": "adaptive"}
    found = deployed_with(running(operator), mode="standalone", settings=settings, job_upgradeMode="savepoint")
    observed = replaced(taskmanager_deployment=there)
    assert act(found, Edit(parallelism=7), observed, FEATURES[operator]) == reason


# --- fault 17: what became of the job -----------------------------------------------------------


def test_ha_turned_off_with_last_state_stops_the_job_for_good() -> None:
    """Its metadata is kept, and not used: with the wanted settings there is none."""
    prediction = told(running("1.15.0"), Edit(settings=HA_OFF, mode="last-state"), SEEN)
    assert (prediction.act, prediction.reason) == (Act.FAIL, ReasonCode.STOPPED_FOR_GOOD)
    assert told(running("1.7.0"), Edit(settings=HA_OFF, mode="last-state"), SEEN, OLD).act is Act.REFUSED


@EACH_OPERATOR
@pytest.mark.parametrize("mode", ["savepoint", "last-state", "stateless"])
def test_resumed_after_last_state_needs_its_metadata_whatever_is_asked_for(operator: str, mode: str) -> None:
    found = suspended(operator, "last-state")
    edit = Edit(state="running", mode=mode)
    assert act(found, edit, NO_METADATA, FEATURES[operator]) == (Act.FAIL, ReasonCode.RESUME_NEEDS_HA_METADATA)
    prediction = told(found, edit, SEEN, FEATURES[operator])
    assert prediction.start is not None
    assert (prediction.act, prediction.start.kind) == (Act.RESUME, StartKind.HA_METADATA)


def suspended(operator: str, mode: str) -> dict[str, Any]:
    found = deployed_with(running(operator), job_state="suspended", job_upgradeMode=mode)
    found["status"]["jobManagerDeploymentStatus"] = "MISSING"
    found["status"]["jobStatus"]["state"] = "FINISHED"
    return found


@EACH_OPERATOR
def test_a_savepoint_in_progress_holds_up_a_resume(operator: str) -> None:
    found, resume = suspended(operator, "savepoint"), Edit(state="running", mode="savepoint")
    assert told(found, resume, SEEN, FEATURES[operator]).act is Act.RESUME
    found["status"]["jobStatus"]["savepointInfo"]["triggerId"] = "x"
    assert act(found, resume, SEEN, FEATURES[operator]) == (Act.WAIT, ReasonCode.SAVEPOINT_IN_PROGRESS)


@EACH_OPERATOR
def test_a_jobmanager_that_is_left_is_in_the_way_of_a_resume(operator: str) -> None:
    found = suspended(operator, "savepoint")
    found["status"]["jobManagerDeploymentStatus"] = "READY"
    found["status"]["jobStatus"]["state"] = "RECONCILING"
    prediction = act(found, Edit(state="running", mode="savepoint"), SEEN, FEATURES[operator])
    assert prediction == (Act.FAIL, ReasonCode.RESUME_OVER_ANOTHER)


@EACH_OPERATOR
def test_scaling_in_place_needs_its_switch_before_the_change(operator: str) -> None:
    key, overrides = f"{SWITCH}inplace-scaling.enabled", "pipeline.jobvertex-parallelism-overrides"
    adaptive = {"jobmanager.scheduler": "adaptive"}
    on = deployed_with(running(operator), settings=adaptive)
    scale = Edit(settings={overrides: "a:3"}, mode="savepoint")
    assert told(on, scale, SEEN, FEATURES[operator]).act is Act.IN_PLACE
    late = deployed_with(running(operator))
    turned_on = Edit(settings={overrides: "a:3", **adaptive}, mode="savepoint")
    assert told(late, turned_on, SEEN, FEATURES[operator]).act is Act.SAVEPOINT
    off = Edit(settings={overrides: "a:3", key: "false"}, mode="savepoint")
    assert told(on, off, SEEN, FEATURES[operator]).act is Act.SAVEPOINT


def test_a_field_that_the_schema_drops_is_no_change() -> None:
    schema: dict[str, Any] = {
        "properties": {"job": {"properties": {"parallelism": {}, "upgradeMode": {}}}, "flinkVersion": {}}
    }
    found = running("1.7.0")
    bare = {"job": {"parallelism": 2, "upgradeMode": "savepoint"}, "flinkVersion": found["spec"]["flinkVersion"]}
    found["status"]["reconciliationStatus"]["lastReconciledSpec"] = json.dumps({"spec": bare})
    found["spec"] = bare
    edit = Edit(manifest={**bare, "job": {**job_of(bare), "savepointRedeployNonce": 3}, "restartNonce": 4})
    kept = Features(version="1.7.0", spec_schema=schema)
    assert told(found, edit, SEEN, kept).change is Change.NONE
    assert told(found, edit, SEEN, Features(version="1.7.0")).change is Change.UPGRADE


def test_a_redeployment_waits_for_a_savepoint_that_is_in_progress_and_then_takes_none() -> None:
    found = running("1.15.0")
    found["status"]["jobStatus"].setdefault("savepointInfo", {})["triggerId"] = "x"
    job = {**found["spec"]["job"], "savepointRedeployNonce": 9, "initialSavepointPath": "s3://b/old"}
    prediction = told(found, Edit(manifest={**found["spec"], "job": job}))
    assert (prediction.act, prediction.reason) == (Act.SAVEPOINT_REDEPLOY, ReasonCode.REDEPLOYED_LATER)
    assert (prediction.effective_mode, prediction.start) == (Mode.SAVEPOINT_REDEPLOY, None)
    assert any("state would be lost, all since s3://b/old" in line for line in prediction.refused)
