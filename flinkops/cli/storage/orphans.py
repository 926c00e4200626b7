"""`flinkops storage orphans`."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from flinkops.cli.action_options import Consent, JournalOption, acts
from flinkops.cli.options import Common, with_common
from flinkops.cli.output import emit, emit_document, is_terminal
from flinkops.cli.run_action import act, document_format, new_stamp, open_journal
from flinkops.errors import ExitCode, Refused, Unreachable, UsageError

if TYPE_CHECKING:
    from flinkops.act.journal import Journal
    from flinkops.act.orphans import OrphanControl, OrphanReport, OrphanSearch
    from flinkops.plan.orphan_list import Selection
    from flinkops.plan.storage import FolderDeletion
    from flinkops.sources.protocol import Source


FoldersArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="FOLDER", help="Else all that are declared, or that Flink is configured to use."),
]
DeleteOption = Annotated[
    bool, typer.Option("--delete", help="List them; what an earlier run has listed for a day is deleted.")
]
OlderThanOption = Annotated[
    str | None, typer.Option("--older-than", metavar="DURATION", help="Delete only what is so old: 7d.")
]
WithLastStatesOption = Annotated[
    bool,
    typer.Option("--with-last-states", help="Also the newest state of jobs that no source knows: it is lost then."),
]


@with_common
@acts()
def orphans(
    common: Common,
    folders: FoldersArgument = None,
    delete: DeleteOption = False,
    older_than: OlderThanOption = None,
    with_last_states: WithLastStatesOption = False,
    *,
    consent: Consent,
    journal_folder: JournalOption = None,
) -> None:
    r"""What lies under the folders of savepoints and checkpoints, and nobody refers to any more.

    \b
    Nothing is deleted without --delete --older-than, and then only in folders that [folders] of flinkops.toml
    declares to be used by named sources alone, while all of them answer, and in two runs a day apart.
    Exit codes: 0 shown, listed or deleted, 3 no source answers or a folder cannot be listed, 5 nothing may be deleted.
    """
    age_seconds = _age_seconds(older_than, delete=delete)
    from flinkops.act.orphans import OrphanControl

    journal = open_journal(journal_folder)
    with _searching(common, journal, with_last_states=with_last_states) as (search, sources):
        report = search.report(folders or [], _progress(common))
        if not delete:
            _show(common, report)
            raise typer.Exit(_exit_code(report))
        _delete(common, report, OrphanControl(search, common.say), journal, consent, age_seconds, sources)


@contextmanager
def _searching(
    common: Common, journal: "Journal", *, with_last_states: bool
) -> "Iterator[tuple[OrphanSearch, Sequence[Source]]]":
    from flinkops.act.orphans import OrphanSearch
    from flinkops.cli.targets import open_collector, open_sources
    from flinkops.clock import SystemClock
    from flinkops.sources.storage.stores import Stores

    sources = open_sources(common.settings)
    try:
        with closing(Stores(common.settings.storage)) as stores:
            yield (
                OrphanSearch(
                    open_collector(common.settings, sources),
                    journal,
                    stores,
                    SystemClock(),
                    declared=common.settings.folders,
                    with_last_states=with_last_states,
                ),
                sources,
            )
    finally:
        for source in sources:
            source.close()


def _age_seconds(older_than: str | None, *, delete: bool) -> float:
    from flinkops.model.quantities import human_seconds, parse_duration
    from flinkops.plan.orphans import MIN_AGE_SECONDS

    if older_than is None:
        if delete:
            raise UsageError("--delete needs --older-than DURATION", next_step="such as --older-than 7d")
        return MIN_AGE_SECONDS
    try:
        seconds = parse_duration(older_than)
    except ValueError as problem:
        raise UsageError(f"--older-than: {problem}") from None
    if seconds < MIN_AGE_SECONDS:
        raise UsageError(f"--older-than {older_than}: at least {human_seconds(MIN_AGE_SECONDS)}")
    return seconds


def _progress(common: Common) -> Callable[[int], None]:
    if common.quiet or not is_terminal(sys.stderr):
        return lambda _seen: None
    return lambda seen: common.say(f"{seen} files")


def _show(common: Common, report: "OrphanReport", selections: "dict[str, Selection] | None" = None) -> None:
    from flinkops.cli.storage.orphan_view import orphan_document, orphan_lines

    if form := document_format(common):
        emit_document(orphan_document(report, selections or {}), form)
    elif common.settings.output == "name":
        found = (one.decision for one in report.folders if one.decision is not None)
        emit([unit.unit.path for decision in found for unit in decision.orphans])
    else:
        emit(list(orphan_lines(report)))


def _exit_code(report: "OrphanReport") -> ExitCode:
    unlisted = any(one.decision is None for one in report.folders)
    unanswered = not any(one.state == "ok" for one in report.snapshot.sources)
    return ExitCode.UNREACHABLE if unlisted or unanswered else ExitCode.OK


def _delete(
    common: Common,
    report: "OrphanReport",
    control: "OrphanControl",
    journal: "Journal",
    consent: Consent,
    age_seconds: float,
    sources: "Sequence[Source]",
) -> None:
    """What is due goes through a plan; what is not yet is listed. Ends the process."""
    from flinkops.plan.storage import plan_deletion

    _refuse_blocked(common, report)
    stamp = new_stamp("storage-delete")
    deletions, selections = _selected(
        report, journal, age_seconds, stamp.plan_id, stamp.now_ms, write=not consent.only_plan
    )
    if not deletions:
        _show(common, report, selections)
        _say_when(common, selections)
        raise typer.Exit(ExitCode.OK)
    made = plan_deletion(
        deletions,
        stamp,
        why=[f"{one.what}: {one.count}" for one in report.gathered.considered],
        refused=_guarded(common, sources),
    )
    act(common, control, made, consent, journal)


def _refuse_blocked(common: Common, report: "OrphanReport") -> None:
    """Raises Refused where nothing may be removed in one of the folders that are meant, Unreachable for storage."""
    declared = [one for one in report.folders if one.sources is not None]
    if not declared:
        raise Refused(
            "no folder is declared in [folders] of flinkops.toml to be used by named sources alone",
            next_step="see docs/storage.md; without --delete it is a report",
        )
    if unlisted := [one for one in declared if one.decision is None]:
        raise Unreachable(f"{unlisted[0].folder}: {unlisted[0].refused[0]}", next_step=unlisted[0].next_step)
    if blocked := [one for one in declared if one.refused]:
        first = blocked[0]
        more = f" (and {len(first.refused) - 1} more reasons)" if len(first.refused) > 1 else ""
        raise Refused(f"{first.folder}: {first.refused[0]}{more}", next_step=first.next_step)


def _selected(
    report: "OrphanReport", journal: "Journal", age_seconds: float, plan_id: str, now_ms: int, *, write: bool
) -> "tuple[list[FolderDeletion], dict[str, Selection]]":
    from flinkops.act.orphan_lists import read_list, write_deletion, write_list
    from flinkops.plan.orphan_list import listed, select
    from flinkops.plan.storage import FolderDeletion

    deletions: list[FolderDeletion] = []
    selections: dict[str, Selection] = {}
    for one in report.folders:
        if one.sources is None or one.decision is None:
            continue
        current = listed(one.decision, read_list(journal.folder, one.folder), one.folder, one.sources, now_ms)
        selection = select(one.decision, current, older_than_seconds=age_seconds, now_ms=now_ms)
        selections[one.folder] = selection
        if write:
            write_list(journal.folder, current)
        if selection.delete:
            path, digest = write_deletion(journal.folder, plan_id, one.folder, selection.delete)
            deletions.append(FolderDeletion(one.folder, selection.delete, str(path), digest))
    return deletions, selections


def _say_when(common: Common, selections: "dict[str, Selection]") -> None:
    from flinkops.clock import iso_utc

    waiting = sum(len(one.waiting) for one in selections.values())
    due = [one.next_ms for one in selections.values() if one.next_ms is not None]
    if waiting:
        common.say(
            f"listed; the same command deletes {waiting} of them from {iso_utc(max(due))} on, if nothing changes"
        )
    else:
        common.say("nothing is old enough to be deleted")


def _guarded(common: Common, sources: "Sequence[Source]") -> list[str]:
    """Why nothing may be changed at a source whose folder it is."""
    from flinkops.cli.guarding import guard_at
    from flinkops.sources.protocol import HasAddress

    found = []
    for one in sources:
        guard = guard_at(common.settings, one.name, [one.address] if isinstance(one, HasAddress) else [])
        if guard is not None:
            found.append(f"read-only at {one.name}: {guard}")
    return found
