"""`flinkops upgrade`, `restart`, `rollback`, `suspend`, `resume`: changing a job without losing its state."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flinkops.cli.action_options import (
    ArgOption,
    BackupOption,
    CheckpointsOption,
    ClassOption,
    FormatOption,
    ImageOption,
    JarOption,
    KeepNonceOption,
    ManifestOption,
    ParallelismOption,
    PyOption,
    RedeployOption,
    SetOption,
    TargetOption,
    WatchOption,
    jar_here_or_there,
    operator_terms,
    pairs,
    texts,
)
from flinkops.cli.operator_targets import act_on_resource, control_of_source, spec_of_manifest, targets_kubernetes
from flinkops.cli.options import Common, with_common
from flinkops.cli.run_action import (
    Consent,
    JobArgument,
    JournalOption,
    OutOption,
    PlanOption,
    YesOption,
    act,
    executor,
    exit_code,
    job_on_cluster,
    new_stamp,
    open_journal,
    report,
)
from flinkops.errors import Refused, UsageError

if TYPE_CHECKING:
    from flinkops.act.journal import Journal
    from flinkops.act.rest.prepare import Wish


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
    image: ImageOption = None,
    manifest: ManifestOption = None,
    redeploy_from: RedeployOption = None,
    keep_nonce: KeepNonceOption = False,
    backup: BackupOption = False,
    target: TargetOption = None,
    savepoint_format: FormatOption = "canonical",
    checkpoints: CheckpointsOption = 2,
    watch_for: WatchOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an unfinished action.")] = False,
    abandon: Annotated[bool, typer.Option("--abandon", help="Give up an unfinished action.")] = False,
    max_unavailable: Annotated[
        str, typer.Option("--max-unavailable", metavar="N", help="With -l: so many at once, or a share such as 25%.")
    ] = "1",
    canary: Annotated[bool, typer.Option("--canary", help="With -l: the smallest first, alone.")] = False,
    plan: PlanOption = False,
    out: OutOption = None,
    yes: YesOption = False,
    journal: JournalOption = None,
) -> None:
    r"""Change a job: stop with a savepoint, start from it, see it work; else bring the old one back from it.

    \b
    flinkops upgrade price-aggregation --savepoint --parallelism 2
    flinkops upgrade -l team=pricing --savepoint --image shop/prices:7 --max-unavailable 3 --canary
    """
    book, consent = open_journal(journal), Consent(plan, out, yes)
    if resume or abandon:
        return _unfinished_action(common, book, job, abandon=abandon)
    mode = _one_mode({"savepoint": savepoint, "last-state": last_state, "stateless": stateless})
    _refuse_nameless(common, job, manifest)
    if targets_kubernetes(common):
        from flinkops.act.operator.prepare import ResourceWish
        from flinkops.act.operator.redeploy import NonceChoice
        from flinkops.plan.operator.predict import Edit

        edit = Edit(
            image=image,
            jar=jar,
            python_file=py,
            parallelism=parallelism,
            settings=dict(pairs(settings)),
            arguments=texts(arguments),
            mode=mode,
            manifest=None if manifest is None else spec_of_manifest(manifest, job or ""),
        )
        terms, choice = operator_terms(checkpoints, watch_for), NonceChoice(redeploy_from, keep_nonce)
        asked = ResourceWish("upgrade", edit, terms, backup=backup, nonce=choice)
        if job is not None:
            return act_on_resource(common, job, asked, consent, book)
        from flinkops.cli.many import Pace, upgrade_many

        return upgrade_many(common, asked, Pace(max_unavailable, canary), consent, book)
    if job is None:
        raise UsageError("-l chooses jobs of the Flink operator by their labels", next_step="name the job")
    only_there = {"--image": image, "--filename": manifest, "--backup-savepoint": backup}
    _refuse_without_operator(mode, {**only_there, "--redeploy-from": redeploy_from, "--keep-nonce": keep_nonce})
    from flinkops.act.rest.prepare import Wish
    from flinkops.plan.redeploy import Change, Terms

    change = Change(parallelism, pairs(settings), texts(arguments), jar_here_or_there(jar), entry_class, py)
    return _wished(common, job, Wish("upgrade", change, Terms(target, savepoint_format, checkpoints)), consent, book)


def _refuse_nameless(common: Common, job: str | None, manifest: Path | None) -> None:
    if job is None and manifest is not None:
        raise UsageError("which job? -f is the whole spec of one", next_step="flinkops upgrade JOB -f MANIFEST")
    if job is None and common.settings.selector is None:
        raise UsageError("which job?", next_step="flinkops upgrade JOB --savepoint …, or -l LABELS for many")


def _one_mode(chosen: dict[str, bool]) -> str | None:
    modes = [mode for mode, given in chosen.items() if given]
    if len(modes) > 1:
        raise UsageError(f"one mode, not {' and '.join(modes)}")
    return next(iter(modes), None)


def _refuse_without_operator(mode: str | None, only_with_operator: dict[str, object]) -> None:
    """What a plain REST cluster cannot do."""
    for option, given in only_with_operator.items():
        if given:
            raise UsageError(f"{option} is for jobs of the Flink operator", next_step="name its cluster with --context")
    if mode in ("last-state", "stateless"):
        raise Refused("without the operator only --savepoint keeps the state for sure")
    if mode is None:
        raise UsageError("which mode?", next_step="give --savepoint")


@with_common
def restart(
    common: Common,
    job: JobArgument,
    target: TargetOption = None,
    savepoint_format: FormatOption = "canonical",
    checkpoints: CheckpointsOption = 2,
    watch_for: WatchOption = None,
    plan: PlanOption = False,
    out: OutOption = None,
    yes: YesOption = False,
    journal: JournalOption = None,
) -> None:
    """Stop a job with a savepoint and start it as it was from there."""
    from flinkops.act.operator.prepare import ResourceWish
    from flinkops.act.rest.prepare import Wish
    from flinkops.plan.redeploy import Terms

    book, consent = open_journal(journal), Consent(plan, out, yes)
    if targets_kubernetes(common):
        asked = ResourceWish("restart", terms=operator_terms(checkpoints, watch_for))
        return act_on_resource(common, job, asked, consent, book)
    wish = Wish("restart", terms=Terms(target, savepoint_format, checkpoints))
    return _wished(common, job, wish, consent, book)


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
    watch_for: WatchOption = None,
    plan: PlanOption = False,
    out: OutOption = None,
    yes: YesOption = False,
    journal: JournalOption = None,
) -> None:
    """Back to how a job was submitted before its last upgrade, with the state it has now."""
    from flinkops.act.operator.prepare import ResourceWish
    from flinkops.act.rest.prepare import Wish
    from flinkops.plan.redeploy import Terms

    book, consent = open_journal(journal), Consent(plan, out, yes)
    if targets_kubernetes(common):
        asked = ResourceWish("rollback", terms=operator_terms(checkpoints, watch_for), undo=to)
        return act_on_resource(common, job, asked, consent, book)
    wish = Wish("rollback", terms=Terms(target, savepoint_format, checkpoints), undo=to)
    return _wished(common, job, wish, consent, book)


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
    from flinkops.act.operator.prepare import ResourceWish
    from flinkops.act.rest.prepare import Wish
    from flinkops.plan.redeploy import Terms

    book, consent = open_journal(journal), Consent(plan, out, yes)
    if targets_kubernetes(common):
        return act_on_resource(common, job, ResourceWish("suspend"), consent, book)
    return _wished(common, job, Wish("suspend", terms=Terms(target, savepoint_format)), consent, book)


@with_common
def resume(
    common: Common,
    job: JobArgument,
    start_from: Annotated[
        str | None,
        typer.Option("--from", metavar="PATH", help="This savepoint or checkpoint; else the job's latest savepoint."),
    ] = None,
    jar: JarOption = None,
    entry_class: ClassOption = None,
    py: PyOption = None,
    arguments: ArgOption = None,
    settings: SetOption = None,
    parallelism: ParallelismOption = None,
    checkpoints: CheckpointsOption = 2,
    watch_for: WatchOption = None,
    plan: PlanOption = False,
    out: OutOption = None,
    yes: YesOption = False,
    journal: JournalOption = None,
) -> None:
    """Start a job that was suspended or has died, from its latest savepoint or another one."""
    from flinkops.act.operator.prepare import ResourceWish
    from flinkops.act.rest.prepare import Wish
    from flinkops.plan.operator.predict import Edit
    from flinkops.plan.redeploy import Change, Terms

    book, consent = open_journal(journal), Consent(plan, out, yes)
    if targets_kubernetes(common):
        edit = Edit(
            jar=jar, python_file=py, parallelism=parallelism, settings=dict(pairs(settings)), arguments=texts(arguments)
        )
        asked = ResourceWish("resume", edit, operator_terms(checkpoints, watch_for), start_from=start_from)
        return act_on_resource(common, job, asked, consent, book)
    change = Change(parallelism, pairs(settings), texts(arguments), jar_here_or_there(jar), entry_class, py)
    wish = Wish("resume", change, Terms(checkpoints=checkpoints), start_from=start_from)
    return _wished(common, job, wish, consent, book)


def _wished(common: Common, job: str, wish: "Wish", consent: Consent, journal: "Journal") -> None:
    from flinkops.act.rest.prepare import prepare

    with job_on_cluster(common, job) as (control, facts):
        made = prepare(control, journal, facts, wish, new_stamp(wish.verb))
        act(common, control, made, consent, journal)


def _unfinished_action(common: Common, journal: "Journal", plan_id: str | None, *, abandon: bool) -> None:
    """Go on with an unfinished action, whatever its verb, or give it up."""
    open_records = [record for record in journal.records() if record.resumable]
    if plan_id is None and not open_records:
        raise UsageError("nothing is unfinished", next_step="flinkops history shows what was done")
    record = open_records[-1] if plan_id is None else journal.record(plan_id)
    with control_of_source(common, record.plan) as control:
        hands = executor(common, control, journal)
        if abandon:
            hands.abandon(record.plan.id)
            common.say(f"{record.plan.id} will not be gone on with; the job is as it was left")
            return
        result = hands.resume(record.plan.id)
    report(common, record.plan, result)
    raise typer.Exit(exit_code(result))
