"""`flinkops timeline`: what happened, in order, each entry with its source."""

from typing import TYPE_CHECKING, Annotated

import typer

from flinkops.cli.action_options import JournalOption
from flinkops.cli.options import Common, OneJobArgument, with_common
from flinkops.cli.output import emit, emit_document, emit_text
from flinkops.errors import Unreachable, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from flinkops.act.timeline import TimelineCollector
    from flinkops.model.facts import JobFacts
    from flinkops.model.timeline import Timeline

SINCE = "2h"


@with_common
def timeline(
    common: Common,
    job: OneJobArgument = None,
    since: Annotated[str, typer.Option("--since", metavar="DURATION", help="How far back.")] = SINCE,
    recording: Annotated[
        list[str] | None,
        typer.Option("--recording", metavar="FILE", help="What a recording tells, too; repeatable."),
    ] = None,
    replay: Annotated[
        str | None, typer.Option("--replay", metavar="FILE", help="Only a recording, and the time before its end.")
    ] = None,
    journal: JournalOption = None,
) -> None:
    r"""Changes, restarts, rescales, events, actions and findings in order; and what no source covers.

    \b
    flinkops timeline                               the fleet, the last two hours
    flinkops timeline orders --since 6h             one job
    flinkops timeline orders --recording day.rec    with load, settings and health as they were recorded
    flinkops timeline --replay incident.rec -o json
    """
    from flinkops.model.quantities import parse_duration

    try:
        seconds = parse_duration(since)
    except ValueError as problem:
        raise UsageError(f"--since {since}: {problem}") from None
    if replay is not None:
        found = _replayed(common, job, seconds, replay, journal)
    else:
        found = _live(common, job, seconds, recording or [], journal)
    _print(common, found)


def _live(common: Common, job: str | None, seconds: float, recordings: list[str], journal: "Path | None") -> "Timeline":
    from flinkops.cli.run_action import open_journal
    from flinkops.cli.targets import open_observer

    observer = open_observer(common)
    try:
        observation = observer.observe()
        found = _collector(job, seconds, observation.snapshot.taken_ms)
        found.add_observation(observation)
        sources = {each.name: each for each in getattr(observer.collector, "sources", ())}
        found.add_events(sources, observation)
    finally:
        observer.close()
    found.add_journal(open_journal(journal))
    for path in recordings:
        found.add_recording(path, common.settings.policy)
    if not recordings:
        found.without_recording()
    statuses = observation.snapshot.sources
    if statuses and all(each.state not in ("ok", "stale") for each in statuses):
        _print(common, found.timeline())
        raise Unreachable("no source answers: what is shown is what the journal and recordings tell")
    if job is not None and not any(_names(each, job) for each in observation.snapshot.jobs):
        common.say(f'flinkops: no source has a job "{job}" now; this is what is told of one')
    return found.timeline()


def _replayed(common: Common, job: str | None, seconds: float, path: str, journal: "Path | None") -> "Timeline":
    """The span ends with the recording; its last snapshot has Flink's own history of then."""
    from flinkops.cli.run_action import open_journal
    from flinkops.observer import Observer
    from flinkops.recording import Replay

    replay = Replay(path)
    observer = Observer(replay, common.settings.policy)
    try:
        replay.seek(len(replay) - 1)
        observation = observer.observe()
    finally:
        observer.close()
    found = _collector(job, seconds, observation.snapshot.taken_ms)
    found.add_observation(observation)
    found.add_recording(path, common.settings.policy)
    found.add_journal(open_journal(journal))
    return found.timeline()


def _collector(job: str | None, seconds: float, until_ms: int) -> "TimelineCollector":
    from flinkops.act.timeline import TimelineCollector

    return TimelineCollector(
        until_ms - round(seconds * 1000), until_ms, lambda facts: job is None or _names(facts, job)
    )


def _names(facts: "JobFacts", job: str) -> bool:
    from flinkops.model.identity import matching

    return bool(matching([facts], job))


def _print(common: Common, found: "Timeline") -> None:
    from flinkops.render.timeline import entry_document, timeline_csv, timeline_document, timeline_lines

    form = common.settings.output or "table"
    if form in ("json", "yaml"):
        emit_document(timeline_document(found), form)
    elif form == "jsonl":
        for entry in found.entries:
            emit_document(entry_document(entry), form)
    elif form == "csv":
        emit_text(timeline_csv(found))
    elif form == "name":
        emit(sorted({each.job for each in found.entries}))
    else:
        emit(timeline_lines(found))
