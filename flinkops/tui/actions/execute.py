"""Actions of the screens: the same Plan and the same executor as the commands. Nothing is changed anywhere else.

Everything here blocks, for a thread, and imports what acts only when something is to be done.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from flinkops.clock import Clock
from flinkops.errors import OperationFailed, Refused
from flinkops.model.assessment import JobAssessment
from flinkops.model.plan import Plan, Result
from flinkops.sources.kubernetes.access import HasKubernetesAccess
from flinkops.tui.actions.catalog import Planning, Running, Source, command_of, where_option, wish_of

if TYPE_CHECKING:
    from flinkops.act.control import JobControl
    from flinkops.act.executor import Progress
    from flinkops.act.operator.control import KubeControl
    from flinkops.plan.identity import Stamp

ACTION_SECONDS = 600.0
READ_SECONDS = 8.0


@contextmanager
def control_for(source: Source, job: JobAssessment, clock: Clock) -> Iterator["JobControl"]:
    """The cluster, or the custom resource, behind a job, as the executor sees it."""
    if isinstance(source, HasKubernetesAccess):
        with _resource(source, job, clock) as resource:
            yield resource
        return
    from flinkops.act.rest.control import RestControl

    control = RestControl(source.endpoint, clock)
    try:
        yield control
    finally:
        control.close()


@contextmanager
def _resource(source: HasKubernetesAccess, job: JobAssessment, clock: Clock) -> "Iterator[KubeControl]":
    from flinkops.act.operator.control import open_control
    from flinkops.sources.kubernetes.verbs import ResourceRef

    owner = job.facts.resource if job.facts else None
    if owner is None:
        raise OperationFailed(f"job {job.name} has no custom resource")
    control = open_control(source.access, ResourceRef(owner.kind, owner.namespace, owner.name), clock)
    if control is None:
        raise OperationFailed(f"{owner.kind} {owner.namespace}/{owner.name} does not exist any more")
    try:
        yield control
    finally:
        control.close()


def make_plan(planning: Planning, *, clock: Clock, journal_folder: Path | None) -> Plan:
    """Look closely at the job and plan. Raises FlinkopsError when that cannot be done."""
    from flinkops.act.journal import Journal, default_folder
    from flinkops.act.rest.prepare import prepare
    from flinkops.plan.identity import stamp

    kind, job, source = planning.kind, planning.job, planning.source
    made = stamp(kind.verb, clock.now_ms(), secrets.token_bytes(3), command_of(kind, job, planning.text, source))
    journal = Journal(journal_folder or default_folder(), clock)
    if (
        isinstance(source, HasKubernetesAccess) and kind.verb != "savepoint-create"
    ):  # Flink takes it, the operator is not asked
        return _plan_for_resource(planning, source, journal_folder, clock, made)
    with control_for(source, job, clock) as control:
        facts = control.job(job.id)
        if facts is None:
            raise OperationFailed(f"{control.name} no longer knows job {job.name}", next_step="look again")
        return prepare(control, journal, facts, wish_of(kind, planning.text), made)


def _plan_for_resource(
    planning: Planning, source: HasKubernetesAccess, journal_folder: Path | None, clock: Clock, made: "Stamp"
) -> Plan:
    from flinkops.act.journal import Journal, default_folder
    from flinkops.act.operator.prepare import ResourceWish, prepare_for_resource
    from flinkops.plan.operator.predict import Edit
    from flinkops.sources.kubernetes.plan_inputs import read_for_plan

    kind, job = planning.kind, planning.job
    if kind.verb == "savepoint-create" or job.facts is None:
        raise OperationFailed(f"job {job.name} is not planned through its resource")
    wish = wish_of(kind, planning.text)
    change = wish.change
    if change.entry_class is not None:
        raise Refused("--entry-class: the operator's jobs name it in their manifest")
    edit = Edit(
        jar=change.jar_id,
        python_file=change.script,
        parallelism=change.parallelism,
        settings=dict(change.settings),
        arguments=change.arguments,
        mode="savepoint" if kind.verb == "upgrade" else None,
    )
    asked = ResourceWish(kind.verb, edit, parallelism=wish.parallelism, vertices=wish.vertices)
    with _resource(source, job, clock) as control:
        ref = control.ref
        read = read_for_plan(source.access, ref.kind, ref.namespace, ref.name, deadline_seconds=READ_SECONDS)
        journal = Journal(journal_folder or default_folder(), clock)
        return prepare_for_resource(control, journal, job.facts, read, asked, made).plan


def carry_out(
    running: Running,
    *,
    clock: Clock,
    read_only: bool,
    journal_folder: Path | None,
    progress: Callable[["Progress"], None],
) -> Result:
    """Run the plan. Read-only is refused by the executor, not here."""
    from flinkops.act.actions import ACTIONS
    from flinkops.act.executor import Executor
    from flinkops.act.journal import Journal, default_folder

    planning = running.planning
    with control_for(planning.source, planning.job, clock) as control:
        executor = Executor(
            control,
            Journal(journal_folder or default_folder(), clock),
            clock,
            ACTIONS,
            guard="nothing may be changed at this source" if read_only else None,
            timeout_seconds=ACTION_SECONDS,
            progress=progress,
            go_on_options=where_option(planning.source),
        )
        return executor.run(running.plan)
