"""The edges of the operator's rules: since which version each holds, and what decides where two are nearly the same."""

import copy
import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from flinkops.plan.operator.autoscaler_options import known_to
from flinkops.plan.operator.blue_green import outlook, same_template, template_of
from flinkops.plan.operator.checks import ProposedChange, _stateless
from flinkops.plan.operator.decision import Act, Mode
from flinkops.plan.operator.pod_schema import CLASSES
from flinkops.plan.operator.predict import Edit
from flinkops.plan.operator.reading import Unreadable, read_configuration
from flinkops.plan.operator.reasons import ReasonCode
from flinkops.plan.operator.rules import Features, Rules
from flinkops.plan.operator.worlds import Fact, FactKind, World, explore, that_matter
from tests.unit.operator_cases import (
    AGE_KEY,
    CANCEL_KEY,
    EACH_OPERATOR,
    FEATURES,
    HA_OFF,
    METADATA,
    NEVER_STARTED,
    NEW,
    NO_DIRECTORY,
    NO_METADATA,
    OLD,
    SEEN,
    deployed_with,
    in_state,
    replaced,
    running,
    told,
)
from tests.unit.test_blue_green_plan import active, child

AUTOSCALER_OFF = {"job.autoscaler.enabled": "false"}
SINCE = {
    "savepoint_redeploy": 8,
    "ingress_labels": 8,
    "lower_bound_kept": 8,
    "refuses_old_flink": 9,
    "cancels_over_rest": 10,
    "yaml_maps": 10,
    "autoscaler_reset": 11,
    "new_directory_keys": 11,
    "nested_configuration": 13,
    "cancellable_by_jobmanager": 14,
    "recorded_if_accessible": 15,
    "restricts_jars": 15,
    "resources": 16,
}
"""The minor version whose release first did it."""
UNTIL = {"whole_pod": range(7, 8), "overrides_in_native": range(8, 14)}


def test_since_which_version_each_rule_holds() -> None:
    switches = {name for name, one in vars(Rules).items() if isinstance(one, property)} - {"flink_versions"}
    assert switches == SINCE.keys() | UNTIL.keys()
    for minor in range(7, 17):
        held = {name for name in switches if getattr(Rules(minor), name)}
        assert held == {name for name, first in SINCE.items() if minor >= first} | {
            name for name, versions in UNTIL.items() if minor in versions
        }, minor


def test_a_flink_that_is_too_old_is_refused_since_1_9() -> None:
    for minor in range(7, 17):
        able = Features(savepoint_redeploy=True, upgrade_savepoint_path=True, version=f"1.{minor}.0")
        found = running("1.7.0")
        prediction = told(found, Edit(manifest={**found["spec"], "flinkVersion": "v1_14"}), SEEN, able)
        assert ("is not supported by this operator version" in prediction.why[0]) is (minor >= 9), minor


OPTIONS_SINCE = {
    8: {
        "excluded.periods", "memory.gc-pressure.threshold", "memory.heap-usage.threshold", "memory.tuning.enabled",
        "memory.tuning.maximize-managed-memory", "memory.tuning.overhead",
        "memory.tuning.scale-down-compensation.enabled", "restart.time-tracking.enabled",
        "restart.time-tracking.limit",
    },
    9: {"quota.cpu", "quota.memory"},
    10: {"scale-down.interval"},
    11: {"scaling.key-group.partitions.adjust.mode", "utilization.max", "utilization.min", "utilization.target"},
    12: {
        "observed-scalability.coefficient-min", "observed-scalability.enabled",
        "observed-scalability.min-observations",
    },
    16: {"metrics.custom-evaluators", "scaling.custom-executors", "scaling.parallelism-alignment.mode"},
}  # fmt: skip
"""``AutoScalerOptions`` of each release against that of the one before."""


def test_options_of_the_autoscaler_by_the_release_that_first_had_them() -> None:
    assert len(known_to(7)) == 25
    for minor in range(8, 17):
        assert set(known_to(minor)) - set(known_to(minor - 1)) == OPTIONS_SINCE.get(minor, set()), minor


# ---- what is read


def test_every_field_of_a_pod_has_a_type_that_is_known() -> None:
    kinds = {one.of for fields in CLASSES.values() for one in fields.values()}
    assert kinds - CLASSES.keys() == {"s", "i", "b", "q", "x", "*"}
    maps = {(name, field): one.of for name, fields in CLASSES.items() for field, one in fields.items() if one.is_map}
    assert {field for _, field in maps} >= {"labels", "annotations", "nodeSelector", "matchLabels"}
    assert set(maps.values()) <= {"s", "q"}
    assert not [one for fields in CLASSES.values() for one in fields.values() if one.is_map and one.is_list]


