"""`flinkops upgrade -l LABELS`: the same change for many jobs, in waves, until the first that does not go well."""

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from flinkops.cli.action_options import Consent
from flinkops.cli.options import Common
from flinkops.cli.output import emit, emit_document
from flinkops.cli.run_action import ask_to_go_on, backend, document_format, executor, new_stamp, open_journal
from flinkops.errors import ExitCode, FlinkopsError, Interrupted, OperationFailed, Refused, UsageError

if TYPE_CHECKING:
    from flinkops.act.backend import Backend
    from flinkops.act.control import JobControl
    from flinkops.act.journal import Journal
    from flinkops.model.facts import JobFacts
    from flinkops.model.plan import Plan, Result
    from flinkops.model.request import ActionRequest
    from flinkops.plan.waves import Ended, Summary, Wave


@dataclass(frozen=True)
class Pace:
    """How many at once (a number, or a share such as 25%), and whether one goes first alone."""

    max_unavailable: str = "1"
    canary: bool = False


@dataclass(frozen=True)
class _ForJob(Common):
    """Says whose progress it is."""

    job: str = ""

    def say(self, text: str) -> None:
        super().say(f"{self.job}: {text.strip()}")


@dataclass(frozen=True)
class _Member:
    """One job with its plan and the way to it."""

    key: str
    job: "JobFacts"
    plan: "Plan"
    control: "JobControl"
    changes: bool


def request_for_many(
    common: Common, request: "ActionRequest", pace: Pace, consent: Consent, journal_folder: Path | None
) -> None:
    """All plans first, shown and agreed to as one; then wave after wave. Ends the process with an exit code.

    0: all verified; 1: one failed, and what had not begun was not begun; 5: refused, nothing was changed. Jobs that
    are already as asked are left alone, so the same command does the rest after a failure. With a rehearsal one goes
    first alone, and rehearses for all that get the same change to the same program.
    """
    from flinkops.plan.waves import summarise

    if consent.out is not None:
        raise UsageError("--out keeps the plan of one job", next_step="give --plan to see them all")
    place, journal = backend(common), open_journal(journal_folder)
    place.prerequisites(request)
    jobs = place.labelled()
    if not jobs:
        raise OperationFailed(f"no job has the labels {common.settings.selector}", next_step="flinkops status -A")
    with ExitStack() as stack:
        members = [_planned(common, place, job, request, journal, stack) for job in jobs]
        members, waves = _in_waves(members, pace, rehearse=request.terms.rehearse)
        _agree(common, members, waves, consent, journal)
        results = _carry_out(common, {one.key: one for one in members}, waves, journal)
        ended = {key: _outcome(found) for key, found in results.items()}
        summary = summarise(waves, ended)
        _show(common, members, waves, results, summary)
        raise typer.Exit(_exit_code(summary, ended))


def _in_waves(members: list[_Member], pace: Pace, *, rehearse: bool) -> "tuple[list[_Member], Sequence[Wave]]":
    """The order in which they are changed; where one rehearses for others, their plans do not."""
    from flinkops.plan.operator.rehearsal_once import rehearsed_once
    from flinkops.plan.waves import Member, max_unavailable, plan_waves

    moving = [one for one in members if one.changes]
    most = max_unavailable(pace.max_unavailable, len(members))
    sizes = [Member(one.key, _parallelism(one.job)) for one in moving]
    waves = plan_waves(sizes, most_at_once=most, canary=pace.canary or rehearse)
    plans = rehearsed_once(waves, {one.key: one.plan for one in moving})
    return [replace(one, plan=plans.get(one.key, one.plan)) for one in members], waves


def _agree(
    common: Common, members: list[_Member], waves: "Sequence[Wave]", consent: Consent, journal: "Journal"
) -> None:
    """Returns where all may be carried out; else shows the plans and ends the process."""
    moving = [one for one in members if one.changes]
    refused = {one.key: one.plan.refused for one in moving if one.plan.refused}
    if consent.only_plan or refused or not waves:
        _show(common, members, waves, {}, None)
        if refused:
            raise Refused("; ".join(f"{key}: {', '.join(why)}" for key, why in refused.items()))
        raise typer.Exit(ExitCode.OK)
    for one in moving:
        executor(common, one.control, journal).refuse_unfit(one.plan)
    if not consent.yes:
        severe = any(one.plan.severe for one in moving)
        ask_to_go_on(_plan_lines(members, waves), (common.settings.selector or "") if severe else "")


def _planned(
    common: Common, place: "Backend", job: "JobFacts", request: "ActionRequest", journal: "Journal", stack: ExitStack
) -> _Member:
    key = f"{job.namespace}/{job.name}"
    handle = stack.enter_context(place.reach_job(job))
    try:
        made = handle.plan(request, journal, new_stamp(request.verb))
    except UsageError as problem:
        beside = problem.next_step or "leave it out by its labels: -l '…,type!=…'; nothing was changed"
        raise UsageError(f"{key}: {problem.what}", next_step=beside) from None
    return _Member(key, job, made.plan, handle.control, made.changes)


