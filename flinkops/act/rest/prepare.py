"""From an ActionRequest to a Plan on a plain REST cluster: reads what has to be read; flinkops.plan decides."""

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from flinkops.act.control import JobControl
from flinkops.act.inventory import savepoints_of
from flinkops.act.journal import Journal
from flinkops.act.rest.launching import known_launch, launch_before
from flinkops.act.rest.rehearsing import Asked, refuse_unasked, rehearse
from flinkops.errors import Refused, UsageError
from flinkops.model.facts import JobFacts
from flinkops.model.launch import LOCAL_JAR, dropping
from flinkops.model.plan import Plan
from flinkops.model.rehearsal import Rehearsal
from flinkops.model.request import ActionRequest, Change
from flinkops.paths import is_file
from flinkops.plan.identity import Stamp
from flinkops.plan.launch_change import changed_launch
from flinkops.plan.redeploy import UNKNOWN_LAUNCH, plan_redeploy, plan_resume, plan_suspend
from flinkops.plan.rehearsal import cannot_tell
from flinkops.plan.rescale import plan_rescale
from flinkops.plan.savepoint import plan_savepoint
from flinkops.user_folders import absolute, with_home


def refuse_impossible(request: ActionRequest) -> None:
    """What a plain REST cluster cannot do. Raises UsageError, or Refused for a mode that may lose state."""
    change, terms = request.change, request.terms
    only_with_operator = {
        "--image": change.image,
        "--filename": request.manifest,
        "--backup-savepoint": terms.backup,
        "--redeploy-from": terms.redeploy_from,
        "--keep-nonce": terms.keep_nonce,
        "--prepull": terms.prepull,
    }
    for option, given in only_with_operator.items():
        if given:
            raise UsageError(f"{option} is for jobs of the Flink operator", next_step="name its cluster with --context")
    if request.mode in ("last-state", "stateless"):
        raise Refused("without the operator only --savepoint keeps the state for sure")
    refuse_unasked(terms)
    if request.verb == "upgrade" and request.mode is None:
        raise UsageError("which mode?", next_step="give --savepoint")
    _placed(change)


def prepare(control: JobControl, journal: Journal, job: JobFacts, request: ActionRequest, stamp: Stamp) -> Plan:
    """The plan, or one that says why it is refused. `job` is as `control` sees it now.

    Raises UsageError when the request makes no sense for this job, Unreachable and OperationFailed as the control does.
    """
    terms, change = request.terms, _placed(request.change)
    if request.verb == "savepoint-create":
        return plan_savepoint(
            job, stamp, target_directory=terms.target_directory, savepoint_format=terms.savepoint_format
        )
    if request.verb == "rescale":
        return plan_in_place(
            control,
            job,
            stamp,
            parallelism=change.parallelism,
            vertices=request.vertices,
            checkpoints=terms.checkpoints,
        )
    launch = known_launch(control, journal, job.id)
    if request.verb == "suspend":
        return plan_suspend(job, launch, stamp, terms)
    if request.verb == "resume":
        return _resume(control, journal, job, request, stamp)
    rolls_back = request.verb == "rollback"
    new = launch_before(journal, job, request.undo) if rolls_back else changed_launch(launch, change)
    return plan_redeploy(request.verb, job, launch, new, control.cluster(), stamp, terms)


def rehearse_request(
    control: JobControl,
    journal: Journal,
    job: JobFacts,
    request: ActionRequest,
    against: str | None,
    note: Callable[[str], None],
) -> Rehearsal:
    """The rehearsal of what an upgrade would submit. Raises as :func:`prepare` does."""
    terms = request.terms
    old = known_launch(control, journal, job.id)
    new = changed_launch(old, _placed(request.change))
    if new is None:
        return cannot_tell(job.name, UNKNOWN_LAUNCH)
    asked = Asked(note, against, terms.flink_home, terms.sample)
    return rehearse(control, job, dropping(new) if terms.accept_loss else new, old, asked)


def plan_in_place(
    control: JobControl,
    job: JobFacts,
    stamp: Stamp,
    *,
    parallelism: int | None,
    vertices: Mapping[str, int],
    checkpoints: int,
) -> Plan:
    """A rescale by the adaptive scheduler, with the bounds and the slots that the cluster tells now."""
    requirements = control.requirements(job.id) if job.state == "RUNNING" else ()
    return plan_rescale(
        job,
        requirements,
        control.cluster(),
        stamp,
        parallelism=parallelism,
        vertices=vertices,
        checkpoints=checkpoints,
    )


def _resume(control: JobControl, journal: Journal, job: JobFacts, request: ActionRequest, stamp: Stamp) -> Plan:
    latest = next(iter(savepoints_of(job, journal)), None)
    old = known_launch(control, journal, job.id)
    return plan_resume(
        job,
        changed_launch(old, _placed(request.change)),
        request.start_from or (latest.path if latest else None),
        control.cluster(),
        stamp,
        request.terms,
        running=[one for one in control.jobs() if one.name == job.name and one.ended_ms is None],
        old=old,
    )


def _placed(change: Change) -> Change:
    """With a jar file of this machine marked as such; else the jar is an id in the cluster's upload folder.

    Raises UsageError for a file that is not there.
    """
    given = change.jar
    if given is None or given.startswith(LOCAL_JAR) or not ("/" in given or is_file(Path(given))):
        return change
    path = absolute(with_home(Path(given)))
    if not is_file(path):
        raise UsageError(f"--jar {given}: there is no such file")
    return msgspec.structs.replace(change, jar=f"{LOCAL_JAR}{path}")