@pytest.mark.parametrize(("characters", "cut"), [(58, False), (59, True)])
def test_what_cannot_be_read_is_shown_in_sixty_characters(characters: int, cut: bool) -> None:
    with pytest.raises(Unreadable) as told_so:
        read_configuration("x" * characters, Rules(7))
    quoted = str(told_so.value).rpartition(": ")[2]
    assert quoted == ('"' + "x" * 58 + "…" if cut else '"' + "x" * 58 + '"')


# ---- what it decides


@EACH_OPERATOR
def test_a_setting_that_is_read_at_once_is_told_from_one_that_is_written_down(operator: str) -> None:
    def reason(edit: Edit) -> str:
        return told(running(operator), edit, SEEN, FEATURES[operator]).reason

    assert reason(Edit()) == ReasonCode.NOTHING_DIFFERS
    assert reason(Edit(settings={"kubernetes.operator.x": "1"})) == ReasonCode.READ_AT_ONCE
    assert reason(Edit(settings={"parallelism.default": "7"})) == ReasonCode.ONLY_WRITTEN_DOWN


@EACH_OPERATOR
def test_a_savepoint_that_cannot_be_taken_is_told_only_where_one_was_asked_for(operator: str) -> None:
    def why(mode: str) -> str:
        found = in_state(operator, "RECONCILING", jobmanager="DEPLOYING")
        return " ".join(told(found, Edit(image="c:2", mode=mode), METADATA, FEATURES[operator]).why)

    with_savepoint, without = why("savepoint"), why("last-state")
    assert with_savepoint != without
    assert with_savepoint.endswith(without)


def test_a_job_that_never_started_is_upgraded_by_the_rules_of_its_operator() -> None:
    found = in_state("1.15.0", "RECONCILING", jobmanager="ERROR", upgradeSavepointPath="KUBERNETES_OPERATOR_LAST_STATE")
    prediction = told(found, Edit(image="c:2", mode="savepoint"), NEVER_STARTED, NEW)
    assert (prediction.act, prediction.reason) == (Act.FAIL, ReasonCode.STATE_LOST_WITH_HA)
    old = in_state("1.7.0", "RECONCILING", jobmanager="ERROR")
    prediction = told(old, Edit(image="c:2", mode="savepoint"), NEVER_STARTED, OLD)
    assert prediction.act is Act.RECORDED


def test_last_state_that_is_new_takes_a_savepoint_where_there_is_no_metadata() -> None:
    found = deployed_with(running("1.7.0"), settings=HA_OFF)
    mode = json.loads('"last-state"')  # not the very text that the rule has
    wanted = {**found["spec"], "image": "c:2", "job": {**found["spec"]["job"], "upgradeMode": mode}}
    wanted["flinkConfiguration"] = {**wanted["flinkConfiguration"], "high-availability.type": "kubernetes"}
    prediction = told(found, Edit(manifest=wanted), NO_METADATA, OLD)
    assert (prediction.act, prediction.reason) == (Act.SAVEPOINT, ReasonCode.LAST_STATE_IS_NEW)


def test_a_vertex_that_may_be_gone_is_asked_for() -> None:
    key = "pipeline.jobvertex-parallelism-overrides"
    found = deployed_with(running("1.15.0"), settings={key: "a:2", "jobmanager.scheduler": "adaptive"})
    unknown = replaced(vertices=None)
    prediction = told(found, Edit(settings={key: None}), unknown, NEW)
    assert Fact(FactKind.VERTICES) in prediction.unknown
    known = {
        vertices: told(found, Edit(settings={key: None}), replaced(vertices=vertices), NEW) for vertices in ((), ("a",))
    }
    assert known[()].act is Act.IN_PLACE
    assert known["a",].act is not Act.IN_PLACE


@pytest.mark.parametrize("value", ["x", "1.5", ""])
def test_overrides_that_are_no_numbers_hold_up_a_standalone_cluster_since_1_8(value: str) -> None:
    for minor in range(7, 17):
        able = Features(savepoint_redeploy=True, upgrade_savepoint_path=True, version=f"1.{minor}.0")
        found = deployed_with(running("1.7.0"), mode="standalone")
        found["spec"]["taskManager"].pop("replicas", None)
        key = "pipeline.jobvertex-parallelism-overrides"
        prediction = told(found, Edit(image="c:2", settings={key: f"a:{value}"}), SEEN, able)
        assert ("Failed to load configuration" in prediction.why[0]) is (minor >= 8), (minor, prediction.why)


