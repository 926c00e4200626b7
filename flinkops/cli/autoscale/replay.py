"""`flinkops autoscale replay`: what a controller would have done."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from flinkops.cli.action_options import JobArgument
from flinkops.cli.autoscale.observed import SetOption, recorded, settings_for
from flinkops.cli.options import Common, with_common
from flinkops.cli.output import emit, emit_document
from flinkops.cli.run_action import backend, document_format
from flinkops.errors import OperationFailed, UsageError
from flinkops.outside.shell import shell_word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flinkops.autoscale.replay import Recorded
    from flinkops.autoscale.settings import Settings
    from flinkops.autoscale.simulate import Outcome
    from flinkops.autoscale.window import PolledJob


@with_common
def replay(
    common: Common,
    job: JobArgument,
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]", help="A recording of `flinkops record`; without it, what the operator's autoscaler keeps."
        ),
    ] = None,
    settings: SetOption = None,
    pause: Annotated[float, typer.Option("--pause", min=0, help="Seconds that a rescale stops the job.")] = 15.0,
    slots: Annotated[int | None, typer.Option("--slots", help="No more than so many.")] = None,
) -> None:
    r"""A recorded job again, as a controller with these settings would have scaled it: slot-hours against lag.

    \b
    flinkops autoscale replay orders day.rec
    flinkops autoscale replay orders day.rec --set utilization.target=0.85 --set scale-down.interval=15m
    flinkops autoscale replay orders --context prod -n flink --set utilization.target=0.85
    """
    from flinkops.autoscale.replay import measured, replayed
    from flinkops.autoscale.settings import operator_defaults

    name, polls, chosen = _of_cluster(common, job, settings) if file is None else _of_file(common, file, job, settings)
    shown = measured(polls, chosen)
    rows = [_row("as recorded", shown, {})]
    for run, these in (("these settings", chosen), ("the operator's defaults", operator_defaults())):
        outcome = replayed(shown, these, pause_seconds=pause, slots=slots)
        rows.append(_row(run, outcome, outcome.moments[-1].parallelism if outcome.moments else {}))
    _show_replay(common, name, shown.seconds, rows)


def _row(run: str, of: "Recorded | Outcome", parallelism: "Mapping[str, int]") -> dict[str, Any]:
    return {
        "run": run,
        "rescales": of.rescales,
        "slot_hours": of.slot_hours,
        "peak_lag_records": of.peak_lag_records,
        "mean_lag_records": of.mean_lag_records,
        "parallelism": dict(parallelism),
    }


def _of_file(common: Common, file: str, job: str, given: list[str] | None) -> "tuple[str, list[PolledJob], Settings]":
    """The job's name, its polls, and the settings that it is judged by."""
    from flinkops.autoscale.window import polled_job

    seen = recorded(file, job)
    polls = [polled_job(each) for each in seen.polls if each.state == "RUNNING"]
    return seen.job.name, polls, settings_for(common, seen.job, given)


def _of_cluster(common: Common, job: str, given: list[str] | None) -> "tuple[str, list[PolledJob], Settings]":
    """The same from the operator's ConfigMap: its metrics window, since the last rescale."""
    from flinkops.act.request_reading import pairs
    from flinkops.autoscale.explain import polls_of_collected
    from flinkops.autoscale.settings import settings_of

    autoscaler = backend(common).autoscaler
    if autoscaler is None:
        raise UsageError("a FILE is needed: only jobs of the Flink operator have a history in their cluster")
    seen = autoscaler.state(job)
    polls = polls_of_collected(job, seen.vertices, seen.state.collected)
    if len(polls) < 2:
        raise OperationFailed(
            f"the operator has collected {len(polls)} times since its last rescale of {job}; rates need two",
            next_step="wait a minute",
        )
    if all(one.records_in is None for polled in polls for one in polled.sample.vertices.values()):
        raise OperationFailed(
            f"the operator keeps no counts of records of {job}, only rates (up to 1.7)",
            next_step=f"flinkops record FILE, then flinkops autoscale replay {shell_word(job)} FILE",
        )
    return job, polls, settings_of(seen.settings, pairs(given))[0]


def _show_replay(common: Common, job: str, seconds: float, rows: list[dict[str, Any]]) -> None:
    from flinkops.model.quantities import human_count, human_seconds
    from flinkops.render.table import layout

    if form := document_format(common):
        emit_document({"schema_version": 1, "job": job, "seconds": seconds, "runs": rows}, form)
        return
    emit([f"{job}: {human_seconds(seconds)} of a recording"])
    lines = [
        [
            row["run"],
            str(row["rescales"]),
            f"{row['slot_hours']:.2f}",
            human_count(row["peak_lag_records"]),
            human_count(row["mean_lag_records"]),
        ]
        for row in rows
    ]
    titles = ["RUN", "RESCALES", "SLOT-HOURS", "PEAK LAG", "MEAN LAG"]
    emit(layout(titles, lines, [False, True, True, True, True]))