def _carry_out(
    common: Common, members: dict[str, _Member], waves: "Sequence[Wave]", journal: "Journal"
) -> "dict[str, Result | FlinkopsError]":
    """Wave after wave, each one's jobs at once; what ended how. Raises Interrupted on Ctrl-C."""
    from flinkops.plan.waves import next_wave

    found: dict[str, Result | FlinkopsError] = {}

    def run(key: str) -> None:
        found[key] = _one(common, members[key], journal)

    while (wave := next_wave(waves, {key: _outcome(one) for key, one in found.items()})) is not None:
        common.say(f"wave {waves.index(wave) + 1} of {len(waves)}: {', '.join(wave)}")
        # Daemons: after Ctrl-C nobody waits for them. To the journal that is a kill at some step.
        threads = [threading.Thread(target=run, args=(key,), name=f"upgrade {key}", daemon=True) for key in wave]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:
            from flinkops.outside.shell import shell_command

            open_ones = [members[key].plan.id for key in wave if key not in found]
            raise Interrupted(
                f"interrupted while {', '.join(wave)} were changed; the operator keeps them running",
                next_step="; ".join(shell_command("flinkops", "action", "resume", each) for each in open_ones)
                or "the same command again",
            ) from None
    return found


def _one(common: Common, member: _Member, journal: "Journal") -> "Result | FlinkopsError":
    mine = _ForJob(common.settings, common.quiet, common.debug, job=member.key)
    try:
        return executor(mine, member.control, journal).run(member.plan)
    except FlinkopsError as problem:
        mine.say(problem.line())
        return problem
    except Exception as problem:  # noqa: BLE001 - a mistake in one thread must not pass for a success
        return OperationFailed(f"unexpected {type(problem).__name__}: {problem}")


def _outcome(found: "Result | FlinkopsError") -> "Ended":
    if not isinstance(found, FlinkopsError):
        return found.outcome
    return "refused" if isinstance(found, Refused) else "interrupted" if isinstance(found, Interrupted) else "failed"


def _exit_code(summary: "Summary", ended: "dict[str, Ended]") -> ExitCode:
    if summary.good:
        return ExitCode.OK
    outcomes = {ended[key] for key in summary.failed}
    if not summary.verified and outcomes == {"refused"}:
        return ExitCode.REFUSED
    return ExitCode.TIMEOUT if outcomes == {"timed-out"} else ExitCode.FAILED


def _parallelism(job: "JobFacts") -> int | None:
    return max((vertex.parallelism for vertex in job.vertices), default=None)


def _show(
    common: Common,
    members: "Sequence[_Member]",
    waves: "Sequence[Wave]",
    results: "dict[str, Result | FlinkopsError]",
    summary: "Summary | None",
) -> None:
    if form := document_format(common):
        emit_document(_document(members, waves, results, summary), form)
    elif summary is None:
        emit(_plan_lines(members, waves))
    else:
        emit(_summary_lines(summary, results))


def _plan_lines(members: "Sequence[_Member]", waves: "Sequence[Wave]") -> list[str]:
    by_key = {one.key: one for one in members}
    lines = []
    for number, wave in enumerate(waves, 1):
        lines.append(f"wave {number} of {len(waves)}")
        for key in wave:
            plan = by_key[key].plan
            lines.append(f"  {key}: {plan.effective_mode}; {'; '.join(plan.diff)}")
            lines += [f"    risk: {risk}" for risk in plan.risks]
            lines += [f"    refused: {why}" for why in plan.refused]
    lines += [f"already as asked: {one.key}" for one in members if not one.changes]
    return lines


def _summary_lines(summary: "Summary", results: "dict[str, Result | FlinkopsError]") -> list[str]:
    lines = [f"verified: {key}" for key in summary.verified]
    for key in summary.failed:
        found = results[key]
        why = found.line() if isinstance(found, FlinkopsError) else found.error or ""
        lines.append(f"{_outcome(found)}: {key}: {why}".rstrip(": "))
    lines += [f"not begun: {key}" for key in summary.not_started]
    return lines


def _document(
    members: "Sequence[_Member]",
    waves: "Sequence[Wave]",
    results: "dict[str, Result | FlinkopsError]",
    summary: "Summary | None",
) -> dict[str, Any]:
    """The contract's document for each job, by its name, and what they come to."""
    import msgspec

    from flinkops.act.document import action_document

    jobs = {}
    for one in members:
        found = results.get(one.key)
        jobs[one.key] = action_document(one.plan, None if isinstance(found, FlinkopsError) else found)
        if isinstance(found, FlinkopsError):
            jobs[one.key]["error"] = found.line()
    return {
        "schema_version": 1,
        "waves": [list(wave) for wave in waves],
        "unchanged": [one.key for one in members if not one.changes],
        "jobs": jobs,
        "summary": None if summary is None else msgspec.to_builtins(summary),
    }
