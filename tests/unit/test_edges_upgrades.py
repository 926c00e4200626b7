"""The edges of what an upgrade reckons with: what is recorded, what the operator validates, how it is started anew."""

from typing import Any

import msgspec
import pytest

from flinkops.model.facts import ClusterFacts, VertexFacts
from flinkops.model.launch import Launch
from flinkops.model.request import Change, Terms
from flinkops.outside.kubernetes_quantities import Quantity
from flinkops.plan.identity import Stamp
from flinkops.plan.launch_change import changed_launch
from flinkops.plan.operator.decision import Act
from flinkops.plan.operator.effects import expected_of
from flinkops.plan.operator.pod_schema import field_of
from flinkops.plan.operator.predict import Edit, predict, taken_up
from flinkops.plan.operator.reasons import ReasonCode
from flinkops.plan.operator.recorded import lost_stop_savepoint, stopped_with
from flinkops.plan.operator.rollback import deletion_problems
from flinkops.plan.operator.rules import Features, Rules, features
from flinkops.plan.operator.spec import compared
from flinkops.plan.operator.validation_resources import requirement
from flinkops.plan.redeploy import plan_resume
from flinkops.plan.rehearsal import state_outcome
from flinkops.plan.rehearsal_seen import OpenedState
from flinkops.plan.rehearsal_size import estimate
from tests.unit.builders import NOW_MS, checkpoint, checkpoints, job
from tests.unit.operator_cases import (
    EACH_OPERATOR,
    FEATURES,
    HA_OFF,
    NEW,
    NO_DIRECTORY,
    NOT_SEEN,
    OLD,
    SEEN,
    deployed_with,
    in_state,
    replaced,
    running,
    told,
)

CLUSTER = ClusterFacts("prod", "2.3.0", 1, 8, 8)


def text(value: str) -> str:
    """Equal to what stands in the code, and not the same object: as what is read from a file."""
    return "".join(list(value))


# ---- what is recorded


@pytest.mark.parametrize(
    ("at_ms", "taken_ms", "lost"), [(1, None, True), (0, None, False), (5, 4, True), (5, 5, False), (5, 6, False)]
)
def test_a_savepoint_that_stopped_the_job_is_lost_by_an_older_one_that_is_recorded(
    at_ms: int, taken_ms: int | None, lost: bool
) -> None:
    last = {"location": "s3://b/old", "triggerType": "MANUAL", "timeStamp": taken_ms}
    history = [{"location": "s3://b/stop", "triggerType": "UPGRADE", "timeStamp": at_ms}]
    status = {"jobStatus": {"savepointInfo": {"lastSavepoint": last, "savepointHistory": history}}}
    assert lost_stop_savepoint(status) == ("s3://b/stop" if lost else None)


def test_a_job_was_stopped_with_the_last_that_it_did() -> None:
    done = (
        checkpoint(7, NOW_MS - 20_000),
        checkpoint(8, NOW_MS - 10_000, is_savepoint=True, external_path="s3://b/8"),
        checkpoint(9, NOW_MS - 5_000, status="FAILED", is_savepoint=True, external_path="s3://b/9"),
    )
    ended = job(state="FINISHED", checkpoints=checkpoints(history=done))
    assert stopped_with(ended) == "s3://b/8"
    assert stopped_with(msgspec.structs.replace(ended, state="CANCELED")) is None
    later = (*done, checkpoint(10, NOW_MS, external_path="s3://b/chk-10"))
    assert stopped_with(job(state="FINISHED", checkpoints=checkpoints(history=later))) is None
    assert stopped_with(job(state="FINISHED", checkpoints=checkpoints(history=()))) is None


@pytest.mark.parametrize(
    ("observed", "generation", "error", "taken"),
    [
        (None, 2, None, True), (None, 2, "no", False),
        (2, 2, None, True), (2, 2, "no", True), (1, 2, None, False), (3, 2, None, False),
    ],
)  # fmt: skip
def test_a_spec_is_taken_up_that_the_operator_has_seen(
    observed: int | None, generation: int, error: str | None, taken: bool
) -> None:
    status = {"observedGeneration": observed, "error": error}
    assert taken_up({"metadata": {"generation": generation}, "status": status}) is taken


# ---- the operator's version and its rules


