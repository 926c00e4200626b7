"""The operator of the tests against every recorded decision of real ones."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devtools.oracle import RECORDED, read_cases
from flinkops.plan.operator.outlook import outlook
from flinkops.plan.operator.rules import NEWEST, OLDEST, Rules
from flinkops.plan.operator.scaling import Bounds
from flinkops.plan.operator.situation import ObservedJob
from flinkops.plan.operator.spec import compared
from tests.effort import examples
from tests.effort import some as a_part
from tests.unit.oracle_cases import Case, of_mode, situation_of
from tests.unit.true_operator import Outcome, TrueOperator
from tests.unit.true_upgrade_modes import Suspend

_ACTS = {
    Suspend.SAVEPOINT: "savepoint",
    Suspend.LAST_STATE: "last-state",
    Suspend.CANCEL: "last-state-by-cancel",
    Suspend.STATELESS: "stateless",
}


QUICK_CASES = 100
"""Of each file, in the quick part; that the product predicts each is in test_operator_oracle.py."""


class Recorder:
    """A cluster that does what it is told and notes what the job is started from."""

    def __init__(self, observed: ObservedJob, job_status: dict[str, Any]) -> None:
        self.observed, self.job_status = observed, job_status
        self.start: str | None = None
        self.bounds: Bounds | None = None
        self.stopped = False

    def seen(self) -> ObservedJob:
        return self.observed

    def stop_with_savepoint(self) -> str:
        self.stopped = True
        return "stop-savepoint"

    def cancel(self) -> bool:
        if self.job_status["state"] == "CANCELLING":
            return False
        self.job_status["state"] = "CANCELED"
        self.job_status["upgradeSavepointPath"] = self.observed.checkpoint_path
        return False

    def delete(self, *, keep_metadata: bool) -> None:
        if not keep_metadata:
            self.observed = msgspec.structs.replace(self.observed, ha_metadata=False)

    def submit(self, spec: Mapping[str, Any], path: str | None, *, from_metadata: bool) -> None:
        del spec
        self.start = "ha-metadata" if from_metadata else path or "empty"

    def scale(self, bounds: Bounds | None) -> None:
        self.bounds = bounds


def decided(case: Case) -> dict[str, Any]:
    """What comes of the case when the operator goes round until nothing is left to do."""
    situation = situation_of(case)
    status = json.loads(json.dumps(situation.status))
    resource = {"metadata": {"generation": 2}, "spec": case["wanted"], "status": status}
    status["reconciliationStatus"]["lastReconciledSpec"] = json.dumps({"spec": case["deployed"]})
    if status["reconciliationStatus"]["state"] == "ROLLED_BACK":
        status["reconciliationStatus"]["lastStableSpec"] = json.dumps({"spec": case["deployed"]})
    cluster = None
    if situation.session_job:
        cluster = {**dict(situation.cluster or {}), "status": {"jobManagerDeploymentStatus": "READY"}}
        if situation.not_ready is not None:
            cluster["status"] = {"jobManagerDeploymentStatus": status["jobManagerDeploymentStatus"]}
    flink = Recorder(situation.observed, status["jobStatus"])
    rules = Rules(int(case["operator"].split(".")[1].partition("-")[0]))
    operator = TrueOperator(rules, flink, resource, cluster)
    outcomes = [operator.round()]
    while outcomes[-1] is Outcome.CHANGED and len(outcomes) < 5:
        outcomes.append(operator.round())
    last = operator.last or {}
    return {
        "act": _act(operator, outcomes, flink),
        "start_from": None if Outcome.FAILED in outcomes or "job" not in resource["spec"] else flink.start,
        "recorded_mode": (last.get("job") or {}).get("upgradeMode"),
        "new_bounds": None if flink.bounds is None else {key: list(value) for key, value in flink.bounds.items()},
    }


def _act(operator: TrueOperator, outcomes: list[Outcome], flink: Recorder) -> str:
    first = outcomes[0]
    if first is Outcome.WAITING and operator.redeploys_later:
        return "savepoint-redeploy"
    if Outcome.FAILED in outcomes:
        return "fail"
    if first in (Outcome.REFUSED, Outcome.WAITING, Outcome.NOTHING, Outcome.SCALED):
        return {Outcome.WAITING: "wait", Outcome.NOTHING: "none", Outcome.SCALED: "scale-in-place"}.get(
            first, "refused"
        )
    if operator.redeployed:
        return "savepoint-redeploy"
    if "job" not in operator.resource["spec"]:
        return "redeploy-cluster"
    if not operator.suspended:
        return "resume"
    mode = operator.suspended[0]
    if mode is Suspend.NOOP and (operator.last or {})["job"]["upgradeMode"] == "stateless":
        return "stateless"
    if mode is Suspend.NOOP or (mode is Suspend.SAVEPOINT and not flink.stopped):
        return "recorded"
    return _ACTS[mode]


@pytest.mark.scaled
def test_it_decides_as_the_real_one_did() -> None:
    wrong = []
    for case in a_part(list(read_cases(RECORDED / "modes-1.15.0.jsonl.gz")), QUICK_CASES):
        found = decided(case)
        wrong += [(case["id"], key, case[key], found[key]) for key in found if key in case and found[key] != case[key]]
    assert wrong == []


@pytest.mark.scaled
@pytest.mark.parametrize("name", ["diffs-1.7.0", "diffs-1.15.0", "diffs-1.16-snapshot"])
def test_it_restarts_only_what_the_real_one_restarts(name: str) -> None:
    """These cases asked for the class of a change alone: what is ignored changes nothing, the rest is acted on."""
    for case in a_part(list(read_cases(RECORDED / f"{name}.jsonl.gz")), QUICK_CASES):
        situation = situation_of(case)
        rules = Rules(int(case["operator"].split(".")[1].partition("-")[0]))
        change = compared(case["deployed"], case["wanted"], rules, native=situation.native).change
        ignored = case["diff_type"] == "IGNORE"
        assert ignored == (change.value in ("none", "ignore")), case["id"]
        found = decided(case)["act"]
        if ignored:
            assert found in ("none", "refused", "fail"), case["id"]
        elif case["diff_type"] is None:
            assert found == "fail", case["id"]
        else:
            assert found != "none", case["id"]


def some(*values: Any) -> "st.SearchStrategy[Any]":
    return st.sampled_from(values)


_SWITCH = "kubernetes.operator.job.upgrade."
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "high-availability.type": some("kubernetes", "NONE"),
        "state.savepoints.dir": some("s3://s"),
        "state.checkpoints.dir": some("s3://c"),
        "jobmanager.scheduler": some("adaptive"),
        "pipeline.jobvertex-parallelism-overrides": some("a" * 32 + ":3"),
        f"{_SWITCH}last-state-fallback.enabled": some("false"),
        f"{_SWITCH}last-state.job-cancel.enabled": some("true"),
        f"{_SWITCH}last-state.max.allowed.checkpoint.age": some("10 min", "PT10M"),
        f"{_SWITCH}ignore-pending-savepoint": some("true"),
        f"{_SWITCH}inplace-scaling.enabled": some("false"),
    },
)
JOBS = st.fixed_dictionaries(
    {
        "jarURI": some("https://jars/j.jar"),
        "parallelism": some(1, 2),
        "upgradeMode": some("savepoint", "last-state", "stateless"),
        "state": some("running", "running", "suspended"),
    },
    optional={"savepointRedeployNonce": some(1, 2), "initialSavepointPath": some("s3://i")},
)
SITUATIONS = st.fixed_dictionaries(
    {
        "job_state": some("RUNNING", "RUNNING", "FAILED", "FINISHED", "CANCELED", "CANCELLING", "RECONCILING"),
        "jobmanager": some("READY", "READY", "MISSING", "ERROR", "DEPLOYING"),
        "reconciliation": some("DEPLOYED", "UPGRADING", "ROLLED_BACK"),
        "ha_metadata": st.booleans(),
        "jm_never_started": st.booleans(),
        "started_s": some(60, 7200),
        "cluster_configuration": some({}, {"state.checkpoints.dir": "s3://c", "state.savepoints.dir": "s3://s"}),
    },
    optional={
        "last_savepoint": some("s3://last"),
        "upgrade_savepoint_path": some("s3://up", "KUBERNETES_OPERATOR_LAST_STATE"),
        "checkpoint_age_s": some(30, 3600),
        "pending_checkpoint_age_s": some(30, 3600),
        "pending_savepoint": st.just(True),
    },
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    kind = draw(some("native", "native", "standalone", "session-job"))
    deployed, wanted = draw(specs(kind)), draw(specs(kind))
    if draw(st.booleans()):
        wanted["flinkConfiguration"] = dict(deployed["flinkConfiguration"])
    if draw(st.booleans()):
        wanted["job"] = {**deployed["job"], "upgradeMode": wanted["job"]["upgradeMode"]}
    version = draw(st.integers(OLDEST, NEWEST))
    case = {"operator": f"1.{version}.0", "kind": kind, "deployed": deployed, "wanted": wanted}
    return {**case, "situation": draw(SITUATIONS)}


@st.composite
def specs(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    spec: dict[str, Any] = {"job": draw(JOBS), "flinkConfiguration": draw(SETTINGS)}
    if kind == "session-job":
        return {**spec, "deploymentName": "cluster"}
    spec |= {"image": draw(some("a", "b")), "flinkVersion": draw(some("v1_18", "v1_19")), "serviceAccount": "flink"}
    return {**spec, "mode": "standalone"} if kind == "standalone" else spec


@settings(max_examples=examples(6, quick=2))
@given(cases())
def test_the_prediction_comes_true(case: Case) -> None:
    """Any two specs in any situation, by the rules of any version."""
    found = decided(case)
    told = of_mode(case, outlook(situation_of(case)))
    assert told["act"] == found["act"]
    if told["act"] != "fail":
        assert (told["start"], told["recorded mode"]) == (found["start_from"], found["recorded_mode"])
