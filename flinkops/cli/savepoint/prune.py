"""`flinkops savepoint prune`."""

from typing import Annotated

import typer

from flinkops.cli.action_options import Consent, JobArgument, JournalOption, acts
from flinkops.cli.options import Common, with_common
from flinkops.cli.run_action import act, backend, new_stamp, open_journal
from flinkops.errors import ExitCode


@with_common
@acts()
def prune(
    common: Common,
    job: JobArgument,
    keep: Annotated[int, typer.Option("--keep", metavar="N", help="How many of the newest stay.")],
    *,
    consent: Consent,
    journal_folder: JournalOption = None,
) -> None:
    """Remove all but the newest savepoints of a job; those that something depends on stay too."""
    from flinkops.act.inventory import References, savepoints_of, unknown_snapshots
    from flinkops.plan.retention import prunable
    from flinkops.plan.savepoint import plan_delete

    journal = open_journal(journal_folder)
    with backend(common).reach(job) as handle:
        facts, control = handle.measured(), handle.control
        snapshots = control.snapshots()
        known = savepoints_of(facts, journal, snapshots)
        gone, kept = prunable(References(control, journal).noted_on(known), keep)
        if not gone:
            common.say(f"nothing to remove: {len(kept)} savepoints of {job} are known, all stay")
            raise typer.Exit(ExitCode.OK)
        made = plan_delete(
            facts,
            control.name,
            [one.path for one in gone],
            new_stamp("savepoint-delete"),
            kept=[one.path for one in kept],
            refused=unknown_snapshots(snapshots),
            snapshots={one.path: snapshots.of(one.path) for one in gone},
        )
        act(common, control, made, consent, journal)
