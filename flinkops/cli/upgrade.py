"""`flinkops upgrade`, `restart`, `rollback`, `suspend`, `resume`: changing a job without losing its state."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flinkops.cli.acting import (
    Consent,
    JobArgument,
    JournalOption,
    OutOption,
    PlanOption,
    YesOption,
    act,
    control_of,
    executor,
    exit_code,
    job_on_cluster,
    new_stamp,
    open_journal,
    report,
)
from flinkops.cli.history_cmd import endpoint_named
from flinkops.cli.options import Common, with_common
from flinkops.cli.targets import names_kubernetes
from flinkops.errors import Refused, UsageError

if TYPE_CHECKING:
    from flinkops.act.journal import Journal
    from flinkops.act.prepare import Wish

CheckpointsOption = Annotated[
    int, typer.Option("--checkpoints", metavar="N", min=1, help="So many have to complete before it counts as well.")
]
TargetOption = Annotated[
    str | None, typer.Option("--target", metavar="DIR", help="Where the savepoint goes; else as configured.")
]
FormatOption = Annotated[
    Literal["canonical", "native"], typer.Option("--format", help="Of the savepoint; native is fast.")
]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A Flink setting; repeatable.")]
ArgOption = Annotated[
    list[str] | None, typer.Option("--arg", metavar="ARG", help="The program's arguments, all of them; repeatable.")
]
JarOption = Annotated[str | None, typer.Option("--jar", metavar="ID", help="A jar in the cluster's upload folder.")]
ClassOption = Annotated[str | None, typer.Option("--entry-class", metavar="CLASS", help="Of the jar.")]
PyOption = Annotated[str | None, typer.Option("--py", metavar="FILE", help="A PyFlink script on this machine.")]
ParallelismOption = Annotated[int | None, typer.Option("--parallelism", "-p", metavar="N", min=1)]


@with_common
def upgrade(
    common: Common,
    job: Annotated[str | None, typer.Argument(metavar="[JOB]", help="The job; with --resume the action.")] = None,
    savepoint: Annotated[bool, typer.Option("--savepoint", help="Stop with a savepoint, start from it.")] = False,
    last_state: Annotated[bool, typer.Option("--last-state", help="Operator only.")] = False,
    stateless: Annotated[bool, typer.Option("--stateless", help="Operator only.")] = False,
    parallelism: ParallelismOption = None,
    settings: SetOption = None,
    arguments: ArgOption = None,
    jar: JarOption = None,
    entry_class: ClassOption = None,
    py: PyOption = None,
    image: Annotated[str | None, typer.Option("--image", metavar="IMAGE", help="Operator only.")] = None,
    target: TargetOption = None,
    savepoint_format: FormatOption = "canonical",
    checkpoints: CheckpointsOption = 2,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an unfinished action.")] = False,
    abandon: Annotated[bool, typer.Option("--abandon", help="Give up an unfinished action.")] = False,
    plan: PlanOption = False,
    out: OutOption = None,
    yes: YesOption = False,
    journal: JournalOption = None,
) -> None:
    """Change a job: stop with a savepoint, start from it, see it work; else bring the old one back from it.

    Examples: flinkops upgrade price-aggregation --savepoint --parallelism 2
    """
    from flinkops.act.prepare import Wish
    from flinkops.plan.redeploy import Change, Terms

    book = open_journal(journal)
    if resume or abandon:
        return _unfinished_action(common, book, job, abandon=abandon)
    if job is None:
        raise UsageError("which job?", next_step="flinkops upgrade JOB --savepoint …")
    if names_kubernetes(common.settings) and not common.settings.rest:
        from flinkops.cli.operator_plan import plan_for_operator
        from flinkops.plan.operator import Edit

        chosen = {"savepoint": savepoint, "last-state": last_state, "stateless": stateless}
        modes = [mode for mode, given in chosen.items() if given]
        if len(modes) > 1:
            raise UsageError(f"one mode, not {' and '.join(modes)}")
        edit = Edit(
            image=image,
            jar=jar,
            python_file=py,
            parallelism=parallelism,
            settings=dict(_pairs(settings or [])),
            arguments=_texts(arguments),
            mode=next(iter(modes), None),
        )
        return plan_for_operator(common, job, edit, Consent(plan, out, yes))
    if image is not None:
        raise UsageError("--image is for jobs of the Flink operator", next_step="name its cluster with --context")
    if last_state or stateless:
        raise Refused("without the operator only --savepoint keeps the state for sure")
    if not savepoint:
        raise UsageError("which mode?", next_step="give --savepoint")
    change = Change(parallelism, _pairs(settings or []), _texts(arguments), jar, entry_class, py)
    terms = Terms(target, savepoint_format, checkpoints)
    return _wished(common, job, Wish("upgrade", change, terms), Consent(plan, out, yes), book)


@with_common
def restart(
    common: Common,
    job: JobArgument,
    target: TargetOption = None,
    savepoint_format: FormatOption = "canonical",
    checkpoints: CheckpointsOption = 2,
    plan: PlanOption = False,
    out: OutOption = None,
    yes: YesOption = False,
    journal: JournalOption = None,
) -> None:
    """Stop a job with a savepoint and start it as it was from there."""
    from flinkops.act.prepare import Wish
    from flinkops.plan.redeploy import Terms

    wish = Wish("restart", terms=Terms(target, savepoint_format, checkpoints))
    _wished(common, job, wish, Consent(plan, out, yes), open_journal(journal))


@with_common
def rollback(
    common: Common,
    job: JobArgument,
    to: Annotated[
        str | None, typer.Option("--to", metavar="ID", help="Undo this action of `flinkops history`; else the last.")
    ] = None,
    target: TargetOption = None,
    savepoint_format: FormatOption = "canonical",
    checkpoints: CheckpointsOption = 2,
    plan: PlanOption = False,
    out: OutOption = None,
    yes: YesOption = False,
    journal: JournalOption = None,
) -> None:
    """Back to how a job was submitted before its last upgrade, with the state it has now."""
    from flinkops.act.prepare import Wish
    from flinkops.plan.redeploy import Terms

    wish = Wish("rollback", terms=Terms(target, savepoint_format, checkpoints), undo=to)
    _wished(common, job, wish, Consent(plan, out, yes), open_journal(journal))


@with_common
def suspend(
    common: Common,
    job: JobArgument,
    target: TargetOption = None,
    savepoint_format: FormatOption = "canonical",
    plan: PlanOption = False,
    out: OutOption = None,
    yes: YesOption = False,
    journal: JournalOption = None,
) -> None:
    """Stop a job with a savepoint; `flinkops resume` starts it from there."""
    from flinkops.act.prepare import Wish
    from flinkops.plan.redeploy import Terms

    wish = Wish("suspend", terms=Terms(target, savepoint_format))
    _wished(common, job, wish, Consent(plan, out, yes), open_journal(journal))


@with_common
def resume(
    common: Common,
    job: JobArgument,
    jar: JarOption = None,
    entry_class: ClassOption = None,
    py: PyOption = None,
    arguments: ArgOption = None,
    settings: SetOption = None,
    parallelism: ParallelismOption = None,
    checkpoints: CheckpointsOption = 2,
    plan: PlanOption = False,
    out: OutOption = None,
    yes: YesOption = False,
    journal: JournalOption = None,
) -> None:
    """Start a job that was suspended, from its latest savepoint."""
    from flinkops.act.prepare import Wish
    from flinkops.plan.redeploy import Change, Terms

    change = Change(parallelism, _pairs(settings or []), _texts(arguments), jar, entry_class, py)
    wish = Wish("resume", change, Terms(checkpoints=checkpoints))
    _wished(common, job, wish, Consent(plan, out, yes), open_journal(journal))


def _wished(common: Common, job: str, wish: "Wish", consent: Consent, journal: "Journal") -> None:
    from flinkops.act.prepare import prepare

    with job_on_cluster(common, job) as (control, facts):
        made = prepare(control, journal, facts, wish, new_stamp(wish.verb))
        act(common, control, made, consent, journal)


def _unfinished_action(common: Common, journal: "Journal", plan_id: str | None, *, abandon: bool) -> None:
    """Go on with an unfinished action, whatever its verb, or give it up."""
    open_records = [record for record in journal.records() if record.resumable]
    if plan_id is None and not open_records:
        raise UsageError("nothing is unfinished", next_step="flinkops history shows what was done")
    record = open_records[-1] if plan_id is None else journal.record(plan_id)
    with control_of(endpoint_named(common, record.plan.target.source)) as control:
        hands = executor(common, control, journal)
        if abandon:
            hands.abandon(record.plan.id)
            common.say(f"{record.plan.id} will not be gone on with; the job is as it was left")
            return
        result = hands.resume(record.plan.id)
    report(common, record.plan, result)
    raise typer.Exit(exit_code(result))


def _texts(given: list[str] | None) -> tuple[str, ...] | None:
    return None if given is None or not given else tuple(given)


def _pairs(given: list[str]) -> dict[str, str]:
    pairs = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"--set {text}: KEY=VALUE is expected")
        pairs[key] = value
    return pairs
