"""`flinkops savepoint delete`."""

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from flinkops.cli.action_options import Consent, JournalOption, acts
from flinkops.cli.options import Common, with_common
from flinkops.cli.run_action import act, backend, new_stamp, open_journal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flinkops.act.control import JobControl
    from flinkops.model.facts import JobFacts


@with_common
@acts()
def delete(
    common: Common,
    path: Annotated[str, typer.Argument(metavar="PATH", help="The savepoint, as `savepoint list` shows it.")],
    job: Annotated[
        str | None, typer.Option("--job", metavar="JOB", help="Operator: the job whose Flink cluster removes it.")
    ] = None,
    *,
    consent: Consent,
    journal_folder: JournalOption = None,
) -> None:
    """Remove a savepoint through Flink; never one that something depends on, or may depend on."""
    from flinkops.act.inventory import References, unknown_snapshots
    from flinkops.plan.savepoint import plan_delete

    journal = open_journal(journal_folder)
    with _remover(common, job) as (control, facts):
        snapshots = control.snapshots()
        made = plan_delete(
            facts,
            control.name,
            [path],
            new_stamp("savepoint-delete"),
            refused=(*References(control, journal).to(path), *unknown_snapshots(snapshots)),
            snapshots={path: snapshots.of(path)},
        )
        act(common, control, made, consent, journal)


@contextmanager
def _remover(common: Common, job: str | None) -> "Iterator[tuple[JobControl, JobFacts | None]]":
    """The Flink cluster that removes savepoints: that of the job, else the only one."""
    place = backend(common)
    if job is None:
        with place.control_without_job() as control:
            yield control, None
        return
    with place.reach(job) as handle:
        yield handle.control, handle.measured()
