"""The rollback of a change that did not work, through the operator. Pure."""

from collections.abc import Mapping
from typing import Any

from flinkops.model.json_reading import section
from flinkops.model.option_names import CLAIM_MODE
from flinkops.model.switches import is_on
from flinkops.plan.operator.bookkeeping import redeployed_from
from flinkops.plan.operator.rules import Features
from flinkops.plan.operator.spec import configuration, job_of

NO_ROLLBACK = "there is no automatic rollback"

_OURS = "flink.apache.org/"


def rollback_text(mode: str, features: Features) -> str:
    """What would be done, for the plan."""
    if mode != "savepoint":
        return "the old spec is patched back; the operator restores it from the job's latest checkpoint"
    if features.savepoint_redeploy:
        return "the old spec is redeployed from the upgrade's savepoint (savepointRedeployNonce, initialSavepointPath)"
    return (
        "the resource is deleted (seen to dispose of no savepoint) and created again with the old spec,"
        " from the upgrade's savepoint (initialSavepointPath): this operator has no savepointRedeployNonce"
    )


def rollback_patch(before: Mapping[str, Any], savepoint: str, nonce: int) -> dict[str, Any]:
    """The old spec as it is redeployed from a savepoint."""
    return redeployed_from(before, savepoint, nonce)


def recreated(before: Mapping[str, Any], savepoint: str, plan_id: str) -> dict[str, Any]:
    """The resource to create again from a savepoint, with the mark by which it is known for ours."""
    metadata = dict(section(before, "metadata"))
    metadata["annotations"] = {**section(metadata, "annotations"), PLAN_ANNOTATION: plan_id}
    spec = dict(section(before, "spec"))
    spec["job"] = {**job_of(spec), "initialSavepointPath": savepoint, "state": "running"}
    return {**before, "metadata": metadata, "spec": spec}


PLAN_ANNOTATION = "flinkops/plan"


def deletion_problems(resource: Mapping[str, Any], features: Features) -> list[str]:
    """Why deleting the resource may take a savepoint with it, or not end; empty where it is not deleted at all."""
    if features.savepoint_redeploy:
        return []
    spec = section(resource, "spec")
    settings = configuration(spec)
    problems = [
        f"{key} is CLAIM: Flink itself deletes the savepoint that it was started from"
        for key in CLAIM_MODE
        if settings.get(key, "NO_CLAIM").upper() == "CLAIM"
    ]
    if is_on(settings, "kubernetes.operator.job.savepoint-on-deletion", default=False):
        problems.append("kubernetes.operator.job.savepoint-on-deletion: deleting a job that does not run may never end")
    metadata = section(resource, "metadata")
    problems += [
        f"finalizer {one} is not the operator's: deleting may not end, or do more"
        for one in metadata.get("finalizers") or []
        if _OURS not in one
    ]
    return problems
