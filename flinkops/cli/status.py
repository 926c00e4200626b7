"""`flinkops status`: the fleet in one table."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from flinkops.cli.complete import remember_names
from flinkops.cli.keeping import KeepOption, open_keeper
from flinkops.cli.options import Common, OneJobArgument, with_common
from flinkops.cli.output import emit_text, is_terminal
from flinkops.cli.repeat import repeated
from flinkops.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flinkops.model.assessment import FleetAssessment
    from flinkops.observer import Observer


@with_common
def status(
    common: Common,
    job: OneJobArgument = None,
    once: Annotated[bool, typer.Option("--once", help="One poll, on a terminal too.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Poll again each interval, until Ctrl-C.")] = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 10 unless all is healthy.")] = False,
    replay: Annotated[
        str | None, typer.Option("--replay", metavar="FILE", help="A recording instead of the live fleet.")
    ] = None,
    keep: KeepOption = None,
) -> None:
    r"""The health of every job, worst first: on a terminal the TUI, else one snapshot.

    \b
    flinkops status                           the TUI
    flinkops status -o json                   one document (schema_version 1)
    flinkops status -o jsonl --watch          a line a job, again and again
    flinkops status orders --once             one job
    flinkops status --replay incident.rec     what was recorded
    flinkops status --keep 2h                 with the last hours on disk, for flinkops record --last
    """
    later: list[str] = []
    on_screen = _on_screen(common, once=once or watch or exit_code)
    observer = _open(common, replay, keep, later.append if on_screen else common.say)
    try:
        if on_screen:
            _run_tui(common, observer, job)
            return
        code = ExitCode.OK
        fleets = _replayed(observer, watch=watch) if replay is not None else _polls(common, observer, watch=watch)
        for fleet in fleets:
            code = _show(common, fleet, job)
    finally:
        if replay is None:
            remember_names(common.settings, observer.job_names)
        observer.close()
        for line in later:  # what could not be said over the screen
            common.say(line)
    if code == ExitCode.UNREACHABLE or (exit_code and code):
        raise typer.Exit(code)


def _run_tui(common: Common, observer: "Observer", job: str | None) -> None:
    from flinkops.allocator import give_back_memory
    from flinkops.cli.guarding import guarded_patterns
    from flinkops.tui import run
    from flinkops.tui.links import Links

    give_back_memory()
    settings = common.settings
    run(
        observer,
        interval_seconds=settings.interval_seconds,
        guarded=guarded_patterns(settings, getattr(observer.collector, "sources", ())),
        job=job,
        links=Links(settings.links, settings.alerts.runbook_base_url, settings.alerts.grafana_url),
        storage=settings.storage,
        rehearse=settings.rehearse,
    )


def _open(common: Common, replay: str | None, keep: str | None, say: "Callable[[str], None]") -> "Observer":
    if replay is None:
        from flinkops.cli.targets import open_observer

        return open_observer(common, keep=lambda: open_keeper(keep, None, say))
    if keep is not None:
        raise UsageError("--keep is for the live fleet", next_step="leave it out with --replay")
    from flinkops.observer import Observer
    from flinkops.recording import Replay

    return Observer(Replay(replay), common.settings.policy)


def _polls(common: Common, observer: "Observer", *, watch: bool) -> "Iterator[FleetAssessment]":
    """One poll, or one after the other."""
    if watch:
        for observation in repeated(observer.observe, common.settings.interval_seconds):
            yield observation.assessment
    else:
        yield observer.observe().assessment


def _replayed(observer: "Observer", *, watch: bool) -> "Iterator[FleetAssessment]":
    """Of a recording the last frame, or all of them as fast as they are read."""
    from flinkops.recording import Replay

    recording = observer.collector
    assert isinstance(recording, Replay)
    while not recording.at_end:
        fleet = observer.observe().assessment
        if watch or recording.at_end:
            yield fleet


def _on_screen(common: Common, *, once: bool) -> bool:
    """The TUI needs a terminal on both ends, and that nothing else was asked for."""
    return not once and common.settings.output is None and is_terminal(sys.stdin, sys.stdout)


def _show(common: Common, fleet: "FleetAssessment", job: str | None) -> ExitCode:
    """Print one snapshot; says what `--exit-code` makes of it."""
    from flinkops.act.job_choice import pick_job

    answered = any(source.state in ("ok", "stale") for source in fleet.sources)
    if job is not None and (answered or fleet.jobs):
        import msgspec

        fleet = msgspec.structs.replace(fleet, jobs=(pick_job(fleet.jobs, job),))
    _print(common, fleet, card=job is not None)
    for source in fleet.sources:
        if source.state != "ok":
            common.say(f"flinkops: {source.name} is {source.state}: {source.error or 'no reason given'}")
    if not answered:
        return ExitCode.UNREACHABLE
    # A source that does not answer may hide anything.
    healthy = all(source.state == "ok" for source in fleet.sources) and all(
        each.health.level == "ok" for each in fleet.jobs
    )
    return ExitCode.OK if healthy else ExitCode.NOT_HEALTHY


def _print(common: Common, fleet: "FleetAssessment", *, card: bool) -> None:
    from flinkops.render.delivery_card import card_text, delivers
    from flinkops.render.table import FORMATS, status_table

    wanted = common.settings.output or "table"
    terminal = is_terminal(sys.stdout)
    if wanted in ("table", "wide") and terminal:
        import os
        import shutil

        cells = shutil.get_terminal_size().columns if wanted == "table" else None
        text = status_table(fleet, wide=wanted == "wide", cells=cells, colour="NO_COLOR" not in os.environ)
    else:
        text = FORMATS[wanted](fleet)
    if card and wanted == "table":
        text += "".join(f"\n\n{card_text(job)}" for job in fleet.jobs if delivers(job))
    emit_text(text)
