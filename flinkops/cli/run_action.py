"""What all commands that change something share: find the job, show the plan, confirm, carry out, report."""

import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from flinkops.cli.action_options import Consent
from flinkops.cli.options import Common
from flinkops.cli.output import emit, emit_document, is_terminal, say
from flinkops.errors import ExitCode, Interrupted, OperationFailed, Refused, UsageError
from flinkops.outside.shell import shell_command, shell_word, shell_words
from flinkops.user_folders import absolute, with_home

if TYPE_CHECKING:
    from flinkops.act.backend import Backend
    from flinkops.act.control import PlaceControl
    from flinkops.act.executor import Executor, Progress
    from flinkops.act.journal import Journal
    from flinkops.model.plan import Plan, Result
    from flinkops.model.request import ActionRequest
    from flinkops.plan.identity import Stamp


def open_journal(folder: Path | None) -> "Journal":
    """The journal in `folder`, else the user's own."""
    from flinkops.act.journal import Journal, default_folder
    from flinkops.clock import SystemClock

    return Journal(with_home(folder) if folder else default_folder(), SystemClock())


def new_stamp(verb: str) -> "Stamp":
    """A fresh stamp; its command is the command line of this process."""
    import secrets

    from flinkops.clock import SystemClock
    from flinkops.plan.identity import stamp

    return stamp(verb, SystemClock().now_ms(), secrets.token_bytes(3), shell_command("flinkops", *sys.argv[1:]))


def backend(common: Common) -> "Backend":
    """The back end that the settings mean."""
    from flinkops.act.backends import backend_for
    from flinkops.clock import SystemClock

    return backend_for(common.settings, SystemClock())


def request_action(
    common: Common, job: str, request: "ActionRequest", consent: Consent, journal_folder: Path | None
) -> None:
    """Find the job, plan, show, confirm, carry out, report; ends the process with the outcome's exit code."""
    if consent.out is not None:
        refuse_shared_plan(consent.out)
    place, journal = backend(common), open_journal(journal_folder)
    place.prerequisites(request)
    with place.reach(job) as handle:
        made = handle.plan(request, journal, new_stamp(request.verb))
        if (consent.only_plan or consent.out) and made.by_hand:
            common.say(made.by_hand)
        act(common, handle.control, made.plan, consent, journal)


def act(
    common: Common,
    control: "PlaceControl",
    plan: "Plan",
    consent: Consent,
    journal: "Journal",
) -> None:
    """Plan shown, confirmed, carried out, reported; ends the process with the outcome's exit code."""
    from flinkops.plan.identity import encode_plan_file

    if consent.only_plan or consent.out is not None:
        if consent.out is not None:
            _save(consent.out, encode_plan_file(plan))
            common.say(f"saved; run it with: flinkops apply {shell_word(str(consent.out))}")
        report(common, plan, None)
        raise typer.Exit(ExitCode.REFUSED if plan.refused else ExitCode.OK)
    if plan.refused:
        if document_format(common):
            report(common, plan, None)
        raise Refused("; ".join(plan.refused))
    runner = executor(common, control, journal)
    runner.refuse_unfit(plan)
    _confirm(plan, consent)
    result = runner.run(plan)
    try:
        report(common, plan, result)
    except OperationFailed:  # stdout takes nothing: what was done is said where words go
        common.say(f"{plan.id}: {result.outcome}{f'; {result.error}' if result.error else ''}; flinkops history has it")
        raise
    raise typer.Exit(exit_code(result))


def executor(common: Common, control: "PlaceControl", journal: "Journal") -> "Executor":
    """The executor with this command's settings."""
    from flinkops.act.backend import named_in
    from flinkops.act.executor import Executor
    from flinkops.act.running import ACTION_SECONDS
    from flinkops.cli.guarding import guard_at
    from flinkops.clock import SystemClock
    from flinkops.sources.storage.stores import Stores

    options = list(named_in(common.settings))
    if not _is_default(journal.folder):
        options += ["--journal", str(journal.folder)]
    return Executor(
        control,
        journal,
        SystemClock(),
        stores=Stores(common.settings.storage),
        guard=guard_at(common.settings, control.name, [control.url]),
        timeout_seconds=common.settings.timeout_seconds or ACTION_SECONDS,
        poll_seconds=control.poll_seconds,
        progress=lambda progress: _tell(common, progress),
        resume_options=shell_words(options),
    )


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
        if result is not None and result.outcome == "verified" and (savepoint := result.found.savepoint) is not None:
            emit([savepoint])
        return
    from flinkops.render.plan import plan_lines, result_lines

    emit(plan_lines(plan) if result is None else result_lines(plan, result))


def document_format(common: Common) -> str | None:
    """The format when a document is asked for, None for what people read."""
    form = common.settings.output
    return form if form in ("json", "jsonl", "yaml") else None


def _is_default(folder: Path) -> bool:
    from flinkops.act.journal import default_folder

    try:
        return folder == default_folder()
    except UsageError:  # no home folder: it was named
        return False


def refuse_shared_plan(path: Path) -> None:
    """Raises Refused when a plan would be saved where others can read: it holds arguments and settings as they are."""
    from flinkops.private_file import refuse_shared_folder

    refuse_shared_folder(absolute(path).parent, instead="mkdir -m 700 plans, and --out plans/FILE")


def _save(path: Path, content: bytes) -> None:
    from flinkops.private_file import write_private

    refuse_shared_plan(path)
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        write_private(path, content)
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
    if not is_terminal(sys.stdin, sys.stderr):
        raise Refused("nobody is here to confirm it", next_step="give --yes, or see it first with --plan")
    for line in lines:
        say(line)
    try:
        agreed = _asked(typed)
    except typer.Abort:
        raise Interrupted("interrupted; nothing was changed") from None
    if not agreed:
        raise Refused("declined; nothing was changed")


def _asked(typed: str) -> bool:
    from flinkops.render.text import clean

    if typed:
        return str(typer.prompt(f"Type {clean(typed)} to proceed", default="", show_default=False, err=True)) == typed
    return typer.confirm("Proceed?", default=False, err=True)


def _tell(common: Common, progress: "Progress") -> None:
    """One plain line for each step that ends; on a terminal also one for each that begins."""
    from flinkops.model.quantities import human_seconds

    if progress.kind == "intent" and is_terminal(sys.stderr):
        common.say(f"  {progress.step} …")
    elif progress.kind == "outcome":
        took = human_seconds(progress.seconds)
        common.say(f"  {progress.step}: {progress.outcome} after {took}  {progress.text}")
