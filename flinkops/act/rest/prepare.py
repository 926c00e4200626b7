"""From a wish to a Plan, for every face: looks up what has to be looked up; the deciding is in flinkops.plan."""

from collections.abc import Mapping
from typing import Literal

from flinkops.act.control import JobControl
from flinkops.act.inventory import savepoints_of
from flinkops.act.journal import Journal
from flinkops.act.rest.launching import known_launch, launch_before
from flinkops.model.assessment import Value
from flinkops.model.facts import JobFacts
from flinkops.model.plan import Plan
from flinkops.plan.identity import Stamp
from flinkops.plan.redeploy import Change, Terms, changed_launch, plan_redeploy, plan_resume, plan_suspend
from flinkops.plan.rescale import plan_rescale
from flinkops.plan.savepoint import plan_savepoint

WishVerb = Literal["savepoint-create", "upgrade", "rescale", "suspend", "resume", "restart", "rollback"]


class Wish(Value, frozen=True):
    """What a person wants of a job; each verb looks only at its own part."""

    verb: WishVerb
    change: Change = Change()  # upgrade, resume
    terms: Terms = Terms()  # all but rescale
    parallelism: int | None = None  # rescale: of every vertex
    vertices: Mapping[str, int] = {}  # rescale: of these
    checkpoints: int = 1  # rescale: so many afterwards
    undo: str | None = None  # rollback: the id of the action to undo; None is the last
    start_from: str | None = None  # resume: this savepoint or checkpoint, not the newest that is known


def prepare(control: JobControl, journal: Journal, job: JobFacts, wish: Wish, stamp: Stamp) -> Plan:
    """The plan, or one that says why it is refused. `job` is a close look, from `control`.

    Raises UsageError when the wish makes no sense for this job, Unreachable and OperationFailed as the control does.
    """
    if wish.verb == "savepoint-create":
        return plan_savepoint(
            job, stamp, target_directory=wish.terms.target_directory, savepoint_format=wish.terms.savepoint_format
        )
    if wish.verb == "rescale":
        return plan_in_place(
            control, job, stamp, parallelism=wish.parallelism, vertices=wish.vertices, checkpoints=wish.checkpoints
        )
    launch = known_launch(control, journal, job.id)
    if wish.verb == "suspend":
        return plan_suspend(job, launch, stamp, wish.terms)
    if wish.verb == "resume":
        return _resume(control, journal, job, wish, stamp)
    new = launch_before(journal, job, wish.undo) if wish.verb == "rollback" else changed_launch(launch, wish.change)
    return plan_redeploy(wish.verb, job, launch, new, control.cluster(), stamp, wish.terms)


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


def _resume(control: JobControl, journal: Journal, job: JobFacts, wish: Wish, stamp: Stamp) -> Plan:
    latest = next(iter(savepoints_of(job, journal)), None)
    return plan_resume(
        job,
        changed_launch(known_launch(control, journal, job.id), wish.change),
        wish.start_from or (latest.path if latest else None),
        control.cluster(),
        stamp,
        wish.terms,
        running=[one for one in control.jobs() if one.name == job.name and one.ended_ms is None],
    )
