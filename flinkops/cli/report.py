"""`flinkops report`: an incident as one page."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flinkops.cli.action_options import JournalOption
from flinkops.cli.options import Common, with_common
from flinkops.errors import OperationFailed, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from flinkops.report.values import Report


@with_common
def report(
    common: Common,
    recording: Annotated[str, typer.Argument(metavar="REC", help="A recording: flinkops record makes one.")],
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="report.html or report.md; never over a file.")],
    job: Annotated[
        list[str] | None,
        typer.Option("--job", metavar="JOB", help="Only this one; repeatable. Else those that were not healthy."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="UTC: 14:30, or 2026-01-31T14:30:00Z.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Likewise.")] = None,
    journal: JournalOption = None,
) -> None:
    r"""An incident as one page: what was wrong since when, signals, findings, actions, timeline, budget spent.

    \b
    flinkops report night.rec --out report.html
    flinkops report night.rec --job orders --from 02:10 --to 03:00 --out orders.html
    flinkops report night.rec --out report.md                    for a ticket

    The page is one file: it loads nothing and runs nothing. Only its owner can read it (0600).
    """
    from flinkops.bundle import check_free
    from flinkops.cli.run_action import open_journal
    from flinkops.report.gather import Wanted, make_report

    path = Path(out)
    write = _writer(path)
    check_free(path)
    span = _span(recording, since, until)
    wanted = Wanted(tuple(job or ()), *span, objective_ratio=common.settings.alerts.objective_ratio)
    made = make_report(Path(recording), wanted, common.settings.policy, open_journal(journal))
    _write(path, write(made))
    jobs = f"{len(made.jobs)} job{'s' * (len(made.jobs) != 1)}"
    snapshots = f"{made.snapshots} snapshot{'s' * (made.snapshots != 1)}"
    common.say(f"flinkops: {jobs}, {snapshots}, in {path}; names are in it, secrets are not")


def _writer(path: Path) -> "Callable[[Report], str]":
    from flinkops.report.write import html, markdown

    writers = {".html": html, ".htm": html, ".md": markdown}
    write = writers.get(path.suffix.lower())
    if write is None:
        raise UsageError(f"--out {path}: the name says the form", next_step="end it with .html or .md")
    return write


def _span(recording: str, since: str | None, until: str | None) -> tuple[int | None, int | None]:
    """Both in milliseconds since the epoch. Raises UsageError for what is no time, or an empty span."""
    if since is None and until is None:
        return None, None
    from flinkops.recording import Replay

    replay = Replay(recording)
    try:
        first_ms = min(replay.times_ms)
    finally:
        replay.close()
    since_ms = None if since is None else _moment("--from", since, first_ms)
    until_ms = None if until is None else _moment("--to", until, first_ms if since_ms is None else since_ms)
    if since_ms is not None and until_ms is not None and since_ms >= until_ms:
        raise UsageError(f"--from {since} is not before --to {until}")
    return since_ms, until_ms


def _moment(option: str, text: str, after_ms: int) -> int:
    """A full time, or a time of day: the first such one that is not before `after_ms`."""
    from datetime import UTC, datetime, time, timedelta

    try:
        if "T" not in text and ":" in text:
            day = datetime.fromtimestamp(after_ms / 1000, UTC)
            at = datetime.combine(day.date(), time.fromisoformat(text.removesuffix("Z")), UTC)
            at += timedelta(days=at < day.replace(second=0, microsecond=0))
        else:
            at = datetime.fromisoformat(text)
            at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
        return round(at.timestamp() * 1000)
    except (ValueError, OverflowError, TypeError):
        raise UsageError(
            f"{option} {text[:40]!r} is no time", next_step="for example 14:30, or 2026-01-31T14:30:00Z"
        ) from None


def _write(path: Path, text: str) -> None:
    from flinkops.private_file import write_private

    try:
        write_private(path, text.encode("utf-8", "replace"))
    except OSError as problem:
        raise OperationFailed(f"cannot write {path}: {problem.strerror}", next_step="name another file") from None
