"""What the operator does about a FlinkBlueGreenDeployment, on one that a real operator 1.15.0 had."""

import copy
import json
from typing import Any

import msgspec
import pytest

from flinkops.act.operator.blue_green_job import named_blue_green
from flinkops.errors import UsageError
from flinkops.model.facts import JobFacts, ResourceFacts, VertexFacts
from flinkops.plan.operator.blue_green import (
    BlueGreenAct,
    BlueGreenOutlook,
    doubtful_sinks,
    last_template,
    not_ready,
    outlook,
    template_of,
)
from flinkops.plan.operator.rules import Rules
from flinkops.plan.preconditions import BlueGreenIdle
from tests.unit.cr_samples import case, resource

RULES = Rules(15)


def active(state: str = "ACTIVE_BLUE", **configuration: str) -> dict[str, Any]:
    """The recorded one, with nothing under way; what it acted on last is what its spec says."""
    found: dict[str, Any] = case("bluegreen")
    found["status"].pop("savepointTriggerId")
    found["status"].pop("deploymentReadyTimestamp")
    found["status"].update(blueGreenState=state, lastReconciledSpec=json.dumps({"spec": found["spec"]}))
    found["spec"]["configuration"] = configuration
    return found


def child(**status: Any) -> dict[str, Any]:
    found = resource("1.15.0", 12)
    found["metadata"]["name"] = "bg-blue"
    found["status"].update(status)
    return found


def found(edit: dict[str, Any], where: str = "ACTIVE_BLUE", the_child: Any = None, **job: Any) -> BlueGreenOutlook:
    blue_green = active(where)
    wanted = {**copy.deepcopy(template_of(blue_green)), **edit}
    wanted["job"] = {**wanted["job"], **job}
    return outlook(blue_green, wanted, child() if the_child is None else the_child, RULES)


def test_of_a_state_that_is_not_known_nothing_is_concluded() -> None:
    """A newer operator's word that happens to end in a colour names no child, and no plan is made."""
    seen = found({"image": "count:2"}, "MERGING_GREEN")
    assert (seen.active, seen.next_child) == ("", "")
    assert any("MERGING_GREEN, which this flinkops does not know" in line for line in seen.refused)
    assert "does not know" in (BlueGreenIdle().unmet(active("ACTIVE_MERGED")) or "")


def test_the_recorded_one_is_in_a_transition_and_takes_no_other() -> None:
    recorded = case("bluegreen")
    seen = outlook(recorded, {**template_of(recorded), "image": "count:2"}, child(), RULES)
    assert (seen.act, seen.active, seen.next_child) == (BlueGreenAct.TRANSITION, "bg-green", "bg-blue")
    assert any("a transition is under way (TRANSITIONING_TO_GREEN)" in line for line in seen.refused)
    assert seen.deletion_delay_seconds == 2.0
    assert last_template(recorded) is not None


@pytest.mark.parametrize(
    ("edit", "job", "act"),
    [
        ({}, {}, BlueGreenAct.NONE),
        ({"image": "count:2"}, {}, BlueGreenAct.TRANSITION),
        ({}, {"parallelism": 3}, BlueGreenAct.TRANSITION),
        ({}, {"upgradeMode": "savepoint"}, BlueGreenAct.PATCH_CHILD),
        ({}, {"state": "suspended"}, BlueGreenAct.SUSPEND),
        ({"image": "count:2"}, {"state": "suspended"}, BlueGreenAct.SUSPEND),  # the state comes first
        ({}, {"savepointRedeployNonce": 1}, BlueGreenAct.SAVEPOINT_REDEPLOY),
    ],
)
def test_what_a_change_comes_to(edit: dict[str, Any], job: dict[str, Any], act: BlueGreenAct) -> None:
    seen = found(edit, **job)
    assert (seen.act, seen.refused) == (act, ())
    assert (seen.active, seen.next_child) == ("bg-blue", "bg-green")


def test_from_green_the_next_one_is_blue() -> None:
    seen = found({"image": "count:2"}, "ACTIVE_GREEN")
    assert (seen.active, seen.next_child) == ("bg-green", "bg-blue")


def test_a_resume_of_a_suspended_one() -> None:
    blue_green = active()
    blue_green["status"]["lastReconciledSpec"] = json.dumps(
        {"spec": {"template": {"spec": {**template_of(blue_green), "job": {"state": "suspended"}}}}}
    )
    assert outlook(blue_green, template_of(blue_green), child(), RULES).act is BlueGreenAct.RESUME


