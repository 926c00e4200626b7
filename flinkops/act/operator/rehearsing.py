"""Rehearsing a job of the Flink operator in a pod of the new spec's image: which state, which pod, what came of it."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from flinkops.act.backend import READ_SECONDS, Prepared
from flinkops.act.operator.control import KubeControl, kube_control
from flinkops.act.rest.launch_failures import last_cause
from flinkops.act.rest.outcomes import Rehearsed
from flinkops.act.rest.rehearsal_steps import rehearsed, savepoint_to_rehearse
from flinkops.act.rest.rehearsing import Asked, NoGraph, Note, judged, of_its_graph, timed_verdict, usable_paths
from flinkops.act.running import StepKind, StepRun
from flinkops.clock import Clock, SystemClock
from flinkops.errors import OperationFailed, UsageError
from flinkops.model.facts import JobFacts
from flinkops.model.json_reading import section
from flinkops.model.plan import Step
from flinkops.model.rehearsal import Rehearsal
from flinkops.model.request import Terms
from flinkops.plan.identity import Stamp, derived_id
from flinkops.plan.operator.decision import Mode
from flinkops.plan.operator.merge_patch import merged
from flinkops.plan.operator.recorded import recorded_savepoint
from flinkops.plan.operator.rehearsal_pod import (
    CONF_MOUNT,
    JAR_FILE,
    JAR_MOUNT,
    drops_state_of,
    rehearsal_pod,
    states_of,
    with_cluster,
)
from flinkops.plan.operator.spec import desired_state, job_of, savepoint_directory, upgrade_mode
from flinkops.plan.operator.step_inputs import PatchResource, RehearseSpec
from flinkops.plan.program_graphs import ProgramGraph
from flinkops.plan.rehearsal import cannot_tell, refusal
from flinkops.plan.rehearsal_seen import Seen
from flinkops.plan.rehearsal_size import SAMPLE_BYTES, estimate, newest_state_bytes, refuse_too_large
from flinkops.sources.kubernetes.plan_inputs import read_for_plan
from flinkops.sources.kubernetes.pod_task import Payload, PodTask
from flinkops.sources.kubernetes.short_pods import PodEnd, run_pod

_NOT_BUILT = "a rehearsal is not built for blue/green deployments"
_DEADLINE_SECONDS = 600  # an image that has to be pulled, then as long as a restore may take
_MARK = "flinkops-rehearsal "
_RESTORING = (Mode.SAVEPOINT, Mode.LAST_STATE, Mode.SAVEPOINT_REDEPLOY)
_seen = msgspec.json.Decoder(Seen)
_program_graph = msgspec.json.Decoder(ProgramGraph)


class Surroundings(NamedTuple):
    """Of one rehearsal: the resource and its session cluster as they are, and the operator's own settings."""

    resource: Mapping[str, Any]
    cluster: Mapping[str, Any] | None
    defaults: Mapping[str, str]
    jar: bytes
    clock: Clock
    sample: bool = False


def rehearse_spec(
    control: KubeControl,
    job: JobFacts,
    new: Mapping[str, Any],
    old: Mapping[str, Any] | None,
    asked: Asked,
    clock: Clock | None = None,
) -> Rehearsal:
    """The verdict on this spec; `old` is the one that runs. What stands in the way is a verdict of its own."""

    def ask() -> Rehearsal:
        refuse_too_large(newest_state_bytes(job), None, "the pod", sample=asked.sample)
        return _rehearse(control, job, new, old, asked, clock or SystemClock())

    return timed_verdict(job.name, asked.against, ask)


