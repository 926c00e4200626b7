"""`flinkops upgrade JOB --plan` for a job of the Flink operator: what it would do. Nothing is changed here."""

from typing import TYPE_CHECKING

import typer

from flinkops.cli.acting import Consent, new_stamp, report
from flinkops.cli.options import Common
from flinkops.errors import Denied, ExitCode, Refused, Unreachable, UsageError

if TYPE_CHECKING:
    from flinkops.model.facts import JobFacts, ResourceFacts
    from flinkops.model.plan import Plan
    from flinkops.plan.operator import Edit, Prediction
    from flinkops.plan.operator_mode import Evidence
    from flinkops.sources.kube_plan import Read

NOT_YET = "this version changes no custom resource"


def plan_for_operator(common: Common, wanted: str, edit: "Edit", consent: Consent) -> None:
    """Shows the plan and its patch; ends with 5 when it is refused, or when more than a plan was asked for."""
    import json
    import shlex

    from flinkops.cli.kube_targets import kubernetes_access
    from flinkops.cli.targets import DEFAULT_TIMEOUT_SECONDS, pick_job
    from flinkops.plan.operator import predict
    from flinkops.plan.operator_mode import features
    from flinkops.sources.kube_plan import read_for_plan

    if consent.out is not None:
        raise Refused(f"--out: {NOT_YET}, so there is nothing to carry out later", next_step="take the patch of --plan")
    seconds = common.settings.timeout_seconds or DEFAULT_TIMEOUT_SECONDS
    job = pick_job(_jobs(common, seconds), wanted)
    resource = job.resource
    if resource is None or job.kind == "rest":
        raise UsageError(f'"{wanted}" has no custom resource: it was submitted to a session cluster by hand')
    access = kubernetes_access(common.settings)
    read = read_for_plan(access, resource.kind, resource.namespace, resource.name, deadline_seconds=seconds)
    abilities = features(read.definition, read.operator.version)
    found = predict(read.resource, edit, evidence=_evidence(job, read), features=abilities)
    plan = _plan(job, resource, found)
    report(common, plan, None)
    if found.patch:
        patch = shlex.quote(json.dumps(found.patch))
        kind = resource.kind.lower()
        common.say(f"patch: kubectl -n {resource.namespace} patch {kind} {resource.name} --type=merge -p {patch}")
    if found.refused:
        raise typer.Exit(ExitCode.REFUSED)
    if not consent.only_plan:
        raise Refused(f"{NOT_YET}: look at the plan with --plan, and apply its patch with kubectl")


def _jobs(common: Common, seconds: float) -> "tuple[JobFacts, ...]":
    from flinkops.cli.kube_targets import open_kubernetes

    source = open_kubernetes(common.settings)
    try:
        look = source.look(seconds)
    finally:
        source.close()
    if look.status.state in ("ok", "stale"):
        return look.jobs
    raise (Denied if look.status.state == "denied" else Unreachable)(
        look.status.error or f"{source.name} is unreachable"
    )


def _evidence(job: "JobFacts", read: "Read") -> "Evidence":
    from flinkops.plan.operator_mode import Evidence

    seen = bool(job.vertices)  # else its state is the operator's word, which the resource has too
    points = job.checkpoints
    completed = points.latest_completed if points else None
    # A vertex that can only be 1, such as the committer of a sink, does not follow the job's parallelism.
    limits = [limit for vertex in job.vertices if (limit := vertex.max_parallelism) and limit > 1]
    return Evidence(
        now_ms=job.seen_ms,
        job_state=job.state if seen else None,
        checkpoint_age_seconds=None
        if completed is None or completed.triggered_ms is None
        else max(0.0, (job.seen_ms - completed.triggered_ms) / 1000),
        checkpoint_p99_seconds=points.duration_p99_seconds if points else None,
        max_parallelism=min(limits, default=None),
        ha_metadata=read.ha_metadata,
        jobmanager_never_started=read.jobmanager_never_started,
        adaptive=None if job.scheduler is None else job.scheduler.lower() == "adaptive",
    )


def _plan(job: "JobFacts", resource: "ResourceFacts", found: "Prediction") -> "Plan":
    from flinkops.model.plan import Plan, Target

    stamp = new_stamp("upgrade")
    return Plan(
        id=stamp.plan_id,
        verb="upgrade",
        created_ms=stamp.now_ms,
        command=stamp.command,
        target=Target(
            source=resource.context,
            job_name=job.name,
            job_id=job.id,
            namespace=resource.namespace,
            kind=resource.kind,
            resource_version=resource.resource_version,
        ),
        change=found.change,
        diff=found.diff,
        requested_mode=found.requested_mode,
        effective_mode=found.effective_mode,
        why=found.why,
        risks=found.risks,
        refused=found.refused,
    )
