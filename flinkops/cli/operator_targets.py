"""Acting on jobs of the Flink operator: find the resource, plan, and hand the plan to the executor."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flinkops.cli.options import Common
from flinkops.cli.run_action import Consent, act, new_stamp
from flinkops.errors import Denied, Unreachable, UsageError

if TYPE_CHECKING:
    from flinkops.act.journal import Journal
    from flinkops.act.operator.control import KubeControl
    from flinkops.act.operator.prepare import ResourceWish
    from flinkops.act.rest.control import RestControl
    from flinkops.model.facts import JobFacts
    from flinkops.model.plan import Plan


def targets_kubernetes(common: Common) -> bool:
    """Whether an action is meant for a custom resource: as `status` decides what to look at."""
    from flinkops.cli.targets import embedded_endpoint, names_kubernetes, rest_endpoints
    from flinkops.sources.kubernetes.access import in_cluster, kubeconfig_exists

    if common.settings.rest:
        return False
    if names_kubernetes(common.settings):
        return True
    if rest_endpoints(common.settings) or embedded_endpoint() is not None:
        return False
    return kubeconfig_exists() or in_cluster()


def act_on_resource(common: Common, wanted: str, wish: "ResourceWish", consent: Consent, journal: "Journal") -> None:
    """Plan, show, confirm, carry out, report; ends the process with the outcome's exit code."""
    from flinkops.act.operator.prepare import patch_command, prepare_for_resource
    from flinkops.cli.cluster_targets import kubernetes_access
    from flinkops.cli.targets import DEFAULT_TIMEOUT_SECONDS
    from flinkops.sources.kubernetes.plan_inputs import read_for_plan

    with resource_on_cluster(common, wanted) as (control, job):
        access = kubernetes_access(common.settings)
        ref = control.ref
        read = read_for_plan(access, ref.kind, ref.namespace, ref.name, deadline_seconds=DEFAULT_TIMEOUT_SECONDS)
        made = prepare_for_resource(control, journal, job, read, wish, new_stamp(wish.verb))
        if (consent.only_plan or consent.out) and (command := patch_command(made.plan, made.patch)):
            common.say(f"patch: {command}")
        act(common, control, made.plan, consent, journal)


@contextmanager
def resource_on_cluster(common: Common, wanted: str) -> "Iterator[tuple[KubeControl, JobFacts]]":
    """The control of the custom resource that has the job, and the job as the fleet shows it.

    Raises UsageError when no job or several answer to `wanted` or the job has no resource, Denied or Unreachable.
    """
    from flinkops.cli.targets import pick_job

    job = pick_job(jobs_of_cluster(common), wanted)
    resource = job.resource
    if resource is None or job.kind == "rest":
        raise UsageError(f'"{wanted}" has no custom resource: it was submitted to a session cluster by hand')
    with control_of_resource(common, resource.kind, resource.namespace, resource.name) as control:
        yield control, job


@contextmanager
def control_of_source(common: Common, plan: "Plan") -> "Iterator[RestControl]":
    """The cluster that a plan was made for, which the settings have to name."""
    from flinkops.cli.run_action import control_of, endpoint_named

    if plan.target.kind == "rest":
        with control_of(endpoint_named(common, plan.target.source)) as control:
            yield control
        return
    with _control_of_plan(common, plan) as kube:
        yield kube


@contextmanager
def _control_of_plan(common: Common, plan: "Plan") -> "Iterator[KubeControl]":
    """The control for a plan that was made before. Raises UsageError when another cluster is named."""
    from flinkops.cli.cluster_targets import kubernetes_access

    context = kubernetes_access(common.settings).context
    if context != plan.target.source:
        raise UsageError(f"the plan is for {plan.target.source}, named is {context}", next_step="give its --context")
    target = plan.target
    with control_of_resource(
        common, target.kind, target.namespace or "default", target.job_name, _resource_of(plan)
    ) as control:
        yield control


@contextmanager
def control_of_resource(
    common: Common, kind: str, namespace: str, name: str, fallback: dict[str, Any] | None = None
) -> "Iterator[KubeControl]":
    """The control of one custom resource; `fallback` is what it was, where it may be gone. UsageError when it is."""
    from flinkops.act.operator.control import open_control
    from flinkops.cli.cluster_targets import kubernetes_access
    from flinkops.clock import SystemClock
    from flinkops.sources.kubernetes.verbs import ResourceRef

    access = kubernetes_access(common.settings)
    control = open_control(access, ResourceRef(kind, namespace, name), SystemClock(), fallback)
    if control is None:
        raise UsageError(f"{kind} {namespace}/{name} does not exist in {access.context}")
    try:
        yield control
    finally:
        control.close()


def _resource_of(plan: "Plan") -> dict[str, Any] | None:
    """The resource as the plan keeps it: it may be deleted just now, on the way back."""
    import msgspec

    for step in (*plan.steps, *plan.rollback_steps):
        if "before" in step.arguments:
            return msgspec.json.decode(step.arguments["before"], type=dict[str, Any])
    return None


def jobs_of_cluster(common: Common) -> "tuple[JobFacts, ...]":
    """The jobs of the one cluster that the settings name. Raises Denied or Unreachable."""
    from flinkops.cli.cluster_targets import open_kubernetes
    from flinkops.cli.targets import DEFAULT_TIMEOUT_SECONDS

    source = open_kubernetes(common.settings)
    try:
        look = source.look(DEFAULT_TIMEOUT_SECONDS)
    finally:
        source.close()
    if look.status.state in ("ok", "stale"):
        return look.jobs
    raise (Denied if look.status.state == "denied" else Unreachable)(
        look.status.error or f"{source.name} is unreachable"
    )


def spec_of_manifest(path: Path, job: str) -> dict[str, Any]:
    """The spec of the one resource of the operator in a manifest. Raises UsageError when that makes no sense."""
    import yaml

    try:
        documents = [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if isinstance(one, dict)]
    except (OSError, UnicodeDecodeError) as problem:
        raise UsageError(f"{path} cannot be read: {problem}") from None
    except yaml.YAMLError as problem:
        raise UsageError(f"{path} is no YAML: {' '.join(str(problem).split())[:200]}") from None
    found = [one for one in documents if one.get("kind") in ("FlinkDeployment", "FlinkSessionJob")]
    if len(found) != 1:
        raise UsageError(f"{path} has {len(found)} FlinkDeployments or FlinkSessionJobs; one is wanted")
    metadata, spec = found[0].get("metadata"), found[0].get("spec")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if name != job.rpartition("/")[2]:
        raise UsageError(f"{path} is about {name!r}, not about {job!r}")
    if not isinstance(spec, dict):
        raise UsageError(f"{path} has no spec")
    return spec