def _rehearse(
    control: KubeControl,
    job: JobFacts,
    new: Mapping[str, Any],
    old: Mapping[str, Any] | None,
    asked: Asked,
    clock: Clock,
) -> Rehearsal:
    against, note = asked.against, asked.note
    read = read_for_plan(control.access, *control.ref, deadline_seconds=READ_SECONDS)
    defaults, jar = read.operator_configuration or {}, _jar(asked.flink_home)
    around = Surroundings(read.resource, read.cluster, defaults, jar, clock, sample=asked.sample)

    def restored(spec: Mapping[str, Any]) -> Seen:
        return _restored(control, around, job, spec, _paths(job, around, against), note)

    seen = restored(new)
    if seen.state_is_gone and against is None and asked.take_savepoint is not None:
        note("no checkpoint could be read to its end: taking a savepoint to rehearse with")
        seen = _restored(control, around, job, new, [asked.take_savepoint()], note)
    running = partial(restored, old) if old is not None else None
    return judged(job, seen, running, note, drops=drops_state_of(new))


def _jar(flink_home: str | None) -> bytes:
    """Our executors: one jar fits 1.20 and 2.x, whichever Flink of them is here to compile against."""
    from flinkops.local.client import executor_jar, installed_home

    try:
        return executor_jar(Path(installed_home(flink_home)) / "lib").read_bytes()
    except OSError as problem:
        raise OperationFailed(f"the jar of the rehearsal cannot be read: {problem.strerror or problem}") from None


def _paths(job: JobFacts, around: Surroundings, against: str | None) -> list[str]:
    if against is not None:
        return [against]
    recorded = recorded_savepoint(section(around.resource, "status"))
    stopped = desired_state(section(around.resource, "spec")) == "suspended"
    found = [recorded] if stopped and recorded else [*usable_paths(job)]
    if not found:
        raise OperationFailed("no checkpoint or savepoint of the job is known", next_step="give --against PATH")
    return found


def _restored(
    control: KubeControl,
    around: Surroundings,
    job: JobFacts,
    spec: Mapping[str, Any],
    paths: Sequence[str],
    note: Note,
) -> Seen:
    """Each graph in a pod of its own. Raises as :func:`_one_pod`."""
    return of_its_graph(partial(_one_pod, control, around, job, spec, paths, note), job.name, note)


def _one_pod(
    control: KubeControl,
    around: Surroundings,
    job: JobFacts,
    spec: Mapping[str, Any],
    paths: Sequence[str],
    note: Note,
    graph: int | None,
) -> tuple[Seen, list[ProgramGraph]]:
    """Raises OperationFailed and what running a pod raises."""
    claims = {"FLINKOPS_REHEARSAL_CLAIMS": "1"} if upgrade_mode(spec) == "last-state" else {}
    sample = {"FLINKOPS_REHEARSAL_SAMPLE": str(SAMPLE_BYTES)} if around.sample else {}
    pod = rehearsal_pod(
        with_cluster(spec, around.cluster),
        states_of(paths),
        defaults=around.defaults,
        state_bytes=newest_state_bytes(job),
        variables={**sample, **claims, **({} if graph is None else {"FLINKOPS_REHEARSAL_GRAPH": str(graph)})},
    )
    files = {**pod.files, JAR_MOUNT: {JAR_FILE: around.jar}}
    task = PodTask(
        control.ref.namespace,
        "rehearsal",
        pod.template,
        _DEADLINE_SECONDS,
        tuple(Payload(name, files[name]) for name in (CONF_MOUNT, JAR_MOUNT)),
        around.resource,
        pod.egress,
    )

    def said(line: str) -> None:
        if line.startswith(f"{_MARK}phase "):
            note(f"rehearsing in a pod: {line.removeprefix(f'{_MARK}phase ')[:40]}")

    note(f"rehearsing in a pod of {with_cluster(spec, around.cluster).get('image')}")
    return _read(run_pod(control.access, task, around.clock, note=note, on_line=said))


def _read(end: PodEnd) -> tuple[Seen, list[ProgramGraph]]:
    """What it left in its output: the first verdict on a state that was there to its end, else the last one."""
    marked = [line.removeprefix(_MARK) for line in end.output if line.startswith(_MARK)]
    if "bypassed" in marked:
        raise OperationFailed("the program sets execution.target itself: it cannot be rehearsed")
    try:
        verdicts = [_seen.decode(one.removeprefix("verdict ")) for one in marked if one.startswith("verdict ")]
        graphs = [_program_graph.decode(one.removeprefix("graph ")) for one in marked if one.startswith("graph ")]
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as problem:
        raise OperationFailed(f"what the rehearsal saw cannot be read: {problem}") from None
    if verdicts:
        return next((one for one in verdicts if not one.state_is_gone), verdicts[-1]), graphs
    if end.out_of_memory:
        raise OperationFailed("the pod of the rehearsal used more memory than its limit")
    cause = last_cause("\n".join(end.output))
    raise NoGraph(f"the program builds no job graph in the pod, which reaches its storage alone: {cause}")


