"""Specs of strangers, any part of which may be anything: a plan, a pod or a refusal comes of them, no traceback."""

import contextlib
import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flinkops.act.operator.before_stop import _prepull
from flinkops.act.operator.redeploy import NonceChoice, settle_nonce
from flinkops.errors import FlinkopsError
from flinkops.model.request import Terms
from flinkops.plan.identity import Stamp
from flinkops.plan.operator.blue_green import outlook, ready_time_kept, template_of
from flinkops.plan.operator.blue_green_plan import plan_blue_green
from flinkops.plan.operator.bookkeeping import next_redeploy_nonce, with_bookkeeping_of
from flinkops.plan.operator.merge_patch import merge_patch
from flinkops.plan.operator.predict import Edit, predict
from flinkops.plan.operator.rehearsal_pod import drops_state_of, rehearsal_pod, with_cluster
from flinkops.plan.operator.resource_change import ResourceChange, Seen, kept
from flinkops.plan.operator.resource_plan import plan_for_resource
from flinkops.plan.operator.rollback import recreated
from flinkops.plan.operator.rules import Features, Rules, writer_of
from flinkops.plan.operator.spec import last_reconciled, savepoint_directory
from flinkops.plan.operator.step_inputs import PatchResource
from tests.unit.builders import job
from tests.unit.cr_samples import resource
from tests.unit.operator_cases import SEEN
from tests.unit.test_blue_green_plan import active, child

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FEATURES = Features(version="1.15.0", savepoint_redeploy=True, upgrade_savepoint_path=True)
SEEN_JOB = Seen("c" * 32, 1_000, True, {"a" * 32: 2}, (), None)
EDITS = (
    Edit(),
    Edit(image="other:1"),
    Edit(parallelism=3, settings={"taskmanager.numberOfTaskSlots": "4", "gone": None}),
    Edit(arguments=("--topic", "two"), entry_class="shop.Orders", mode="last-state"),
    Edit(script="/other.py"),
    Edit(state="suspended"),
)
POD = {
    "metadata": {"labels": {"team": "shop"}},
    "spec": {
        "containers": [{"name": "flink-main-container", "image": "x:1", "env": [{"name": "A", "value": "b"}]}],
        "volumes": [{"name": "data", "emptyDir": {}}],
        "tolerations": [{"key": "spot"}],
    },
}


def whole() -> dict[str, Any]:
    """A spec with all that is read of one."""
    spec: dict[str, Any] = copy.deepcopy(resource("1.15.0", 11)["spec"])
    spec["flinkConfiguration"].update(
        {"job.autoscaler.enabled": "true", "pipeline.jobvertex-parallelism-overrides": f"{'a' * 32}:2"}
    )
    spec["podTemplate"] = copy.deepcopy(POD)
    spec["jobManager"]["podTemplate"] = copy.deepcopy(POD)
    spec["logConfiguration"] = {"log4j-console.properties": "x"}
    return spec


def places(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value within."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, one in inner for place in ((*above, key), *places(one, (*above, key)))]


PLACES = places(whole())


@st.composite
def odd_specs(draw: st.DrawFn) -> dict[str, Any]:
    """A spec with one or two parts that are something else."""
    spec = whole()
    for place in draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=2)):
        node: Any = spec
        try:
            for key in place[:-1]:
                node = node[key]
            node[place[-1]] = draw(ANYTHING)
        except (KeyError, IndexError, TypeError):
            continue  # the first has taken the second's place away
    return spec


def planned(found: dict[str, Any], edit: Edit) -> None:
    prediction = predict(found, edit, observed=SEEN, features=FEATURES)
    change = ResourceChange(found, SEEN_JOB, prediction, FEATURES, Terms())
    for start_from in (None, "s3://b/sp"):
        plan_for_resource("upgrade", "kind", change, Stamp("p1", 10_000), start_from=start_from)
    if prediction.patch:
        _prepull(PatchResource(prediction.patch, kept(found)))
    recreated(kept(found), "s3://b/sp", "p1")


@given(spec=odd_specs(), before=odd_specs(), edit=st.sampled_from(EDITS))
def test_a_change_of_any_spec_is_planned_or_refused(spec: Any, before: Any, edit: Edit) -> None:
    found = resource("1.15.0", 11)
    found["spec"] = spec
    found["status"]["reconciliationStatus"]["lastReconciledSpec"] = json.dumps({"spec": before})
    with contextlib.suppress(FlinkopsError):
        planned(found, edit)


@given(manifest=odd_specs())
def test_a_manifest_of_any_shape_is_planned_or_refused(manifest: Any) -> None:
    found = resource("1.15.0", 11)
    settled = settle_nonce(found["spec"], manifest, next_redeploy_nonce(found), NonceChoice())
    with_bookkeeping_of(found["spec"], manifest)
    with contextlib.suppress(FlinkopsError):
        planned(found, Edit(manifest=settled.spec))


@given(template=odd_specs(), before=odd_specs(), wanted=odd_specs(), configuration=ANYTHING)
def test_any_pair_is_planned_or_refused(template: Any, before: Any, wanted: Any, configuration: Any) -> None:
    pair = active()
    pair["spec"] = {"template": {"spec": template}, "configuration": configuration}
    pair["status"]["lastReconciledSpec"] = json.dumps({"spec": {"template": {"spec": before}}})
    patch = {"spec": {"template": {"spec": merge_patch(template_of(pair), wanted)}}}
    with contextlib.suppress(FlinkopsError):
        found = outlook(pair, wanted, child(), Rules(15))
        plan_blue_green("kind", pair, wanted, patch, found, job(), None, Stamp("p1", 10_000), Terms())
        ready_time_kept(pair)


@given(spec=odd_specs(), cluster=odd_specs() | st.none())
def test_any_spec_gets_a_pod_or_a_refusal(spec: Any, cluster: Any) -> None:
    whole_spec = with_cluster(spec, None if cluster is None else {"spec": cluster})
    drops_state_of(whole_spec)
    savepoint_directory(whole_spec)
    writer_of(
        last_reconciled({"status": {"reconciliationStatus": {"lastReconciledSpec": json.dumps({"spec": spec})}}}) or {}
    )
    try:
        made = rehearsal_pod(whole_spec, ["path s3://b/sp"], defaults={})
    except FlinkopsError:
        return
    assert json.dumps(made.template)


@pytest.mark.parametrize("args", ["-pyexec /x", 3, {"a": 1}, True])
def test_arguments_that_are_no_list_are_no_program(args: Any) -> None:
    spec = whole()
    spec["job"]["args"] = args
    with pytest.raises(FlinkopsError, match="no list"):
        rehearsal_pod(spec, [], defaults={})
