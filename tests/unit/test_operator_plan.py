"""The prediction against what real operators did (recorded), and the table of their rules."""

import copy
import re
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from flinkops.plan.operator.predict import Edit, predict
from flinkops.plan.operator.situation import ObservedJob
from flinkops.plan.operator.spec import Change, change_class, compare, configuration, last_reconciled
from tests.unit.cr_samples import OPERATORS, recorded, resource
from tests.unit.operator_cases import (
    FEATURES,
    NEVER_STARTED,
    NEW,
    OLD,
    SEEN,
    deployed_with,
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
