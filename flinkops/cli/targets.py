"""From settings to sources: which Flink is polled."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flinkops.errors import FlinkopsError, Unreachable, UsageError
from flinkops.user_folders import with_home

if TYPE_CHECKING:
    from flinkops.act.ended_jobs import EndedByAction
    from flinkops.act.journal import Journal
    from flinkops.cli.options import Common
    from flinkops.collect import Collector
    from flinkops.config.settings import Settings
    from flinkops.kept import Keeper
    from flinkops.model.facts import JobFacts
    from flinkops.observer import Observer
    from flinkops.sources.protocol import Source, Wanted

DEFAULT_TIMEOUT_SECONDS = 8.0
NO_TARGET = "no Flink to poll: no --rest, no sources in flinkops.toml, no embedded fleet running, no kubeconfig"


def open_sources(settings: "Settings", wanted: "Wanted | None" = None) -> list["Source"]:
    """The sources that the settings name, else the embedded fleet, else the kubeconfig's current context.

    Jobs that are not ``wanted`` are listed but not asked about. Raises UsageError for what cannot be meant,
    Unreachable when there is nothing to poll.
    """
    from flinkops.act import places

    found = places.open_sources(settings, wanted)
    if not found:
        raise Unreachable(NO_TARGET, next_step="start one with ./dev up, or name one: --rest URL")
    return found


def open_collector(settings: "Settings", sources: Sequence["Source"] | None = None) -> "Collector":
    """The sources of the settings, or those given, polled together."""
    from flinkops.clock import SystemClock
    from flinkops.collect import Collector

    timeout = DEFAULT_TIMEOUT_SECONDS if settings.timeout_seconds is None else settings.timeout_seconds
    return Collector(open_sources(settings) if sources is None else sources, SystemClock(), deadline_seconds=timeout)


def open_observer(
    common: "Common", sources: Sequence["Source"] | None = None, *, keep: "Callable[[], Keeper | None] | None" = None
) -> "Observer":
    """What `status`, the TUI and the exporter read, and where they keep it. The caller closes it.

    `keep` is called last: a file that it made would stay behind where nothing can be polled.
    """
    from flinkops.observer import Observer

    collector = open_collector(common.settings, sources)
    try:
        keeper = keep() if keep is not None else None
    except BaseException:
        collector.close()
        raise
    return Observer(collector, common.settings.policy, ended_by=_ended_by(), keep=keeper)


def journal_at_hand() -> "Journal | None":
    """The journal of this machine, for commands that only read it and have no --journal; None without a home folder."""
    from flinkops.act.journal import Journal, default_folder
    from flinkops.clock import SystemClock

    folder = os.environ.get("FLINKOPS_JOURNAL")
    try:
        return Journal(with_home(Path(folder)) if folder else default_folder(), SystemClock())
    except UsageError:
        return None


def _ended_by() -> "Callable[[JobFacts], str | None]":
    """What the journal says of a job that has ended; read only when there is such a job, and it can be."""
    asked: list[EndedByAction] = []

    def ended_by(job: "JobFacts") -> str | None:
        from flinkops.act.ended_jobs import EndedByAction

        if not asked and (journal := journal_at_hand()) is not None:
            asked.append(EndedByAction(journal))
        try:
            return asked[0](job) if asked else None
        except FlinkopsError:
            return None

    return ended_by