def schema_of(*marks: int) -> dict[str, Any]:
    spec: dict[str, Any] = {"job": {"properties": {}}}
    status: dict[str, Any] = {}
    if 8 in marks:
        spec["job"]["properties"]["savepointRedeployNonce"] = {}
    if 10 in marks:
        status = {"jobStatus": {"properties": {"upgradeSavepointPath": {}}}}
    if 11 in marks:
        spec["job"]["properties"]["autoscalerResetNonce"] = {}
    if 16 in marks:
        spec["jobManager"] = {"properties": {"resources": {}}}
    whole = {"properties": {"spec": {"properties": spec}, "status": {"properties": status}}}
    return {"spec": {"versions": [{"served": True, "schema": {"openAPIV3Schema": whole}}]}}


@pytest.mark.parametrize(
    ("marks", "minors"), [((), [7]), ((8,), [8, 9]), ((8, 10), [10]), ((10, 11), [11, 12]), ((8, 10, 11, 16), [16])]
)
def test_a_schema_is_between_the_newest_that_it_has_and_the_next_that_it_lacks(
    marks: tuple[int, ...], minors: list[int]
) -> None:
    assert [rules.minor for rules in features(schema_of(*marks)).candidates] == minors


def test_of_too_many_ways_that_it_may_be_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flinkops.plan.operator.worlds.MAX_WORLDS", 1)
    prediction = told(running("1.7.0"), Edit(image="c:2"), NOT_SEEN, Features())
    assert (prediction.act, prediction.reason) == (Act.UNKNOWN, ReasonCode.TOO_LITTLE_KNOWN)


@pytest.mark.parametrize("state", ["SUSPENDED", "UNKNOWN", "RESTARTING", "CREATED", "RECONCILING"])
def test_only_of_a_job_that_runs_an_old_operator_takes_a_savepoint(state: str) -> None:
    found = in_state("1.7.0", state)
    prediction = told(found, Edit(image="c:2", mode="savepoint"), SEEN, OLD)
    assert prediction.act is not Act.SAVEPOINT
    assert told(in_state("1.7.0", "RUNNING"), Edit(image="c:2", mode="savepoint"), SEEN, OLD).act is Act.SAVEPOINT


@pytest.mark.parametrize(("mode", "p99", "refused"), [
    ("savepoint", 30.0, True), ("savepoint", 29.9, False), ("savepoint", None, False), ("last-state", 30.0, False),
])  # fmt: skip
def test_a_stop_is_too_slow_only_where_it_takes_a_savepoint(mode: Any, p99: float | None, refused: bool) -> None:
    found = deployed_with(running("1.15.0"), settings={"execution.checkpointing.timeout": "30 s"})
    prediction = told(found, Edit(image="c:2", mode=mode), replaced(checkpoint_p99_seconds=p99), NEW)
    assert any("would time out" in one for one in prediction.refused) is refused


# ---- its validation


def said(found: dict[str, Any], able: Features, observed: Any = SEEN, **change: Any) -> str:
    return " ".join(told(found, Edit(manifest={**found["spec"], **change}), observed, able).why)


@pytest.mark.parametrize(("replicas", "refused"), [(0, True), (1, False), (2, False), (None, False)])
def test_one_taskmanager_is_enough(replicas: int | None, refused: bool) -> None:
    given = {"resource": {"memory": "1g"}, **({} if replicas is None else {"replicas": replicas})}
    words = said(running("1.15.0"), NEW, taskManager=given, image="c:2")
    assert ("replicas must be larger than 0" in words) is refused


@pytest.mark.parametrize(("jobmanager", "refused"), [("READY", True), ("MISSING", False)])
def test_last_state_without_a_directory_and_ha_is_refused_where_a_jobmanager_runs(
    jobmanager: str, refused: bool
) -> None:
    settings = {"state.savepoints.dir": None, **HA_OFF}
    found = running("1.7.0", jobManagerDeploymentStatus=text(jobmanager))
    found = deployed_with(found, settings=settings, job_savepointTriggerNonce=None)
    wanted = {**found["spec"], "image": "c:2", "job": {**found["spec"]["job"], "upgradeMode": "last-state"}}
    wanted["flinkConfiguration"] = {**wanted["flinkConfiguration"], "high-availability.type": "kubernetes"}
    told_so = " ".join(told(found, Edit(manifest=wanted), SEEN, OLD).why)
    assert ("could not be upgraded to last-state" in told_so) is refused


