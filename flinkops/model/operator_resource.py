"""What a custom resource tells of its operator: a deletion that waits, a JobManager that is gone, an edit not acted on.

Pure; each answer is a number of seconds that something has lasted, or None where it does not hold.
"""

from flinkops.model.facts import ResourceFacts

_BETWEEN_DEPLOYMENTS = frozenset({"UPGRADING", "ROLLING_BACK"})
OPERATORS_OWN = "flink.apache.org/"
"""Part of the names of the operator's own finalizers."""

PATIENCE_SECONDS = 60.0
"""The operator acts within its reconcile interval (60 s by default); longer is not on the way."""


def deleting_seconds(resource: ResourceFacts, now_ms: int) -> float | None:
    """How long a deletion has been asked for; 0 where that is not known."""
    if not resource.deleting:
        return None
    return _seconds(resource.deleting_since_ms, now_ms) or 0.0


def held_by(resource: ResourceFacts) -> str:
    """Who has to let go before a deletion ends."""
    ours = [one for one in resource.finalizers if OPERATORS_OWN in one]
    others = [one for one in resource.finalizers if OPERATORS_OWN not in one]
    who = [*(["the operator (its finalizer)"] if ours else []), *(f"finalizer {one}" for one in others)]
    return " and ".join(who) or "nobody: the API server removes it"


def jobmanager_missing_seconds(resource: ResourceFacts, now_ms: int) -> float | None:
    """How long, at least, there has been no JobManager of a job that should run, and no deployment under way."""
    wanted = resource.desired_state == "running" and not resource.deleting and resource.lifecycle_state != "SUSPENDED"
    moving = {resource.lifecycle_state, resource.reconciliation_state} & _BETWEEN_DEPLOYMENTS
    if resource.jobmanager_status != "MISSING" or not wanted or moving or resource.session_cluster:
        return None
    return _seconds(resource.status_changed_ms, now_ms) or 0.0


def not_taken_up_seconds(resource: ResourceFacts, now_ms: int) -> float | None:
    """How long an edit of the spec has waited for the operator; None also where that time is not recorded.

    Of a suspended job the operator takes an edit up when it is resumed, and not before.
    """
    generation, observed = resource.generation, resource.observed_generation
    if generation is None or observed is None or observed >= generation or resource.deleting:
        return None
    if resource.desired_state == "suspended" or resource.lifecycle_state == "SUSPENDED":
        return None
    return _seconds(resource.spec_changed_ms, now_ms)


def _seconds(since_ms: int | None, now_ms: int) -> float | None:
    return None if since_ms is None else max(0.0, (now_ms - since_ms) / 1000)
