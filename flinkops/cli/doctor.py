"""`flinkops doctor`: what is wrong, why, and what to do first."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flinkops.cli.complete import remember_names
from flinkops.cli.options import Common, OneJobArgument, with_common
from flinkops.cli.output import emit_text, is_terminal
from flinkops.errors import ExitCode, Unreachable, UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flinkops.diagnose.evidence import Evidence
    from flinkops.evidence_collector import PollingEvidenceCollector
    from flinkops.model.assessment import JobAssessment
    from flinkops.model.findings import Diagnosis


ReplayOption = Annotated[
    str | None, typer.Option("--replay", metavar="FILE", help="A recording or a bundle instead of the live fleet.")
]
BundleOption = Annotated[
    str | None, typer.Option("--bundle", metavar="FILE.tar.gz", help="Also keep all evidence; secrets withheld.")
]
LogsOption = Annotated[
    bool, typer.Option("--logs", help="In the bundle: all lines of the logs, not only from WARN on.")
]
WhyNotOption = Annotated[
    str | None, typer.Option("--why-not", metavar="CODE", help="What the rule of this code asked, and what it missed.")
]
SelfOption = Annotated[bool, typer.Option("--self", help="Check reach, permissions and versions instead of jobs.")]
ExitCodeOption = Annotated[bool, typer.Option("--exit-code", help="Exit with 10 when a finding is more than info.")]


@with_common
def doctor(
    common: Common,
    job: OneJobArgument = None,
    replay: ReplayOption = None,
    bundle: BundleOption = None,
    logs: LogsOption = False,
    why_not: WhyNotOption = None,
    self_check: SelfOption = False,
    exit_code: ExitCodeOption = False,
) -> None:
    r"""Ranked causes with evidence, remedy and next command; and what could not be assessed, with the reason.

    \b
    flinkops doctor                         every job, in one poll
    flinkops doctor orders                  one job in depth, flame graphs too: about ten seconds
    flinkops doctor orders -o json
    flinkops doctor --replay incident.rec
    flinkops doctor orders --why-not key-skew
    flinkops doctor orders --bundle case.tar.gz      of logs: warnings, errors, stack traces; with --logs all
    """
    if self_check:
        _check_self(common)
        return
    if why_not is not None:
        _check_code(why_not)
    _check_bundle(bundle, logs=logs)
    evidence, ends_of_logs = _replayed(common, replay, job) if replay is not None else _examined(common, job, bundle)
    if why_not is not None:
        _explain(common, evidence, why_not)
        return
    diagnoses = _diagnosed(evidence)
    if bundle is not None:
        _write(common, Path(bundle), evidence, diagnoses, ends_of_logs, whole_logs=logs)
    _print(common, diagnoses)
    if exit_code and any(each.severity != "info" for found in diagnoses for each in found.findings):
        raise typer.Exit(ExitCode.NOT_HEALTHY)


def _check_bundle(bundle: str | None, *, logs: bool) -> None:
    """Raises UsageError for a file that is there, and for logs that would stand in none."""
    if logs and bundle is None:
        raise UsageError("--logs is for a bundle", next_step="flinkops doctor --bundle FILE.tar.gz --logs")
    if bundle is not None:
        from flinkops.bundle import check_free

        check_free(Path(bundle))


def _check_code(code: str) -> None:
    """Raises UsageError for a code that no rule has, with those that there are."""
    from flinkops.diagnose.rules import RULES

    if code not in RULES:
        hint = did_you_mean(code, RULES, f"one of {', '.join(RULES)}")
        raise UsageError(f'no rule of the doctor has the code "{code}"', next_step=hint)


def _explain(common: Common, evidence: "Sequence[Evidence]", code: str) -> None:
    from flinkops.cli.output import emit_document
    from flinkops.diagnose.diagnosis import why_not
    from flinkops.render.doctor import answers_document, answers_text

    answers = [(each.job.name, why_not(each, code)) for each in evidence]
    if common.settings.output in ("json", "jsonl", "yaml"):
        emit_document(answers_document(answers), common.settings.output)
    else:
        emit_text(answers_text(answers))


def _check_self(common: Common) -> None:
    from flinkops.cli.self_check import self_check

    raise typer.Exit(int(self_check(common)))


def _examined(common: Common, job: str | None, bundle: str | None) -> "tuple[list[Evidence], dict[str, str]]":
    """Live: the whole fleet in one poll, or one job in depth; the ends of the logs where they are to be kept."""
    from flinkops.act.job_choice import pick_job
    from flinkops.act.timeline import with_actions
    from flinkops.cli.targets import journal_at_hand, open_observer
    from flinkops.evidence_collector import PollingEvidenceCollector

    def pick(jobs: "Sequence[JobAssessment]") -> "list[JobAssessment]":
        if not jobs:
            _say_sources(common, examiner)
        return [pick_job(jobs, job or "")]

    observer = open_observer(common)
    try:
        examiner = PollingEvidenceCollector(observer)
        if job is None:
            evidence = examiner.fleet()
        else:
            common.say("flinkops: two polls and the flame graphs of the busiest vertices: some ten seconds")
            evidence = examiner.jobs(pick)
        _say_sources(common, examiner)
        evidence = examiner.with_events(evidence)
        if (journal := journal_at_hand()) is not None:
            evidence = with_actions(evidence, journal)
        return evidence, examiner.logs(evidence) if bundle is not None else {}
    finally:
        remember_names(common.settings, observer.job_names)
        observer.close()


def _say_sources(common: Common, examiner: "PollingEvidenceCollector") -> None:
    """Which sources did not answer; raises Unreachable when none did."""
    failed = [each for each in examiner.sources_seen if each.state not in ("ok", "stale")]
    lines = [f"{each.name} is {each.state}: {each.error or 'no reason given'}" for each in failed]
    if failed and len(failed) == len(examiner.sources_seen):
        raise Unreachable("; ".join(lines), next_step="flinkops doctor --self checks reach and permissions")
    for line in lines:
        common.say(f"flinkops: {line}")


def _replayed(common: Common, replay: str, job: str | None) -> "tuple[list[Evidence], dict[str, str]]":
    """All polls of a recording, judged at its last one; or the evidence of a bundle."""
    from flinkops.act.job_choice import pick_job
    from flinkops.bundle import describe, read_evidence
    from flinkops.evidence_collector import from_observation
    from flinkops.recording import Replay, is_recording

    if is_recording(replay):
        from flinkops.act.timeline import with_recording
        from flinkops.observer import Observer

        recording = Replay(replay)
        observer = Observer(recording, common.settings.policy)
        try:
            observation = observer.observe()
            while not recording.at_end:
                observation = observer.observe()
        finally:
            observer.close()
        evidence = with_recording(from_observation(observation), replay, common.settings.policy)
    else:
        evidence = read_evidence(Path(replay))
    common.say(f"flinkops: {describe(evidence)}, from {replay}")
    if job is None:
        return evidence, {}
    chosen = pick_job([each.assessment for each in evidence], job)
    return [each for each in evidence if each.assessment is chosen], {}


def _diagnosed(evidence: "Sequence[Evidence]") -> "list[Diagnosis]":
    """Worst first."""
    from flinkops.diagnose.fleet import diagnose_fleet

    return diagnose_fleet(evidence)


def _write(
    common: Common,
    path: Path,
    evidence: "Sequence[Evidence]",
    diagnoses: "Sequence[Diagnosis]",
    logs: dict[str, str],
    *,
    whole_logs: bool,
) -> None:
    from flinkops.bundle import write_bundle
    from flinkops.render.doctor import doctor_json

    write_bundle(path, evidence, doctor_json(diagnoses), logs, whole_logs=whole_logs)
    jobs = "1 job" if len(evidence) == 1 else f"{len(evidence)} jobs"
    common.say(f"flinkops: {path}: {jobs}, ends of {len(logs)} logs; names are in it, secrets are not")


def _print(common: Common, diagnoses: "Sequence[Diagnosis]") -> None:
    from flinkops.render.doctor import FORMATS, doctor_text

    wanted = common.settings.output or "table"
    if wanted in ("table", "wide") and is_terminal(sys.stdout):
        import os
        import shutil

        cells = shutil.get_terminal_size().columns
        text = doctor_text(diagnoses, wide=wanted == "wide", cells=cells, colour="NO_COLOR" not in os.environ)
    else:
        text = FORMATS[wanted](diagnoses)
    emit_text(text)
