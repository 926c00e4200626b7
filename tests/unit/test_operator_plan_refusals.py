"""What the prediction refuses, warns of, and lets pass; edits of a spec."""

import re
from typing import Any

import pytest
from msgspec.structs import replace

from flinkops.errors import UsageError
from flinkops.plan.operator.configuration import duration_seconds
from flinkops.plan.operator.predict import Edit, edited_spec, predict
from flinkops.plan.operator.rules import Features, features
from flinkops.plan.operator.situation import ObservedJob
from tests.unit.cr_samples import OPERATORS, resource
from tests.unit.operator_cases import (
    FEATURES,
    HA_OFF,
    METADATA,
    NEW,
    NO_METADATA,
    NOW_MS,
    SEEN,
    deployed_with,
    in_state,
    running,
)

# --- refusals and risks -------------------------------------------------------------------------------------------

UPGRADE = Edit(image="other:1", mode="savepoint")


def labelled(found: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    found["metadata"].update(metadata)
    return found


REFUSED: list[tuple[str, dict[str, Any], Edit, ObservedJob, str]] = [
    (
        "api default",
        deployed_with(running("1.15.0"), job_upgradeMode=None),
        Edit(image="x:1"),
        SEEN,
        "is not set, which means stateless",
    ),
    (
        "no directory",
        deployed_with(running("1.15.0"), settings={"execution.checkpointing.savepoint-dir": ""}),
        UPGRADE,
        SEEN,
        "no savepoint directory",
    ),
    ("silent last-state", in_state("1.15.0", "RESTARTING"), UPGRADE, METADATA, "no savepoint would be taken"),
    (
        "HA off",
        deployed_with(running("1.7.0"), settings=HA_OFF),
        Edit(image="x:1", mode="last-state"),
        SEEN,
        "needs high availability",
    ),
    (
        "old checkpoint",
        running("1.15.0"),
        Edit(image="x:1", mode="last-state"),
        replace(SEEN, checkpoint_age_seconds=3600.0),
        "3600 s old",
    ),
    (
        "stop timeout",
        deployed_with(running("1.15.0"), settings={"execution.checkpointing.timeout": "30 s"}),
        UPGRADE,
        replace(SEEN, checkpoint_p99_seconds=40.0),
        "would time out",
    ),
    (
        "pending savepoint",
        in_state("1.15.0", "RUNNING", savepointInfo={"triggerId": "x"}),
        UPGRADE,
        SEEN,
        "savepoint is in progress",
    ),
    (
        "major version",
        running("1.7.0"),
        Edit(manifest={**running("1.7.0")["spec"], "flinkVersion": "v2_0"}),
        SEEN,
        "across major versions",
    ),
    (
        "older version",
        running("1.7.0"),
        Edit(manifest={**running("1.7.0")["spec"], "flinkVersion": "v1_18"}),
        SEEN,
        "an older Flink",
    ),
    ("max parallelism", running("1.15.0"), Edit(settings={"pipeline.max-parallelism": "64"}), SEEN, "does not survive"),
    (
        "above max parallelism",
        running("1.15.0"),
        Edit(parallelism=200),
        replace(SEEN, max_parallelism=128),
        "above the job's max parallelism 128",
    ),
    (
        "conflicting keys",
        running("1.15.0"),
        Edit(settings={"state.savepoints.dir": "s3://other"}),
        SEEN,
        "same setting with different values",
    ),
    ("being upgraded", resource("1.15.0", 7), UPGRADE, SEEN, "another upgrade is running (UPGRADING)"),
    ("unprocessed edit", running("1.15.0", observedGeneration=1), UPGRADE, SEEN, "not been taken up"),
    ("never deployed", resource("1.7.0", 2), UPGRADE, SEEN, "has not deployed"),
    (
        "Argo CD",
        labelled(running("1.15.0"), annotations={"argocd.argoproj.io/tracking-id": "a"}),
        UPGRADE,
        SEEN,
        "managed by Argo CD",
    ),
    (
        "Flux",
        labelled(running("1.15.0"), labels={"kustomize.toolkit.fluxcd.io/name": "a"}),
        UPGRADE,
        SEEN,
        "managed by Flux",
    ),
    (
        "blue/green",
        labelled(running("1.15.0"), ownerReferences=[{"kind": "FlinkBlueGreenDeployment", "name": "b"}]),
        UPGRADE,
        SEEN,
        "FlinkBlueGreenDeployment b, which would undo the edit: flinkops upgrade b changes the pair",
    ),
    ("deleted", labelled(running("1.15.0"), deletionTimestamp="2026-01-01T00:00:00Z"), UPGRADE, SEEN, "being deleted"),
    ("no way", in_state("1.15.0", "RECONCILING", jobmanager="MISSING"), UPGRADE, NO_METADATA, "it would fail"),
    ("waits", in_state("1.15.0", "CANCELLING"), UPGRADE, SEEN, "wait without a limit"),
]


@pytest.mark.parametrize(
    ("found", "edit", "observed", "words"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refusals(found: dict[str, Any], edit: Edit, observed: ObservedJob, words: str) -> None:
    operator = "1.7.0" if found["spec"]["flinkVersion"] == "v1_19" else "1.15.0"
    predicted = predict(found, edit, observed=observed, features=FEATURES[operator])
    assert any(words in line for line in predicted.refused), predicted.refused


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_plain_savepoint_upgrade_is_not_refused(operator: str) -> None:
    predicted = predict(running(operator), UPGRADE, observed=SEEN, features=FEATURES[operator])
    assert (predicted.effective_mode, predicted.refused) == ("savepoint", ())
    assert predicted.patch == {"spec": {"image": "other:1"}}


def test_a_parallelism_that_stays_is_not_held_against_the_change() -> None:
    one_vertex_of_1 = ObservedJob(now_ms=NOW_MS, max_parallelism=1)
    assert predict(running("1.15.0"), UPGRADE, observed=one_vertex_of_1, features=NEW).refused == ()


def test_an_edit_of_a_suspended_job_stands_in_nobodys_way() -> None:
    """The operator observes such an edit only when the job is resumed."""
    suspended = deployed_with(running("1.15.0", observedGeneration=1), job_state="suspended")
    predicted = predict(suspended, UPGRADE, observed=SEEN, features=NEW)
    assert (predicted.change, predicted.effective_mode, predicted.refused) == ("upgrade", "none", ())
    assert "when it is resumed" in predicted.why[0]


def test_what_the_person_accepts_is_not_refused() -> None:
    assert predict(running("1.15.0"), Edit(image="x:1", mode="stateless"), observed=SEEN, features=NEW).refused == ()
    fallen_back = in_state("1.15.0", "RESTARTING")
    accepted = frozenset({"last-state"})
    assert predict(fallen_back, UPGRADE, observed=METADATA, features=NEW, accepted=accepted).refused == ()


@pytest.mark.parametrize(
    ("version", "issues"),
    [
        ("1.9.0", {"FLINK-35857"}),
        ("1.12.0", {"FLINK-38033", "FLINK-39270"}),
        ("1.12.1", {"FLINK-39270"}),
        ("1.15.0", set()),
        (None, set()),
    ],
)
def test_known_bugs_of_the_operator(version: str | None, issues: set[str]) -> None:
    known = Features(savepoint_redeploy=True, upgrade_savepoint_path=True, version=version)
    risks = predict(running("1.7.0"), UPGRADE, observed=SEEN, features=known).risks
    assert {issue for line in risks for issue in re.findall(r"FLINK-\d+", line)} == issues


def test_old_keys_are_a_risk_in_flink_2() -> None:
    edit = Edit(settings={"state.checkpoints.dir": "file:///flink-data/checkpoints"})
    assert any(
        "state.checkpoints.dir is called" in line
        for line in predict(running("1.15.0"), edit, observed=SEEN, features=NEW).risks
    )


# --- edits --------------------------------------------------------------------------------------------------------


def test_edits_change_what_they_name() -> None:
    spec = running("1.7.0")["spec"]
    edit = Edit(script="/opt/flink/usrlib/new.py", settings={"a": "1", "execution.checkpointing.interval": None})
    wanted = edited_spec(spec, edit)
    assert wanted["job"]["args"][-2:] == ["-py", "/opt/flink/usrlib/new.py"]
    assert wanted["flinkConfiguration"]["a"] == "1"
    assert "execution.checkpointing.interval" not in wanted["flinkConfiguration"]
    assert spec["job"]["args"][-1].endswith("count.py")


def test_edits_that_do_not_fit() -> None:
    with pytest.raises(UsageError, match="session cluster"):
        edited_spec({"image": "flink"}, Edit(parallelism=2))
    with pytest.raises(UsageError, match="no -py FILE"):
        edited_spec({"job": {"args": ["--x"]}}, Edit(script="a.py"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10 min", 600.0),
        ("600000", 600.0),
        ("PT10M", None),  # ISO is none of Flink's
        ("5s", 5.0),
        ("soon", None),
        ("P", None),
    ],
)
def test_flinks_durations(text: str, seconds: float | None) -> None:
    assert duration_seconds(text) == seconds


def minors(found: Features) -> list[int]:
    return [rules.minor for rules in found.candidates]


def test_features_are_read_from_the_schema() -> None:
    def crd(job: dict[str, Any], job_status: dict[str, Any]) -> dict[str, Any]:
        schema = {
            "properties": {
                "spec": {"properties": {"job": {"properties": job}}},
                "status": {"properties": {"jobStatus": {"properties": job_status}}},
            }
        }
        return {"spec": {"versions": [{"served": True, "schema": {"openAPIV3Schema": schema}}]}}

    assert minors(features(crd({"parallelism": {}}, {"state": {}}))) == [7]
    newer = features(crd({"savepointRedeployNonce": {}}, {"upgradeSavepointPath": {}}))
    assert (newer.savepoint_redeploy, newer.upgrade_savepoint_path, minors(newer)) == (True, True, [10])
    assert minors(features({})) == [7]
    assert minors(features({}, "1.12.1")) == [12]
    assert minors(features({}, "1.99.0")) == [16]
    assert features({}, "1.99.0").beyond


@pytest.mark.parametrize(("checkpoint_ms", "refused"), [(1795451208392, True), (1795451214211, False)])
def test_a_checkpoint_recorded_over_the_savepoint_of_the_stop_is_not_restored(
    checkpoint_ms: int, refused: bool
) -> None:
    """As operator 1.7.0 left it on a real cluster after a suspension."""
    stop = {"location": "file:/s/savepoint-1", "timeStamp": 1795451214210, "triggerType": "UPGRADE"}
    checkpoint = {"location": "file:/c/chk-8", "timeStamp": checkpoint_ms, "triggerType": "UNKNOWN"}
    info = {"lastSavepoint": checkpoint, "savepointHistory": [stop, checkpoint]}
    found = in_state("1.7.0", "FINISHED", jobmanager="MISSING", savepointInfo=info)
    predicted = predict(found, Edit(state="running", image="x:1"), observed=NO_METADATA, features=FEATURES["1.7.0"])
    assert predicted.effective_mode == "savepoint"
    assert any("--from file:/s/savepoint-1" in line for line in predicted.refused) == refused


def test_the_same_savepoint_recorded_under_another_name_is_not_lost() -> None:
    """Suspended by last-state before a checkpoint: what the job was started from is recorded anew, as UNKNOWN."""
    stop = {"location": "file:///s/savepoint-1", "timeStamp": 1795451214210, "triggerType": "UPGRADE"}
    again = {"location": "file:/s/savepoint-1/", "timeStamp": 0, "triggerType": "UNKNOWN"}
    found = in_state("1.7.0", "FINISHED", savepointInfo={"lastSavepoint": again, "savepointHistory": [stop]})
    predicted = predict(found, Edit(state="running", image="x:1"), observed=SEEN, features=FEATURES["1.7.0"])
    assert not any("not from the savepoint that stopped" in line for line in predicted.refused)