@pytest.mark.parametrize(("name", "refused"), [("session", False), ("another", True), (None, False)])
def test_a_session_job_belongs_to_the_cluster_that_it_names(name: str | None, refused: bool) -> None:
    spec = {"deploymentName": "session", "job": {"jarURI": "https://8.8.8.8/a.jar", "parallelism": 1}}
    session = {**deployed_with(running("1.15.0")), "kind": "FlinkSessionJob", "spec": spec}
    session["status"]["reconciliationStatus"]["lastReconciledSpec"] = msgspec.json.encode({"spec": spec}).decode()
    ready = {"jobManagerDeploymentStatus": "READY", "lifecycleState": "STABLE"}
    cluster = {"metadata": {"name": name}, "spec": {"flinkVersion": "v2_3"}, "status": ready}
    prediction = predict(session, Edit(parallelism=2), observed=SEEN, features=NEW, cluster=cluster)
    assert ("cluster id is not match" in " ".join(prediction.why)) is refused


@pytest.mark.parametrize("switch", [None, "false", "true"])
def test_numbers_of_what_is_off_are_looked_at_up_to_1_15(switch: str | None) -> None:
    prefix = "job.autoscaler.scaling.effectiveness."
    settings = {"job.autoscaler.enabled": "true", f"{prefix}threshold": "2"}
    if switch is not None:
        settings[f"{prefix}detection.enabled"] = switch
    for minor in (15, 16):
        able = Features(savepoint_redeploy=True, upgrade_savepoint_path=True, version=f"1.{minor}.0")
        refused = told(running("1.7.0"), Edit(settings=settings), SEEN, able).act is Act.REFUSED
        assert refused is (minor == 16 and switch == "true"), minor


@pytest.mark.parametrize(
    ("key", "amount", "words"),
    [
        ("cpu", "0", "must be positive"), ("cpu", "-1", "must be positive"), ("cpu", "0.5", None), ("cpu", "1", None),
        ("x", "0", None), ("x", "0.5", None), ("x", "-0.5", "must not be negative"),
    ],
)  # fmt: skip
def test_amounts_are_positive_or_not_negative(key: str, amount: str, words: str | None) -> None:
    found = list(requirement("TaskManager", key, Quantity(amount)))
    assert len(found) == (0 if words is None else 1)
    assert words is None or words in found[0]


def test_memory_that_the_operators_defaults_may_give_is_not_refused() -> None:
    unknown = replaced(operator_configuration=None)
    doubtful = told(running("1.15.0"), Edit(manifest={**running("1.15.0")["spec"], "taskManager": {}}), unknown, NEW)
    assert doubtful.act is not Act.REFUSED
    given = replaced(operator_configuration={"taskmanager.memory.process.size": "1g"})
    assert "memory must be defined" not in said(running("1.15.0"), NEW, given, taskManager={}, image="c:2")
    assert "memory must be defined" in said(running("1.15.0"), NEW, taskManager={}, image="c:2")


def test_a_type_of_a_pods_field_is_read_without_its_brackets() -> None:
    assert [field_of(one) for one in ("a:{s}", "b:[Volume]", "c:i", "d")] == [
        ("a", ("s", False, True)),
        ("b", ("Volume", True, False)),
        ("c", ("i", False, False)),
        ("d", ("s", False, False)),
    ]


# ---- how it is started anew, and rolled back


def test_a_foreign_finalizer_may_hold_up_a_deletion() -> None:
    def problems(*finalizers: str) -> list[str]:
        return deletion_problems({"metadata": {"finalizers": list(finalizers)}, "spec": {}}, Features())

    assert problems() == problems("flinkdeployments.flink.apache.org/finalizer") == []
    assert len(problems("flinkdeployments.flink.apache.org/finalizer", "foregroundDeletion")) == 1
    assert deletion_problems({"metadata": {"finalizers": ["x"]}}, Features(savepoint_redeploy=True)) == []


@pytest.mark.parametrize(
    ("launch", "command"),
    [
        (Launch("jar", ("--old",), jar_id="a.jar"), ("--new", "1")),
        (Launch("client", ("job.py", "--old", "--older")), ("job.py", "--new", "1")),
        (Launch("embedded", ("orders", "--old", "--older")), ("orders", "--new", "1")),
    ],
)
def test_new_arguments_come_behind_the_script(launch: Launch, command: tuple[str, ...]) -> None:
    new = changed_launch(launch, Change(arguments=("--new", "1")))
    assert new is not None
    assert new.command == command