def test_without_a_stable_active_child_there_is_no_transition() -> None:
    """Seen in the operator's code: it only sets an error, and the edit is taken for done."""
    deploying = child(lifecycleState="DEPLOYED")
    seen = found({"image": "count:2"}, the_child=deploying)
    assert any("begins no transition: bg-blue is DEPLOYED" in line for line in seen.refused)
    assert found({}, the_child=deploying, upgradeMode="savepoint").refused == ()  # only handed on
    assert not_ready(None) == "there is no active child"
    assert not_ready(child()) is None


def test_stateless_is_refused_and_a_deletion_too() -> None:
    assert any("all state would be lost" in line for line in found({"image": "x:1"}, upgradeMode="stateless").refused)
    blue_green = active()
    blue_green["metadata"]["deletionTimestamp"] = "2026-11-28T15:00:00Z"
    seen = outlook(blue_green, template_of(blue_green), child(), RULES)
    assert seen.refused == ("the resource is being deleted",)


@pytest.mark.parametrize(
    ("configuration", "grace", "delay"),
    [
        ({}, 600.0, 0.0),
        ({"kubernetes.operator.bluegreen.abort.grace-period": "2 min"}, 120.0, 0.0),
        ({"kubernetes.operator.bluegreen.deployment-deletion.delay": "30s"}, 600.0, 30.0),
        ({"kubernetes.operator.bluegreen.abort.grace-period": "soon"}, 600.0, 0.0),
    ],
)
def test_how_long_it_waits(configuration: dict[str, str], grace: float, delay: float) -> None:
    blue_green = active(**configuration)
    seen = outlook(blue_green, template_of(blue_green), child(), RULES)
    assert (seen.abort_grace_seconds, seen.deletion_delay_seconds) == (grace, delay)


def test_a_time_that_an_abort_has_left_behind_takes_the_deletion_delay_away() -> None:
    """FLINK-40119: it counts from when the aborted child had been ready."""
    blue_green = active(**{"kubernetes.operator.bluegreen.deployment-deletion.delay": "30s"})
    for left, delay in (("1970-01-01T00:00:00Z", 30.0), ("2026-11-28T15:28:05.483748717Z", 0.0)):
        blue_green["status"]["deploymentReadyTimestamp"] = left
        seen = outlook(blue_green, template_of(blue_green), child(), RULES)
        assert seen.deletion_delay_seconds == delay


def test_sinks_that_may_get_everything_twice_are_named() -> None:
    vertices = (
        VertexFacts(id="a", name="Source: scrapes", parallelism=1),
        VertexFacts(id="b", name="Sink: print", parallelism=1, upstream=("a",)),
        VertexFacts(id="c", name="prices: Writer", parallelism=1, upstream=("a",)),
        VertexFacts(id="d", name="prices: Committer", parallelism=1, upstream=("c",)),
        VertexFacts(id="e", name="Sink: Upsert Kafka", parallelism=1, upstream=("a",)),
    )
    assert doubtful_sinks(vertices) == ("Sink: print",)
    assert doubtful_sinks(()) == ()


def of_blue_green(name: str, namespace: str = "shop") -> JobFacts:
    owned = ResourceFacts(
        context="prod",
        namespace=namespace,
        name=name,
        resource_version="1",
        owner="FlinkBlueGreenDeployment/orders",
        blue_green_state="ACTIVE_BLUE",
    )
    return JobFacts(id=name, name=name, cluster="prod", seen_ms=1, state="RUNNING", namespace=namespace, resource=owned)


@pytest.mark.parametrize("wanted", ["orders", "shop/orders"])
def test_the_name_of_a_blue_green_deployment_means_the_pair_with_its_children(wanted: str) -> None:
    jobs = [of_blue_green("orders-blue"), of_blue_green("orders-green")]
    pair = named_blue_green(jobs, wanted)
    assert pair is not None
    assert pair[0] == ("FlinkBlueGreenDeployment", "shop", "orders")
    assert [child.name for child in pair[1]] == ["orders-blue", "orders-green"]


def test_pairs_of_one_name_in_two_namespaces_are_told_apart() -> None:
    jobs = [of_blue_green("orders-blue"), of_blue_green("orders-blue", "mall")]
    with pytest.raises(UsageError, match="2 blue/green deployments match") as several:
        named_blue_green(jobs, "orders")
    assert "mall/orders, shop/orders" in (several.value.next_step or "")
    pair = named_blue_green(jobs, "mall/orders")
    assert pair is not None
    assert pair[0].namespace == "mall"


@pytest.mark.parametrize("wanted", ["orders-blue", "other/orders", "nothing"])
def test_other_names_are_left_to_the_choice_of_a_job(wanted: str) -> None:
    assert named_blue_green([of_blue_green("orders-blue")], wanted) is None


def test_a_job_of_that_very_name_is_the_job() -> None:
    job = of_blue_green("orders-blue")
    assert named_blue_green([job, msgspec.structs.replace(job, id="j", name="orders")], "orders") is None
