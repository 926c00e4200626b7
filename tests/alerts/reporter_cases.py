"""The cases of the alerts on Flink's own reporter: its metrics go in, the same alerts come out."""

from tests.alerts.scenarios import Case, Signal, Signals, constant

JOB = '{job_id="1",job_name="orders",job="flink",cluster="blue",namespace="shop",host="a"}'
TASK = '{job_id="1",job_name="orders",job="flink",cluster="blue",namespace="shop",task_id="t",subtask_index="0"}'
QUANTILE = TASK[:-1] + ',quantile="0.99"}'

RUNNING = "flink_jobmanager_job_runningTime" + JOB
LATENCY = "flink_taskmanager_job_task_operator_flinkops_processingLatencyMs" + QUANTILE
WATERMARK = "flink_taskmanager_job_task_operator_currentOutputWatermark" + TASK
COMPLETED_AT = "flink_jobmanager_job_lastCheckpointCompletedTimestamp" + JOB
RESTARTS = "flink_jobmanager_job_numRestarts" + JOB


def _restarting(signal: Signal) -> Signal:
    """A restart: for three minutes the reporter has nothing to say."""
    return lambda minute: None if 10 <= minute < 13 else signal(minute)


def _burn(alert: str, series: str, *, bad: Signal, good: Signal, delay: int = 0) -> tuple[Case, Case]:
    """Missed outright, it pages and is a ticket; missed for half a minute it pages not, for two it is no ticket.

    `bad` crosses the limit after `delay` minutes.
    """
    also: Signals = {} if series == RUNNING else {RUNNING: constant(60_000)}

    def blip(minutes: float) -> Signals:
        return {series: lambda minute: (bad if 4 <= minute < 4 + minutes else good)(minute), **also}

    reset: Signals = {series: _restarting(good)}
    bads: Signals = {series: bad, **also}
    page = Case(alert, "page", bads, blip(0.5), 6 + delay, 38, 2 + delay, reset, evaluation="30s", restarts=RESTARTS)
    until_drained = 6 * 60 + 20
    ticket = Case(
        alert, "ticket", bads, blip(2), 26 + delay, until_drained, 12 + delay, reset, evaluation="2m", restarts=RESTARTS
    )
    return page, ticket


def _ms(behind_seconds: float) -> Signal:
    return lambda minute: (minute * 60 - behind_seconds) * 1000


def _completed_before(seconds: float) -> Signal:
    """Flink reports -1 as long as there was none; promtool's time begins at 0."""
    return lambda minute: max(1.0, (minute * 60 - seconds) * 1000)


def _of_task(alert: str, metric: str, *, bad: float, below: float, minutes: int) -> Case:
    series = f"flink_taskmanager_job_task_{metric}{TASK}"
    return Case(
        alert,
        "ticket",
        bad={series: constant(bad)},
        below={series: constant(below)},
        lead=minutes + 2,
        not_before=minutes - 1,
        restarts=RESTARTS,
    )


def _growing(per_minute: float) -> Signal:
    return lambda minute: minute * per_minute


def _late(per_minute: float) -> Signals:
    return {
        "flink_taskmanager_job_task_operator_flinkops_lateRecords" + TASK: _growing(per_minute),
        "flink_taskmanager_job_task_operator_numLateRecordsDropped" + TASK: constant(0),
        "flink_taskmanager_job_task_numRecordsIn" + TASK: _growing(10_000),
    }


def _failing(failed: Signal, completed: Signal) -> Signals:
    return {
        "flink_jobmanager_job_numberOfFailedCheckpoints" + JOB: failed,
        "flink_jobmanager_job_numberOfCompletedCheckpoints" + JOB: completed,
    }


CASES: tuple[Case, ...] = (
    *_burn("FlinkJobLatencyBudgetBurn", LATENCY, bad=constant(1001), good=constant(1000)),
    *_burn("FlinkJobSkewBudgetBurn", WATERMARK, bad=_ms(301), good=_ms(299)),
    *_burn("FlinkJobAvailabilityBudgetBurn", RUNNING, bad=constant(0), good=constant(60_000)),
    *_burn("FlinkJobCheckpointBudgetBurn", COMPLETED_AT, bad=constant(1), good=_completed_before(599), delay=10),
    _of_task("FlinkJobBackpressured", "backPressuredTimeMsPerSecond", bad=501, below=500, minutes=15),
    _of_task("FlinkJobSourceIdle", "operator_sourceIdleTime", bad=300_001, below=300_000, minutes=5),
    Case(
        "FlinkJobLateRecords",
        "ticket",
        bad=_late(102),
        below=_late(99),
        lead=18,
        not_before=14,
        tail=16,
        restarts=RESTARTS,
    ),
    Case(
        "FlinkJobRestartLoop",
        "ticket",
        bad={RESTARTS: lambda minute: float(int(minute / 2))},
        below={RESTARTS: lambda minute: float(int(minute / 5))},
        lead=12,
        tail=17,
        restarts=RESTARTS,
        reset={RESTARTS: lambda minute: 40.0 if minute < 10 else 1.0 if minute < 12 else 2.0},
    ),
    Case(
        "FlinkJobCheckpointsFailing",
        "ticket",
        bad=_failing(_growing(0.5), constant(7)),
        below=_failing(_growing(0.5), _growing(0.1)),
        lead=12,
        tail=32,
        restarts=RESTARTS,
        reset=_failing(lambda minute: 9.0 if minute < 10 else 0.0, _growing(1)),
    ),
)
