"""Fields of a spec that say when the operator has to act, not what is to run. Pure.

An old spec or a manifest brings old values of them along; written back they are orders of their own: a changed
``savepointRedeployNonce`` cancels the job without a savepoint (operators 1.8 and newer), a changed ``restartNonce``
restarts it.
"""

from collections.abc import Mapping
from typing import Any

from flinkops.model.json_reading import section
from flinkops.plan.operator.reading import Spec
from flinkops.plan.operator.spec import job_of, last_reconciled

REDEPLOY_NONCE = "savepointRedeployNonce"
INITIAL_PATH = "initialSavepointPath"
RESTART_NONCE = "restartNonce"
_OF_JOB = (
    REDEPLOY_NONCE,
    INITIAL_PATH,
    "savepointTriggerNonce",
    "checkpointTriggerNonce",
    "autoscalerResetNonce",
    "state",
)


def without_bookkeeping(spec: Spec) -> dict[str, Any]:
    """What runs, however often it was restarted, suspended, or redeployed."""
    kept = {key: value for key, value in spec.items() if key != RESTART_NONCE}
    if job := job_of(spec):
        kept["job"] = {key: value for key, value in job.items() if key not in _OF_JOB}
    return kept


def with_bookkeeping_of(current: Spec, spec: Spec) -> dict[str, Any]:
    """`spec` with the bookkeeping of `current`: it may be set without an order that nobody gave."""
    mixed = without_bookkeeping(spec)
    if current.get(RESTART_NONCE) is not None:
        mixed[RESTART_NONCE] = current[RESTART_NONCE]
    if job := job_of(mixed):
        mixed["job"] = {**job, **{key: job_of(current)[key] for key in _OF_JOB if key in job_of(current)}}
    return mixed


def keeping_nonce(current: Spec, spec: Spec) -> dict[str, Any]:
    """`spec` with the redeploy nonce of `current`, and with its path where `spec` names none."""
    job = job_of(spec)
    if not job:
        return dict(spec)
    kept = {key: value for key, value in job.items() if key != REDEPLOY_NONCE}
    now = job_of(current)
    if now.get(REDEPLOY_NONCE) is not None:
        kept[REDEPLOY_NONCE] = now[REDEPLOY_NONCE]
    if kept.get(INITIAL_PATH) is None and now.get(INITIAL_PATH) is not None:
        kept[INITIAL_PATH] = now[INITIAL_PATH]
    return {**spec, "job": kept}


def other_nonce(current: Spec, spec: Spec) -> object | None:
    """The redeploy nonce of `spec` where it would be a change; a missing one never is."""
    nonce = job_of(spec).get(REDEPLOY_NONCE)
    return None if nonce == job_of(current).get(REDEPLOY_NONCE) else nonce


def redeployed_from(spec: Spec, path: str, nonce: int) -> dict[str, Any]:
    """`spec` as an order to start from `path`, whatever runs now."""
    return {**spec, "job": {**job_of(spec), INITIAL_PATH: path, REDEPLOY_NONCE: nonce, "state": "running"}}


def next_redeploy_nonce(resource: Mapping[str, Any]) -> int:
    """One that is a change to the spec and to what the operator acted on last."""
    return 1 + max(_number(job_of(one).get(REDEPLOY_NONCE)) for one in _specs(resource))


def next_restart_nonce(resource: Mapping[str, Any]) -> int:
    """One that is a change to the spec and to what the operator acted on last."""
    return 1 + max(_number(one.get(RESTART_NONCE)) for one in _specs(resource))


def initial_paths(resource: Mapping[str, Any]) -> list[str]:
    """What the spec, and the spec that the operator acted on last, say to start from; no savepoint of a stop."""
    paths = (job_of(one).get(INITIAL_PATH) for one in _specs(resource))
    return [str(path) for path in paths if path]


def _specs(resource: Mapping[str, Any]) -> tuple[Spec, Spec]:
    return section(resource, "spec"), last_reconciled(resource) or {}


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
