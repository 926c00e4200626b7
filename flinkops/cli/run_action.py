"""What all commands that change something share: find the job, show the plan, confirm, carry out, report."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flinkops.cli.options import Common
from flinkops.errors import ExitCode, Interrupted, Refused, Unreachable, UsageError

if TYPE_CHECKING:
    from flinkops.act.executor import Executor, Progress
    from flinkops.act.journal import Journal
    from flinkops.act.rest.control import RestControl
    from flinkops.model.endpoint import RestEndpoint
    from flinkops.model.facts import JobFacts
    from flinkops.model.plan import Plan, Result
    from flinkops.plan.identity import Stamp

ACTION_SECONDS = 600.0
"""--timeout of an action, unless it is given."""

JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="A name, or a Flink job id.")]
PlanOption = Annotated[bool, typer.Option("--plan", help="Show what would happen, and stop.")]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Save the plan for `flinkops apply FILE`, and stop.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask. Preconditions are checked all the same.")]
JournalOption = Annotated[
    Path | None,
    typer.Option("--journal", metavar="DIR", envvar="FLINKOPS_JOURNAL", help="Where the journal is kept."),
]


@dataclass(frozen=True)
class Consent:
    """How the user wants to be asked."""

    only_plan: bool = False
    out: Path | None = None
    yes: bool = False


def open_journal(folder: Path | None) -> "Journal":
    """The journal in `folder`, else the user's own."""
    from flinkops.act.journal import Journal, default_folder
    from flinkops.clock import SystemClock

    return Journal(folder.expanduser() if folder else default_folder(), SystemClock())


def new_stamp(verb: str) -> "Stamp":
    """A fresh stamp; its command is the command line of this process."""
    import secrets
    import shlex

    from flinkops.clock import SystemClock
    from flinkops.plan.identity import stamp

    return stamp(verb, SystemClock().now_ms(), secrets.token_bytes(3), shlex.join(["flinkops", *sys.argv[1:]]))


def rest_targets(common: Common) -> list["RestEndpoint"]:
    """The REST endpoints that the settings name, else the running embedded fleet's.

    Raises Refused when a Kubernetes cluster is named: an action meant for it must not reach another Flink.
    """
    from flinkops.cli.targets import embedded_endpoint, names_kubernetes, rest_endpoints

    endpoints = rest_endpoints(common.settings)
    if not endpoints and names_kubernetes(common.settings):
        raise Refused("this command is for Flink's REST API, not for custom resources", next_step="give --rest URL")
    if not endpoints and (fleet := embedded_endpoint()) is not None:
        endpoints = [fleet]
    if not endpoints:
        raise UsageError("no Flink cluster is named and no embedded fleet runs", next_step="give --rest URL")
    return endpoints


def endpoint_named(common: Common, source: str) -> "RestEndpoint":
    """The endpoint that a plan was made for. Raises UsageError when the settings do not name it."""
    endpoints = rest_targets(common)
    for endpoint in endpoints:
        if endpoint.name == source:
            return endpoint
    known = ", ".join(endpoint.name for endpoint in endpoints)
    raise UsageError(f"the plan is for {source}, named are: {known}", next_step="give its --rest URL")


@contextmanager
def control_of(endpoint: "RestEndpoint") -> Iterator["RestControl"]:
    """The cluster behind an endpoint."""
    from flinkops.act.rest.control import RestControl
    from flinkops.clock import SystemClock

    control = RestControl(endpoint, SystemClock())
    try:
        yield control
    finally:
        control.close()


@contextmanager
def job_on_cluster(common: Common, wanted: str) -> Iterator[tuple["RestControl", "JobFacts"]]:
    """The cluster that has the job, and a close look at it.

    Raises UsageError when no job or several answer to `wanted`, Unreachable when no cluster answers.
    """
    from flinkops.cli.operator_targets import resource_on_cluster, targets_kubernetes

    if targets_kubernetes(common):
        with resource_on_cluster(common, wanted) as (kube, seen):
            yield kube, (kube.job(seen.id) if seen.vertices else None) or seen
        return
    endpoint, job_id = _find(rest_targets(common), wanted)
    with control_of(endpoint) as control:
        job = control.job(job_id)
        if job is None:
            raise Unreachable(f"job {wanted} disappeared from {endpoint.name} just now", next_step="look again")
        yield control, job


def _find(endpoints: Sequence["RestEndpoint"], wanted: str) -> tuple["RestEndpoint", str]:
    """A job that still lives, else the newest that has ended."""
    from flinkops.cli.targets import pick_job
    from flinkops.model.identity import matching

    by_name = {endpoint.name: endpoint for endpoint in endpoints}
    jobs: list[JobFacts] = []
    problems: list[str] = []
    for endpoint in endpoints:
        with control_of(endpoint) as control:
            try:
                jobs.extend(control.jobs())
            except Unreachable as problem:
                problems.append(problem.what)
    if len(problems) == len(endpoints):
        raise Unreachable("; ".join(problems))
    ended = [job for job in jobs if job.ended_ms is not None]
    candidates = [job for job in jobs if job.ended_ms is None]
    if not matching(candidates, wanted):
        newest = max(matching(ended, wanted), key=lambda job: job.started_ms or 0, default=None)
        candidates = jobs if newest is None else [newest]
    picked = pick_job(candidates, wanted)
    return by_name[picked.cluster], picked.id