# ---- its validation


def validated(operator: str, change: dict[str, Any], able: Features | None = None) -> str:
    found = running(operator)
    return told(found, Edit(manifest={**found["spec"], **change}), SEEN, able or FEATURES[operator]).why[0]


@EACH_OPERATOR
def test_a_storage_is_a_quantity_and_never_nothing(operator: str) -> None:
    def said(text: str) -> str:
        return validated(operator, {"taskManager": {"resource": {"memory": "1g", "ephemeralStorage": text}}})

    assert "ephemeral storage parse error: Invalid quantity string format passed." in said("")
    assert "ephemeral storage parse error" in said("much")
    assert "parse error" not in said("1Gi")


@pytest.mark.parametrize(
    ("asked", "limit", "words"),
    [("1", "1", None), ("2", "1", "must not exceed its limit (1)"), ("2", "-1", "must be positive: -1")],
)
def test_what_is_asked_for_is_within_its_limit(asked: str, limit: str, words: str | None) -> None:
    resources = {"requests": {"cpu": asked, "memory": "1Gi"}, "limits": {"cpu": limit}}
    able = Features(savepoint_redeploy=True, upgrade_savepoint_path=True, version="1.16.0")
    said = validated("1.15.0", {"taskManager": {"resources": resources}}, able)
    assert ("resource requirements" in said) is (words is not None)
    assert (words or "") in said
    assert said.count("must") <= 1, "what cannot be read is not compared, too"


def test_the_autoscaler_that_the_spec_turns_on_is_validated_whatever_the_operator_has() -> None:
    unknown = replaced(operator_configuration=None)
    bad = {"job.autoscaler.scale-up.max-factor": "-1"}
    on = told(running("1.15.0"), Edit(settings={**bad, "job.autoscaler.enabled": "true"}), unknown, NEW)
    assert on.act is Act.REFUSED
    assert told(running("1.15.0"), Edit(settings=bad), unknown, NEW).act is not Act.REFUSED


@pytest.mark.parametrize(("mode", "doubtful"), [("savepoint", True), ("stateless", False)])
def test_a_directory_of_the_operators_own_is_asked_for_where_a_savepoint_is_taken(mode: str, doubtful: bool) -> None:
    found = deployed_with(running("1.15.0"), job_upgradeMode="stateless")
    spec = {**found["spec"], "flinkConfiguration": {"execution.checkpointing.dir": "s3://b/c"}}
    found = deployed_with(found, flinkConfiguration=spec["flinkConfiguration"])
    wanted = {**spec, "image": "c:2", "job": {**spec["job"], "upgradeMode": mode}}
    prediction = told(found, Edit(manifest=wanted), replaced(operator_configuration=None), NEW)
    assert bool([one for one in prediction.unknown if one.kind == FactKind.OPERATOR_DEFAULT]) is doubtful


# ---- in place, and worlds


def test_a_template_that_the_operator_reads_alike_is_the_same() -> None:
    spec = running("1.15.0")["spec"]
    assert same_template(spec, json.loads(json.dumps(spec)))
    assert not same_template(None, spec)
    assert not same_template(spec, {**spec, "image": "c:2"})
    ignored = {**spec, "flinkConfiguration": {**spec["flinkConfiguration"], "kubernetes.operator.x": "1"}}
    assert not same_template(spec, ignored)


def test_only_facts_that_change_the_result_matter() -> None:
    def decide(world: World) -> str:
        metadata = world.ask(Fact(FactKind.HA_METADATA), (True, False))
        world.ask(Fact(FactKind.NEVER_STARTED), (True, False))
        return "a" if metadata else "b"

    assert that_matter(explore(decide)) == [Fact(FactKind.HA_METADATA)]


def test_a_job_that_is_upgraded_by_its_last_state_already_needs_no_directory_for_that() -> None:
    def why(deployed: str) -> str:
        found = deployed_with(running("1.7.0"), settings=HA_OFF, job_upgradeMode=deployed)
        wanted = {**found["spec"], "image": "c:2", "job": {**found["spec"]["job"], "upgradeMode": "last-state"}}
        wanted["job"].pop("savepointTriggerNonce", None)
        settings = {**wanted["flinkConfiguration"], "high-availability.type": "kubernetes"}
        wanted["flinkConfiguration"] = {key: settings[key] for key in settings if "savepoint" not in key}
        return " ".join(told(found, Edit(manifest=wanted), NO_METADATA, OLD).why)

    refusal = "Job could not be upgraded to last-state"
    assert refusal in why("stateless")
    assert refusal not in why("last-state")