def rehearse_resource(run: StepRun, given: RehearseSpec) -> Rehearsed:
    """Restore the newest state into what the patch makes of the spec. Refused where that fails or loses state."""
    control = kube_control(run)
    job = run.until("polling the job", lambda: control.job(run.job_id))
    before = given.before["spec"]
    wanted = merged(before, section(given.patch, "spec"))
    directory = savepoint_directory(with_cluster(before, control.session_cluster))
    take_savepoint = partial(savepoint_to_rehearse, run, directory, given.trigger_id) if directory else None
    asked = Asked(run.note, given.against, given.flink_home, given.sample, take_savepoint)
    found = rehearse_spec(control, job, wanted, before, asked, run.clock)
    why = refusal(found, given.accepted)
    if why is None and found.refuses and found.verdict == "fails":
        why = "the loss is accepted, and the spec does not let state go: set job.allowNonRestoredState to true in it"
    return rehearsed(run, found, why)


def with_rehearsal(made: Prepared, job: JobFacts, terms: Terms, stamp: Stamp) -> Prepared:
    """The plan with a rehearsal before its change, or with the offer of one; where it restores no state, as it is."""
    plan = made.plan
    place = next((at for at, step in enumerate(plan.steps) if isinstance(step.do, PatchResource)), None)
    if plan.verb != "upgrade" or plan.effective_mode not in _RESTORING or place is None:
        return made
    takes = estimate(newest_state_bytes(job), where="in a pod of the new image", sample=terms.sample)
    if not terms.rehearse:
        offer = f"whether the new program can read the state shows after the stop; --rehearse tries it before: {takes}"
        return made._replace(plan=msgspec.structs.replace(plan, risks=(*plan.risks, offer)))
    patched = plan.steps[place].do
    assert isinstance(patched, PatchResource)
    wanted = merged(patched.before["spec"], section(patched.patch, "spec"))
    redeployed = plan.effective_mode == Mode.SAVEPOINT_REDEPLOY
    against = str(job_of(wanted).get("initialSavepointPath")) if redeployed else None
    given = RehearseSpec(
        *(patched.patch, patched.before, terms.accept_loss, against, terms.flink_home),
        derived_id(plan.id, "rehearsal"),
        terms.sample,
    )
    steps = (*plan.steps[:place], Step("rehearse", given, only_reads=True), *plan.steps[place:])
    why = (*plan.why, f"first the state is restored into the new program: {takes}")
    return made._replace(plan=msgspec.structs.replace(plan, steps=steps, why=why))


def not_built(job: str, against: str | None) -> Rehearsal:
    """Of a blue/green deployment."""
    return cannot_tell(job, _NOT_BUILT, against=against or "")


def told_not_built(made: Prepared, terms: Terms) -> Prepared:
    """The plan of a blue/green deployment, whose risks say what was asked for and is not done."""
    if not terms.rehearse:
        return made
    risks = (*made.plan.risks, f"rehearsal: cannot-tell: {_NOT_BUILT}")
    return made._replace(plan=msgspec.structs.replace(made.plan, risks=risks))


def refuse_acceptance(terms: Terms) -> None:
    """Raises UsageError: there is no rehearsal that it could answer."""
    if terms.accept_loss:
        raise UsageError(f"--accept-loss answers a rehearsal, and {_NOT_BUILT}")


REHEARSAL_STEPS: tuple[StepKind[Any, Any], ...] = (
    StepKind(RehearseSpec, Rehearsed, rehearse_resource, keeps=(Rehearsed,)),
)