def act(
    common: Common,
    control: "RestControl",
    plan: "Plan",
    consent: Consent,
    journal: "Journal",
) -> None:
    """Plan shown, confirmed, carried out, reported; ends the process with the outcome's exit code."""
    from flinkops.plan.identity import encode_plan_file

    if consent.only_plan or consent.out is not None:
        if consent.out is not None:
            _save(consent.out, encode_plan_file(plan))
            common.say(f"saved; run it with: flinkops apply {consent.out}")
        report(common, plan, None)
        raise typer.Exit(ExitCode.REFUSED if plan.refused else ExitCode.OK)
    if plan.refused:
        if document_format(common):
            report(common, plan, None)
        raise Refused("; ".join(plan.refused))
    hands = executor(common, control, journal)
    hands.refuse_unfit(plan)
    _confirm(plan, consent)
    result = hands.run(plan)
    report(common, plan, result)
    raise typer.Exit(exit_code(result))


def executor(common: Common, control: "RestControl", journal: "Journal") -> "Executor":
    """The executor with this command's settings."""
    import shlex

    from flinkops.act.actions import ACTIONS
    from flinkops.act.executor import Executor
    from flinkops.act.journal import default_folder
    from flinkops.cli.guarding import guard_at
    from flinkops.clock import SystemClock

    options = _target_options(common)
    if journal.folder != default_folder():
        options += ["--journal", str(journal.folder)]
    return Executor(
        control,
        journal,
        SystemClock(),
        ACTIONS,
        guard=guard_at(common.settings, control.name, [control.url]),
        timeout_seconds=common.settings.timeout_seconds or ACTION_SECONDS,
        poll_seconds=control.poll_seconds,
        progress=lambda progress: _tell(common, progress),
        go_on_options=shlex.join(options),
    )


def _target_options(common: Common) -> list[str]:
    """What the command that goes on has to be told about where the job is."""
    settings = common.settings
    named = {"--rest": settings.rest, "--context": settings.contexts, "--kubeconfig": settings.kubeconfigs}
    return [part for option, values in named.items() for value in values for part in (option, value)]


def exit_code(result: "Result") -> ExitCode:
    """What the outcome is to a script."""
    if result.denied:
        return ExitCode.UNREACHABLE
    return {"verified": ExitCode.OK, "timed-out": ExitCode.TIMEOUT, "refused": ExitCode.REFUSED}.get(
        result.outcome, ExitCode.FAILED
    )


def report(common: Common, plan: "Plan", result: "Result | None") -> None:
    """Plan and result on stdout, in the format asked for."""
    if form := document_format(common):
        from flinkops.act.document import action_document

        emit_document(action_document(plan, result), form)
        return
    if common.settings.output == "name":
        if result is not None and result.outcome == "verified" and "savepoint" in result.seen:
            emit([result.seen["savepoint"]])
        return
    from flinkops.render.plan import plan_lines, result_lines

    emit(plan_lines(plan) if result is None else result_lines(plan, result))


def emit(lines: Sequence[str]) -> None:
    """Lines on stdout, made safe for a terminal."""
    from flinkops.render.text import clean

    for line in lines:
        typer.echo(clean(line))


def emit_document(document: Any, form: str) -> None:
    """A document on stdout: JSON on one line, or YAML."""
    import msgspec

    if form == "yaml":
        import yaml

        typer.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), nl=False)
        return
    typer.echo(msgspec.json.encode(document).decode())


def document_format(common: Common) -> str | None:
    """The format when a document is asked for, None for what people read."""
    form = common.settings.output
    return form if form in ("json", "jsonl", "yaml") else None


def _save(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as problem:
        raise UsageError(f"{path} cannot be written: {problem.strerror or problem}") from None


def _confirm(plan: "Plan", consent: Consent) -> None:
    from flinkops.render.plan import plan_lines

    if not consent.yes:
        ask_to_go_on(plan_lines(plan), plan.target.job_name if plan.severe else "")


def ask_to_go_on(lines: Sequence[str], typed: str = "") -> None:
    """Shows what would happen and asks; `typed` is what has to be typed where a yes is too little.

    Raises Refused when the person declines or nobody is there, Interrupted on Ctrl-C.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Refused("nobody is here to confirm it", next_step="give --yes, or look at it first with --plan")
    from flinkops.render.text import clean

    for line in lines:
        typer.echo(clean(line), err=True)
    try:
        agreed = _asked(typed)
    except typer.Abort:
        raise Interrupted("interrupted; nothing was changed") from None
    if not agreed:
        raise Refused("declined; nothing was changed")


def _asked(typed: str) -> bool:
    from flinkops.render.text import clean

    if typed:
        return str(typer.prompt(f"Type {clean(typed)} to go on", default="", show_default=False, err=True)) == typed
    return typer.confirm("Go on?", default=False, err=True)


def _tell(common: Common, progress: "Progress") -> None:
    """One plain line for each step that ends; on a terminal also one for each that begins."""
    from flinkops.model.quantities import human_seconds

    if progress.kind == "intent" and sys.stderr.isatty():
        common.say(f"  {progress.step} …")
    elif progress.kind == "outcome":
        took = human_seconds(progress.seconds)
        common.say(f"  {progress.step}: {progress.outcome} after {took}  {progress.text}")