def test_an_empty_period_hides_no_bad_one_behind_it() -> None:
    def act(periods: str) -> Act:
        settings = {"job.autoscaler.enabled": "true", "job.autoscaler.excluded.periods": periods}
        return told(running("1.15.0"), Edit(settings=settings), SEEN, NEW).act

    assert act("9:30-10:30; ;nonsense") is Act.REFUSED
    assert act("9:30-10:30; ;10:31-10:32") is not Act.REFUSED


@pytest.mark.parametrize(("nonce", "said"), [(2, True), (1, False), (None, False)])
def test_state_that_a_new_nonce_would_lose_is_kept_by_a_savepoint_of_its_own(nonce: int | None, said: bool) -> None:
    proposed = SimpleNamespace(
        decision=SimpleNamespace(mode="stateless", why="there is none"),
        accepted=frozenset(),
        deployed={"job": {"savepointRedeployNonce": 1}},
        wanted={"job": {"upgradeMode": "savepoint", "savepointRedeployNonce": nonce}},
    )
    (refused,) = _stateless(cast("ProposedChange", proposed))
    assert ("--keep-nonce" in refused, "--redeploy-from PATH" in refused) == (said, said)
    assert "--stateless" in refused


@EACH_OPERATOR
@pytest.mark.parametrize("own", [True, False])
def test_what_a_cluster_runs_with_is_the_operators_where_its_own_spec_has_none(operator: str, own: bool) -> None:
    """A setting that is taken out of the spec now was the job's own: of the operator's default it tells nothing."""
    found = running(operator)
    without = {key: value for key, value in found["spec"]["flinkConfiguration"].items() if key not in HA_OFF}
    if not own:
        found = deployed_with(found, flinkConfiguration=without)
    edit = Edit(manifest={**found["spec"], "flinkConfiguration": without, "image": "c:2"}, mode="last-state")
    observed = replaced(operator_configuration=None, running_configuration=dict.fromkeys(HA_OFF, "kubernetes"))
    asked = {one.subject for one in told(found, edit, observed, FEATURES[operator]).unknown}
    assert (HA_OFF.keys() <= asked) is own


@pytest.mark.parametrize(("directory", "mode"), [(None, Mode.UNKNOWN), ("s3://savepoints", Mode.FAIL)])
def test_a_spec_that_is_refused_is_not_one_that_stops_the_job_for_good(directory: str | None, mode: Mode) -> None:
    """Where the operator has no directory by default it refuses the savepoint; else it stops the job."""
    found = deployed_with(running("1.15.0"), job_upgradeMode="last-state", job_savepointTriggerNonce=None)
    settings = {key: value for key, value in found["spec"]["flinkConfiguration"].items() if key not in NO_DIRECTORY}
    found = deployed_with(found, flinkConfiguration={**settings, CANCEL_KEY: "false", **AUTOSCALER_OFF})
    more = {**HA_OFF, AGE_KEY: "1 h", **({} if directory is None else dict.fromkeys(NO_DIRECTORY, directory))}
    wanted = {
        **found["spec"],
        "flinkConfiguration": {**found["spec"]["flinkConfiguration"], **more},
        "job": {**found["spec"]["job"], "savepointTriggerNonce": 7},
    }
    observed = replaced(operator_configuration=None, checkpoint_age_seconds=1.0)
    prediction = told(found, Edit(manifest=wanted), observed, NEW)
    assert prediction.effective_mode is mode
    assert bool(prediction.unknown) is (mode is Mode.UNKNOWN), "what it depends on is named"


@pytest.mark.parametrize(("mode", "refused"), [("savepoint", True), ("last-state", True), ("stateless", False)])
def test_a_trigger_that_was_kept_matters_where_state_comes_over(mode: str, refused: bool) -> None:
    pair = active()
    pair["status"]["savepointTriggerId"] = "trigger-of-before"
    wanted = copy.deepcopy(template_of(pair))
    wanted = {**wanted, "image": "count:2", "job": {**wanted["job"], "upgradeMode": mode}}
    found = outlook(pair, wanted, child(), Rules(15), stateless=True)
    assert any("trigger-of-before" in each for each in found.refused) is refused
