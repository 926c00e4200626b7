"""What shortens the time in which nothing runs, done while the old job still does: the image, a last checkpoint."""

from typing import Any

import msgspec

from flinkops.act.backend import Prepared
from flinkops.act.operator.control import kube_control
from flinkops.act.operator.outcomes import CheckpointTaken, ImagePulled
from flinkops.act.running import StepKind, StepRun
from flinkops.assess.checkpoints import newest_completed
from flinkops.errors import FlinkopsError, NotInTime, Refused, Unreachable
from flinkops.model.facts import JobFacts
from flinkops.model.json_reading import section
from flinkops.model.plan import Plan, Step
from flinkops.model.request import Terms
from flinkops.outside.shell import shell_word
from flinkops.plan.identity import Stamp, derived_id
from flinkops.plan.operator.decision import Mode
from flinkops.plan.operator.merge_patch import merged
from flinkops.plan.operator.spec import configuration, desired_state, job_of
from flinkops.plan.operator.step_inputs import PatchResource, PrepullImage, TakeCheckpoint
from flinkops.sources.kubernetes.pod_task import PodTask
from flinkops.sources.kubernetes.short_pods import PodFailed, run_pod

_PULL_SECONDS = 300
_CHECKPOINT_SECONDS = 60.0
_STOPPING = (Mode.SAVEPOINT, Mode.LAST_STATE, Mode.STATELESS, Mode.SAVEPOINT_REDEPLOY)


def with_steps_before_stop(made: Prepared, job: JobFacts, terms: Terms, stamp: Stamp) -> Prepared:
    """The plan with --prepull, with a checkpoint before a last-state stop, or with the offer of a rescale in place."""
    plan = made.plan
    place = next((at for at, step in enumerate(plan.steps) if isinstance(step.do, PatchResource)), None)
    if plan.verb != "upgrade" or plan.effective_mode not in _STOPPING or place is None:
        return made
    patched = plan.steps[place].do
    assert isinstance(patched, PatchResource)
    steps = []
    if terms.prepull and (pull := _prepull(patched)) is not None:
        steps.append(Step("prepull", pull, only_reads=True))
    if plan.effective_mode == Mode.LAST_STATE and job.state == "RUNNING" and job.checkpoints is not None:
        steps.append(Step("checkpoint", TakeCheckpoint(derived_id(stamp.plan_id, "checkpoint")), only_reads=True))
    plan = msgspec.structs.replace(plan, steps=(*plan.steps[:place], *steps, *plan.steps[place:]))
    return made._replace(plan=_with_offer(plan, patched, job))


def _with_offer(plan: Plan, patched: PatchResource, job: JobFacts) -> Plan:
    """Where the parallelism alone changes, and the scheduler could do that without a stop."""
    before, wanted = patched.before["spec"], merged(patched.before["spec"], section(patched.patch, "spec"))
    to = job_of(wanted).get("parallelism")
    alike = {**wanted, "job": {**job_of(wanted), "parallelism": job_of(before).get("parallelism")}}
    alike["job"]["upgradeMode"] = job_of(before).get("upgradeMode")
    adaptive = (job.scheduler or "").lower() == "adaptive"
    if not adaptive or alike != before or to == job_of(before).get("parallelism"):
        return plan
    offer = (
        f"only the parallelism changes: flinkops rescale {shell_word(plan.target.job_name)} --parallelism"
        f" {shell_word(str(to))} does that in place, without a stop; it takes no savepoint, and the next restart goes"
        " back to what the spec says"
    )
    return msgspec.structs.replace(plan, why=(*plan.why, offer))


def _prepull(patched: PatchResource) -> PrepullImage | None:
    """None where the spec names no image or starts nothing."""
    spec = merged(patched.before["spec"], section(patched.patch, "spec"))
    if desired_state(spec) != "running" or not spec.get("image"):
        return None
    template = section(section(spec, "podTemplate"), "spec")
    pod: dict[str, Any] = {name: template[name] for name in ("imagePullSecrets", "tolerations") if name in template}
    settings = configuration(spec)
    if (secrets := settings.get("kubernetes.container.image.pull-secrets")) and "imagePullSecrets" not in pod:
        pod["imagePullSecrets"] = [{"name": one.strip()} for one in secrets.split(";") if one.strip()]
    if account := spec.get("serviceAccount"):
        pod["serviceAccountName"] = account
    return PrepullImage(str(spec["image"]), pod)


def prepull_image(run: StepRun, given: PrepullImage) -> ImagePulled:
    """A pod a node, one after the other. Raises Refused where the image cannot be had: the job still runs.

    What else stands in the way is told, and the upgrade goes on: the image is then pulled as ever.
    """
    control = kube_control(run)
    resource = control.resource()
    told = []
    try:
        for node in control.nodes():
            run.note(f"pulling {given.image} on {node}")
            run_pod(control.access, _pull_task(control.ref.namespace, given, node, resource), run.clock, note=run.note)
            told.append(node)
    except PodFailed as problem:
        if problem.why == "image":
            raise Refused(f"{given.image}: {problem.what}") from None
        return ImagePulled(f"not known: {problem.what}")
    except FlinkopsError as problem:
        return ImagePulled(f"not known: {problem.what}")
    return ImagePulled(f"{given.image} on {', '.join(told)}" if told else "not known: the job has no pods")


def _pull_task(namespace: str, given: PrepullImage, node: str, owner: Any) -> PodTask:
    container = {
        "name": "pull",
        "image": given.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["true"],  # where the image has no such program, it has been pulled all the same
        "resources": {"requests": {"cpu": "1m", "memory": "8Mi"}, "limits": {"cpu": "100m", "memory": "64Mi"}},
    }
    spec = {**given.pod, "nodeName": node, "containers": [container], "automountServiceAccountToken": False}
    return PodTask(namespace, "prepull", {"spec": spec}, _PULL_SECONDS, owner=owner)


def take_checkpoint(run: StepRun, given: TakeCheckpoint) -> CheckpointTaken:
    """Asks for one and waits until one that is newer has been completed. Without it the stop is as it ever was."""
    control = kube_control(run)
    before = _newest_id(control.job(run.job_id))
    try:
        control.trigger_checkpoint(run.job_id, given.trigger_id)
    except Unreachable:
        raise
    except FlinkopsError as problem:
        return CheckpointTaken(f"none: {problem.what}")

    def ask() -> int | None:
        newest = _newest_id(control.job(run.job_id))
        return newest if newest is not None and newest > (before or 0) else None

    try:
        return CheckpointTaken(str(run.until("waiting for a checkpoint", ask, within_seconds=_CHECKPOINT_SECONDS)))
    except NotInTime:
        return CheckpointTaken(f"none: not within {_CHECKPOINT_SECONDS:.0f} s")


def _newest_id(job: JobFacts | None) -> int | None:
    newest = newest_completed(job.checkpoints) if job is not None and job.checkpoints is not None else None
    return newest.id if newest is not None else None


BEFORE_STOP_STEPS: tuple[StepKind[Any, Any], ...] = (
    StepKind(PrepullImage, ImagePulled, prepull_image),
    StepKind(TakeCheckpoint, CheckpointTaken, take_checkpoint),
)
