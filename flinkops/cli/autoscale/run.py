"""`flinkops autoscale run`: the control loop."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from flinkops.cli.action_options import JobArgument, JournalOption, YesOption
from flinkops.cli.autoscale.loop import Loop, LoopTerms
from flinkops.cli.autoscale.observed import SetOption, TakeOverOption
from flinkops.cli.options import Common, finite, with_common
from flinkops.cli.output import is_terminal
from flinkops.cli.run_action import backend, new_stamp, open_journal
from flinkops.errors import Interrupted, Refused

if TYPE_CHECKING:
    from flinkops.act.journal import Journal
    from flinkops.cli.autoscale.metrics import DecisionMetrics


@with_common
def run(
    common: Common,
    job: JobArgument,
    settings: SetOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide and say so; change nothing.")] = False,
    seconds: Annotated[float | None, typer.Option("--seconds", callback=finite, help="Stop after so long.")] = None,
    take_over: TakeOverOption = False,
    throughput: Annotated[
        bool, typer.Option("--throughput/--no-throughput", help="Watch half a minute of throughput after each rescale.")
    ] = True,
    listen: Annotated[
        str | None, typer.Option("--listen", metavar="ADDRESS:PORT", help="Publish its decisions for Prometheus there.")
    ] = None,
    yes: YesOption = False,
    journal_folder: JournalOption = None,
) -> None:
    r"""Poll, decide, rescale in place, again and again, until Ctrl-C. One loop a job.

    \b
    flinkops autoscale run price-aggregation --dry-run
    flinkops autoscale run price-aggregation --yes --set metrics.window=2m --set stabilization.interval=30s
    """
    journal = open_journal(journal_folder)
    if not dry_run:
        if common.settings.read_only:
            raise Refused("read-only: no loop that rescales is started", next_step="--dry-run only decides")
        _agree(job, yes=yes)
    from flinkops.act.backend import RescaleTerms
    from flinkops.cli.targets import open_collector

    terms = LoopTerms(RescaleTerms(take_over=take_over, throughput=throughput), tuple(settings or ()), dry_run)
    loop = Loop(common, job, terms, journal, _metrics(listen))
    with nullcontext(_nobody_else) if dry_run else _leading(common, job, journal, take_over=take_over) as leads:
        collector = open_collector(common.settings)
        try:
            loop.run(collector, seconds, leads)
        except KeyboardInterrupt:
            raise Interrupted("interrupted; the job stays as it is") from None
        finally:
            collector.close()


def _nobody_else() -> None:
    """A loop that changes nothing needs no lead."""


@contextmanager
def _leading(common: Common, job: str, journal: "Journal", *, take_over: bool) -> "Iterator[Callable[[], None]]":
    """One loop a job: on this machine by a file, in a cluster by its back end. What is given raises once it is lost."""
    from flinkops.act.lock import loop_lock

    with (
        loop_lock(journal.folder, job),
        backend(common).lead(job, new_stamp("autoscale-run"), take_over=take_over) as leads,
    ):
        yield leads


def _agree(job: str, *, yes: bool) -> None:
    import sys

    if yes:
        return
    if not is_terminal(sys.stdin, sys.stderr):
        raise Refused("nobody is here to confirm it", next_step="give --yes, or try it first with --dry-run")
    if not typer.confirm(f"Rescale {job} from now on, without asking again?", default=False, err=True):
        raise Refused("declined; nothing was changed")


def _metrics(listen: str | None) -> "DecisionMetrics | None":
    if listen is None:
        return None
    from flinkops.cli.autoscale.metrics import DecisionMetrics

    return DecisionMetrics(listen)
