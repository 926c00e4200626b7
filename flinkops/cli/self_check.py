"""`flinkops doctor --self`: whether flinkops itself can work here: reach, permissions, versions, clocks, folders."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flinkops.cli.options import Common
from flinkops.cli.output import emit_document, emit_text
from flinkops.cli.targets import DEFAULT_TIMEOUT_SECONDS, open_sources
from flinkops.errors import ExitCode, FlinkopsError
from flinkops.model.check import Check
from flinkops.ownership import make_private
from flinkops.user_folders import cache_folder, log_folder

if TYPE_CHECKING:
    from flinkops.sources.protocol import Source


def self_check(common: Common) -> ExitCode:
    """Checks, prints one line a check (`-o json`: one document), and says what it comes to.

    0: all that is needed works; 1: a folder cannot be written; 3: a source is out of reach or closed to us.
    """
    checks = [*_program(), *_folders(), *_targets(common)]
    _show(common, checks)
    failed = [check for check in checks if check.state == "failed"]
    if any(check.area not in ("flinkops", "folder") for check in failed):
        return ExitCode.UNREACHABLE
    return ExitCode.FAILED if failed else ExitCode.OK


def _program() -> Iterator[Check]:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from flinkops import __version__

    yield Check("flinkops", "version", "ok", f"flinkops {__version__}, Python {platform.python_version()}")
    try:
        yield Check("flinkops", "embedded fleet", "ok", f"PyFlink {version('apache-flink')} is installed")
    except PackageNotFoundError:
        yield Check("flinkops", "embedded fleet", "ok", "not installed: only needed for ./dev up and ./dev demo")


def _folders() -> Iterator[Check]:
    import os

    from flinkops.cli.run_action import open_journal
    from flinkops.config.load import user_file

    named = os.environ.get("FLINKOPS_JOURNAL")
    yield folder_check("journal", open_journal(Path(named) if named else None).folder)
    yield folder_check("logs", log_folder())
    yield folder_check("cache", cache_folder())
    file = user_file()
    told = "is read" if file is not None and file.is_file() else "does not exist, which is fine"
    yield Check("folder", "settings", "ok", f"{file} {told}")


def folder_check(what: str, folder: Path) -> Check:
    """Whether files can be written there, by writing one; nothing is left behind but the folder."""
    import tempfile

    try:
        make_private(folder)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".check-") as file:
            file.write(b"x")
    except OSError as problem:
        told = f"{folder} cannot be written: {problem.strerror or problem}"
        return Check(
            "folder", what, "failed", told, "give it to this user, or name another (see docs/configuration.md)"
        )
    return Check("folder", what, "ok", f"{folder} can be written")


def _targets(common: Common) -> Iterator[Check]:
    try:
        sources = open_sources(common.settings)
    except FlinkopsError as problem:
        yield Check("targets", "reach", "failed", problem.what, problem.next_step)
        return
    try:
        own = [_checks_of_place(source, common) for source in sources]
        for source, checks in zip(sources, own, strict=True):
            yield from _polled(source, _seconds(common), explained=any(check.state == "failed" for check in checks))
        for checks in own:
            yield from checks
    finally:
        for source in sources:
            source.close()


def _seconds(common: Common) -> float:
    return common.settings.timeout_seconds or DEFAULT_TIMEOUT_SECONDS


def _checks_of_place(source: "Source", common: Common) -> list[Check]:
    """What a place of this kind can tell of itself besides its poll."""
    from flinkops.act.places import all_places
    from flinkops.clock import SystemClock
    from flinkops.sources.protocol import TakesActions

    if not isinstance(source, TakesActions):
        return []
    return list(
        all_places()[source.backend].checks(
            source, read_only=common.settings.read_only, clock=SystemClock(), deadline_seconds=_seconds(common)
        )
    )


def _polled(source: "Source", seconds: float, *, explained: bool) -> Iterator[Check]:
    """What a poll tells; its failure only where the place's own checks do not say it more exactly."""
    snapshot = source.poll(seconds)
    if snapshot.status.state in ("denied", "unreachable"):
        if not explained:
            yield Check(source.name, "reach", "failed", snapshot.status.error or snapshot.status.state)
        return
    versions = sorted({one.flink_version for one in snapshot.clusters if one.flink_version})
    told = f"{_count(len(snapshot.clusters), 'Flink cluster')} answered"
    told += f" (Flink {', '.join(versions)}), {_count(len(snapshot.jobs), 'job')}, {snapshot.status.requests} requests"
    yield Check(source.name, "flink", "ok" if snapshot.clusters or not snapshot.jobs else "warning", told)
    for job in snapshot.jobs:
        if not job.vertices and (why := job.unknown.get("vertices")) and job.state not in ("SUSPENDED",):
            yield Check(source.name, "rest", "warning", f"{job.namespace}/{job.name}: {why}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _show(common: Common, checks: Sequence[Check]) -> None:
    import msgspec

    from flinkops.render.table import layout

    if common.settings.output in ("json", "jsonl", "yaml"):
        document = {"schema_version": 1, "checks": [msgspec.to_builtins(check) for check in checks]}
        emit_document(document, common.settings.output)
        return
    rows = [[check.state.upper(), check.area, check.subject, _words(check)] for check in checks]
    emit_text("\n".join(layout(["STATE", "WHERE", "WHAT", "FOUND"], rows, [False] * 4)))


def _words(check: Check) -> str:
    return check.text if check.next is None else f"{check.text} -> {check.next}"