@pytest.mark.parametrize(("down_ms", "told_so"), [(299_999, False), (300_000, True)])
def test_a_resume_tells_of_transactions_that_a_broker_has_ended(down_ms: int, told_so: bool) -> None:
    sink = VertexFacts(id="sink", name="out: Writer -> out: Committer", parallelism=1)
    facts = job(
        state="CANCELED", ended_ms=NOW_MS - down_ms, vertices=(sink,),
        configuration={"properties.transaction.timeout.ms": "300000"},
    )  # fmt: skip
    plan = plan_resume(facts, Launch("jar", jar_id="a.jar"), "s3://b/chk-7", CLUSTER, Stamp("r", NOW_MS), Terms())
    assert any("transactions that the checkpoint holds are lost" in one for one in plan.risks) is told_so


@pytest.mark.parametrize(
    ("mode", "scheduler", "slots", "kind", "wanted"),
    [
        ("standalone", "reactive", "2", "parallelism", "6"),
        ("standalone", "reactive", "two", "parallelism", "3"),
        ("standalone", "reactive", "0", "parallelism", "3"),
        ("native", "reactive", "2", "other", None),
        ("standalone", "default", "2", "other", None),
    ],
)
def test_more_taskmanagers_are_more_subtasks_where_a_standalone_cluster_is_reactive(
    mode: str, scheduler: str, slots: str, kind: str, wanted: str | None
) -> None:
    settings = {"scheduler-mode": scheduler, "taskmanager.numberOfTaskSlots": slots}
    before = {
        **running("1.15.0")["spec"], "mode": mode, "flinkConfiguration": settings, "taskManager": {"replicas": 2},
    }  # fmt: skip
    after = {**before, "taskManager": {"replicas": 3}}
    (one,) = expected_of(compared(before, after, Rules(15)).fields, after)
    assert (one.kind, one.wanted) == (kind, wanted)


# ---- a rehearsal


@pytest.mark.parametrize(
    ("compatibility", "restored", "error", "outcome"),
    [
        ("incompatible", True, None, "incompatible"),
        ("as-is", True, "it threw", "incompatible"),
        ("after-migration", True, None, "migrated"),
        ("as-is", True, None, "compatible"),
        ("as-is", False, None, "added"),
    ],
)
def test_what_became_of_a_state(compatibility: Any, restored: bool, error: str | None, outcome: str) -> None:
    opened = OpenedState("a", "s", "keyed", compatibility=text(compatibility), restored=restored, error=error)  # type: ignore[arg-type]
    assert state_outcome(opened) == outcome


@pytest.mark.parametrize(("state_bytes", "offered"), [((1 << 30) - 1, False), (1 << 30, True)])
def test_a_sample_is_offered_from_a_gibibyte_on(state_bytes: int, offered: bool) -> None:
    assert ("with --sample" in estimate(state_bytes)) is offered


@EACH_OPERATOR
@pytest.mark.parametrize(("nonce", "asked"), [(1, True), (None, False)])
def test_a_savepoint_that_is_asked_for_needs_a_directory(operator: str, nonce: int | None, asked: bool) -> None:
    """Of the job's own there is none; what the operator has by default is not known."""
    found = deployed_with(running(operator), job_upgradeMode="last-state", job_savepointTriggerNonce=None)
    settings = {key: value for key, value in found["spec"]["flinkConfiguration"].items() if key not in NO_DIRECTORY}
    found = deployed_with(found, flinkConfiguration=settings)
    wanted = {**found["spec"], "image": "c:2", "job": {**found["spec"]["job"], "savepointTriggerNonce": nonce}}
    prediction = told(found, Edit(manifest=wanted), replaced(operator_configuration=None), FEATURES[operator])
    assert bool({one.subject for one in prediction.unknown} & set(NO_DIRECTORY)) is asked


@EACH_OPERATOR
@pytest.mark.parametrize(("accepted", "asked"), [({"resource": {"memory": "1g"}}, True), ({}, False)])
def test_memory_that_is_taken_out_has_to_be_the_operators(operator: str, accepted: dict[str, Any], asked: bool) -> None:
    """Where the accepted spec has none either, the operator has it: it took that one."""
    found = deployed_with(running(operator), jobManager=accepted)
    wanted = {**found["spec"], "image": "c:2", "jobManager": {}}
    prediction = told(found, Edit(manifest=wanted), replaced(operator_configuration=None), FEATURES[operator])
    assert ("jobmanager.memory.process.size" in {one.subject for one in prediction.unknown}) is asked
