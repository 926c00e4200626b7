"""The controller on simulated jobs: steps, ramps, spikes, days; and what may go wrong."""

import math

import msgspec
import pytest

from flinkops.autoscale.controller import Controller
from flinkops.autoscale.decide import capacity, decide, scalings
from flinkops.autoscale.memory import Memory, Scaling
from flinkops.autoscale.rates import Rates, evaluate
from flinkops.autoscale.settings import Settings, operator_defaults, settings_of
from flinkops.autoscale.simulate import Load, Outcome, Simulation, Stage, World, simulate
from flinkops.errors import UsageError
from tests.effort import some
from tests.unit.autoscale_cases import AT_ONCE, Part, chain, decided, now_ms, recommended

QUICK = Settings(
    metrics_window_seconds=60.0,
    stabilization_seconds=20.0,
    cool_down_seconds=20.0,
    scale_down_interval_seconds=120.0,
    restart_seconds=10.0,
    catch_up_seconds=900.0,
    utilization_boundary=0.2,
)
WORLD = World(step_seconds=10.0, pause_seconds=10.0)
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


def pipeline(parallelism: int = 1) -> list[Stage]:
    return [
        Stage("source", 5_000.0),
        Stage("work", 100.0, {"source": "HASH"}, parallelism=parallelism),
        Stage("sink", 2_000.0, {"work": "FORWARD"}),
    ]


def run(load: Load, seconds: float, settings: Settings = QUICK, world: World = WORLD, parallelism: int = 1) -> Outcome:
    return simulate(pipeline(parallelism), load, Controller(settings), seconds, world)


def least(rate: float, settings: Settings = QUICK) -> int:
    """Subtasks of `work` that the rate needs at the target, with what a restart leaves to be caught up with."""
    return math.ceil(
        rate / 100.0 * (1 / settings.utilization_target + settings.restart_seconds / settings.catch_up_seconds)
    )


@pytest.mark.parametrize("noise", [0.0, 0.03])
@pytest.mark.parametrize("steps", [(50.0, 400.0), (400.0, 80.0), (100.0, 900.0, 250.0)])
@pytest.mark.thorough
def test_each_step_converges_within_two_rescales(steps: tuple[float, ...], noise: float) -> None:
    """To the least sufficient parallelism or one more (balanced over the key groups), and then there is none."""
    phase = 30 * MINUTE
    world = World(step_seconds=10.0, pause_seconds=10.0, noise=noise, seed=1)
    outcome = run(lambda at: steps[min(len(steps) - 1, int(at // phase))], len(steps) * phase, world=world)
    for number, rate in enumerate(steps):
        mine = [each for each in outcome.moments if number * phase <= each.seconds < (number + 1) * phase]
        changes = [each for each in mine if each.rescaled]
        assert len(changes) <= 2, [(each.seconds, dict(each.parallelism)) for each in changes]
        assert least(rate * (1 - noise)) <= mine[-1].parallelism["work"] <= least(rate * (1 + noise)) + 1
        assert not any(each.rescaled for each in mine[len(mine) // 2 :])
        assert mine[-1].lag_records <= rate * WORLD.step_seconds


@pytest.mark.scaled
@pytest.mark.parametrize("seed", some(range(5), 2))
@pytest.mark.thorough
def test_steady_load_with_noise_is_left_alone(seed: int) -> None:
    world = World(step_seconds=10.0, pause_seconds=10.0, noise=0.1, seed=seed)
    assert run(lambda _at: 300.0, 6 * HOUR, world=world, parallelism=5).rescales == 0


def test_a_ramp_is_followed() -> None:
    outcome = run(lambda at: 50.0 + at / 10, 2 * HOUR)
    assert outcome.rescales <= 8
    assert outcome.peak_lag_records < 60 * 770.0  # less than a minute of the greatest load
    assert outcome.moments[-1].parallelism["work"] >= least(outcome.moments[-1].arrived_per_second) - 4


def test_a_spike_does_not_make_it_flap() -> None:
    outcome = run(lambda at: 800.0 if 30 * MINUTE <= at < 33 * MINUTE else 100.0, 2 * HOUR)
    assert outcome.rescales <= 4
    assert outcome.moments[-1].lag_records < 1_000
    assert outcome.moments[-1].parallelism["work"] <= least(100.0) + 1


@pytest.mark.thorough
def test_a_day_costs_less_than_the_peak_and_lags_little() -> None:
    def load(at: float) -> float:
        return 500.0 + 400.0 * math.sin(at / DAY * 2 * math.pi)

    world = World(step_seconds=60.0, pause_seconds=20.0, noise=0.05, seed=3)
    settings = msgspec.structs.replace(QUICK, metrics_window_seconds=300.0, scale_down_interval_seconds=1200.0)
    outcome = simulate(pipeline(), load, Controller(settings), DAY, world)
    operator = simulate(pipeline(), load, Controller(operator_defaults()), DAY, world)
    assert outcome.slot_hours < 0.75 * least(900.0) * 24
    assert outcome.slot_hours < operator.slot_hours
    assert outcome.mean_lag_records < operator.mean_lag_records


def test_a_run_is_the_same_each_time() -> None:
    world = World(step_seconds=10.0, noise=0.2, seed=9)
    first, second = (run(lambda at: 100 + at / 30, HOUR, world=world) for _ in range(2))
    assert first == second


def test_a_skewed_job_gets_what_its_busiest_subtask_needs() -> None:
    stages = [Stage("source", 5_000.0), Stage("work", 100.0, {"source": "HASH"}, skew=1.5)]
    last = simulate(stages, lambda _at: 300.0, Controller(QUICK), HOUR, WORLD).moments[-1]
    assert last.parallelism["work"] >= math.ceil(300 * 1.5 / 100 / 0.7)
    assert last.lag_records <= 3_000


# ---- bad input


def test_no_free_slots_blocks_and_says_so() -> None:
    window = chain(98.0, Part("s", 1000), Part("w", 100, inputs={"s": "HASH"}), slots_free=0)
    tight = msgspec.structs.replace(AT_ONCE, utilization_max=0.9)
    decision = decided(window, tight)
    assert decision.verdict == "blocked"
    assert "free" in decision.blocked_by[0]
    assert not decision.changes


def test_a_quota_blocks() -> None:
    window = chain(98.0, Part("s", 1000), Part("w", 100, inputs={"s": "HASH"}))
    decision = decided(window, msgspec.structs.replace(AT_ONCE, utilization_max=0.9, quota_slots=1))
    assert decision.verdict == "blocked"
    assert "quota" in decision.blocked_by[0]


@pytest.mark.parametrize(("gc", "heap", "word"), [(0.7, 0.1, "garbage"), (0.1, 0.97, "heap")])
def test_memory_pressure_blocks(gc: float, heap: float, word: str) -> None:
    window = chain(98.0, Part("s", 1000), Part("w", 100, inputs={"s": "HASH"}))
    last = msgspec.structs.replace(window.samples[-1], gc_ratio=gc, heap_ratio=heap)
    decision = decided(
        msgspec.structs.replace(window, samples=(*window.samples[:-1], last)),
        msgspec.structs.replace(AT_ONCE, utilization_max=0.9),
    )
    assert decision.verdict == "blocked"
    assert word in decision.blocked_by[0]


@pytest.mark.parametrize("state", ["RESTARTING", "FAILING", "CANCELLING", "FINISHED", "UNKNOWN"])
def test_a_job_that_does_not_run_is_held(state: str) -> None:
    window = msgspec.structs.replace(chain(98.0, Part("s", 1000), Part("w", 50, inputs={"s": "HASH"})), state=state)
    assert decided(window).verdict == "hold"
    assert state in decided(window).blocked_by[0]


def test_a_job_that_has_just_started_is_held() -> None:
    window = chain(98.0, Part("s", 1000), Part("w", 50, inputs={"s": "HASH"}), running_for_seconds=0)
    decision = decided(window, msgspec.structs.replace(AT_ONCE, stabilization_seconds=300.0))
    assert decision.verdict == "hold"
    assert "stabilizing" in decision.blocked_by[0]


def test_a_restart_in_the_middle_of_a_rescale_starts_the_window_anew() -> None:
    job = Simulation(pipeline(), lambda _at: 400.0, WORLD)
    controller = Controller(QUICK)
    for _ in range(30):
        controller.observe(job.step())
    job.rescale({"work": 6})
    job.step()
    job.rescale({"work": 6})  # it restarts once more
    verdicts = [controller.observe(job.step()).verdict for _ in range(6)]
    assert set(verdicts) == {"hold"}


def test_an_excluded_vertex_is_left_alone_and_those_below_it_are_not() -> None:
    window = chain(98.0, Part("s", 100), Part("w", 100, inputs={"s": "HASH"}), Part("x", 60, inputs={"w": "HASH"}))
    decision = decided(window, msgspec.structs.replace(AT_ONCE, exclude=("w",)))
    wanted = recommended(decision)
    assert wanted["w"] == 1
    assert wanted["x"] > 1


def test_a_source_that_has_finished_sends_no_more() -> None:
    window = chain(98.0, Part("s", 1000), Part("old", 1000), Part("w", 100, inputs={"s": "HASH", "old": "HASH"}))
    vertices = tuple(msgspec.structs.replace(each, finished=each.id == "old") for each in window.vertices)
    samples = []
    for sample in window.samples:
        both = sample.vertices["w"]
        assert both.records_in is not None
        assert both.busy_ms is not None
        halved = msgspec.structs.replace(
            both, records_in=both.records_in / 2, busy_ms=both.busy_ms / 2, busy_max_ratio=0.98, busy_avg_ratio=0.98
        )
        still = msgspec.structs.replace(sample.vertices["old"], records_out=5.0, records_in=None)
        samples.append(msgspec.structs.replace(sample, vertices={**sample.vertices, "w": halved, "old": still}))
    window = msgspec.structs.replace(window, vertices=vertices, samples=tuple(samples))
    decision = decided(window, msgspec.structs.replace(AT_ONCE, utilization_max=0.9))
    assert decision.verdict == "scale"
    assert recommended(decision) == {"s": 1, "old": 1, "w": 2}


def test_own_limits_of_a_vertex() -> None:
    window = chain(98.0, Part("s", 1000), Part("w", 10, inputs={"s": "HASH"}, parallelism=10))
    settings, _ = settings_of({}, {"vertex.limits": "w:1-12"}, msgspec.structs.replace(AT_ONCE, utilization_max=0.9))
    assert recommended(decided(window, settings))["w"] == 12


def test_no_scale_down_below_the_minimum() -> None:
    window = chain(1.0, Part("s", 1000), Part("w", 100, inputs={"s": "HASH"}, parallelism=8))
    settings = msgspec.structs.replace(AT_ONCE, min_parallelism=5, max_scale_down_factor=1.0)
    assert recommended(decided(window, settings))["w"] >= 5


def test_backlog_is_no_time_to_ask_for_a_scale_down() -> None:
    window = chain(1.0, Part("s", 1000, lag=100_000.0), Part("w", 1000, inputs={"s": "HASH"}, parallelism=8))
    assert not next(each for each in decided(window).vertices if each.id == "w").outside


def test_an_ineffective_scale_up_is_not_repeated() -> None:
    window = chain(98.0, Part("s", 1000), Part("w", 50, inputs={"s": "HASH"}, parallelism=2))
    tight = msgspec.structs.replace(AT_ONCE, utilization_max=0.9)
    useless = Memory(scalings=(Scaling(0, "w", 1, 2, true_rate=99.0, expected_rate=198.0),))
    useful = Memory(scalings=(Scaling(0, "w", 1, 2, true_rate=50.0, expected_rate=100.0),))
    assert decided(window, tight, useful).changes["w"] > 2
    assert "w" not in decided(window, tight, useless).changes
    told = msgspec.structs.replace(tight, block_ineffective=False)
    assert decided(window, told, useless).changes["w"] > 2


def test_a_scale_down_waits_and_takes_the_most_that_was_wanted() -> None:
    """Wanted for the whole interval; the peak in it decides."""
    settings = msgspec.structs.replace(AT_ONCE, scale_down_interval_seconds=600.0, max_scale_down_factor=1.0)
    memory, seen = Memory(), []
    for minute, load in enumerate([10, 10, 30, 10, 10, 10, 10, 10, 10, 10, 10, 10]):
        window = chain(float(load), Part("s", 1000), Part("w", 10, inputs={"s": "REBALANCE"}, parallelism=10))
        shift = minute * 60_000
        moved = tuple(msgspec.structs.replace(each, at_ms=each.at_ms + shift) for each in window.samples)
        window = msgspec.structs.replace(window, samples=moved)
        decision, memory = decide(window, settings, memory, now_ms(window))
        seen.append(decision.changes.get("w"))
    assert seen[:10] == [None] * 10
    at_peak = recommended(
        decided(
            chain(30.0, Part("s", 1000), Part("w", 10, inputs={"s": "REBALANCE"}, parallelism=10)),
            msgspec.structs.replace(settings, scale_down_interval_seconds=0.0),
        )
    )["w"]
    assert seen[10] == at_peak


def test_what_was_carried_out_is_remembered_three_times_a_vertex() -> None:
    window = chain(98.0, Part("s", 1000), Part("w", 50, inputs={"s": "HASH"}, parallelism=2))
    decision = decided(window, msgspec.structs.replace(AT_ONCE, utilization_max=0.9))
    memory = Memory()
    for _ in range(5):
        memory = memory.scaled(scalings(decision))
    assert sum(each.vertex == "w" for each in memory.scalings) == 3


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("utilisation.target", "0.7"),
        ("utilization.target", "1.7"),
        ("metrics.window", "soon"),
        ("vertex.limits", "w:5-2"),
    ],
)
def test_settings_that_make_no_sense(key: str, value: str) -> None:
    with pytest.raises(UsageError):
        settings_of({}, {key: value})


def test_an_unreadable_setting_of_a_job_is_told_and_left_out() -> None:
    settings, unread = settings_of(
        {"job.autoscaler.metrics.window": "soon", "job.autoscaler.utilization.target": "0.5"}, {}
    )
    assert settings.metrics_window_seconds == Settings().metrics_window_seconds
    assert settings.utilization_target == 0.5
    assert "metrics.window" in unread[0]


# ---- the arithmetic by hand


def test_needed_capacity_by_hand() -> None:
    """Lag 18,000 in 30 min: 10/s; 100/s × 5 min / 30 min: 16.7/s; 100/s at 50 %: 200/s."""
    rates = Rates(input_rate=100.0, true_rate=250.0, target_rate=100.0, catch_up_rate=10.0)
    settings = Settings(catch_up_seconds=1800.0, restart_seconds=300.0)
    assert capacity(rates, 0.5, settings, with_restart=False) == pytest.approx(210.0)
    assert capacity(rates, 0.5, settings, with_restart=True) == pytest.approx(226.667, abs=0.001)
    assert capacity(rates, 0.0, settings, with_restart=True) == math.inf
    assert capacity(Rates(), 0.5, settings, with_restart=True) is None


def test_lag_is_caught_up_with() -> None:
    window = chain(100.0, Part("s", 1_000, lag=18_000.0, lag_grows=5.0), Part("w", 1_000, inputs={"s": "HASH"}))
    found = evaluate(window, AT_ONCE)
    assert found["s"].target_rate == pytest.approx(105.0)
    assert found["s"].catch_up_rate == pytest.approx((18_000 + 5 * 60) / 1800)
    assert found["w"].target_rate == pytest.approx(105.0)
    assert found["w"].catch_up_rate == found["s"].catch_up_rate


def test_a_vertex_at_its_upper_bound_is_within_it() -> None:
    """100/s through an operator that can do 100/s, where 100 % is allowed; one record more is not."""
    settings = msgspec.structs.replace(AT_ONCE, utilization_max=1.0)
    rates = {"s": Part("s", 1000), "w": Part("w", 100, inputs={"s": "HASH"})}
    assert decided(chain(100.0, *rates.values()), settings).verdict == "hold"
    assert decided(chain(101.0, *rates.values()), settings).verdict == "scale"


@pytest.mark.parametrize(("factor", "left"), [(0.3, 7), (0.6, 4), (0.9, 1)])
def test_a_step_down_is_limited(factor: float, left: int) -> None:
    window = chain(1.0, Part("s", 1000), Part("w", 100, inputs={"s": "REBALANCE"}, parallelism=10))
    settings = msgspec.structs.replace(AT_ONCE, max_scale_down_factor=factor)
    assert recommended(decided(window, settings))["w"] == left


def test_a_step_up_is_limited() -> None:
    window = chain(95.0, Part("s", 1000), Part("w", 20, inputs={"s": "REBALANCE"}, parallelism=5))
    settings = msgspec.structs.replace(AT_ONCE, max_scale_up_factor=0.2, utilization_max=0.9)
    assert recommended(decided(window, settings))["w"] == 6


def test_a_step_up_takes_one_rescale_once_the_load_has_settled() -> None:
    """Deciding at once, on a window that holds two loads, takes two rescales and leaves more behind."""
    steps = (50.0, 400.0)
    settled = run(lambda at: steps[at >= 30 * MINUTE], HOUR)
    at_once = run(lambda at: steps[at >= 30 * MINUTE], HOUR, msgspec.structs.replace(QUICK, settle_seconds=0.0))
    assert (settled.rescales, at_once.rescales) == (1, 2)
    assert settled.peak_lag_records < at_once.peak_lag_records


def test_a_load_that_rises_is_waited_for_and_told() -> None:
    controller = Controller(QUICK)
    job = Simulation(pipeline(), lambda at: 50.0 if at < 300 else 400.0, WORLD)
    reasons = {reason for _ in range(34) for reason in controller.observe(job.step()).blocked_by}
    assert any("still rising" in reason for reason in reasons)


@pytest.mark.parametrize("step_seconds", [5.008, 7.0, 13.0, 20.0, 31.0])
def test_a_window_gets_full_whatever_the_time_between_polls(step_seconds: float) -> None:
    settings = msgspec.structs.replace(QUICK, metrics_window_seconds=20.0)
    world = World(step_seconds=step_seconds, pause_seconds=5.0)
    assert run(lambda _at: 400.0, HOUR, settings, world).moments[-1].parallelism["work"] >= 6


def test_after_a_gap_the_window_begins_anew() -> None:
    """An hour without a poll is no window of an hour."""
    controller = Controller(QUICK)
    job = Simulation(pipeline(), lambda _at: 50.0, WORLD)
    polls = [job.step() for _ in range(20)]
    for poll in polls:
        controller.observe(poll)
    late = msgspec.structs.replace(polls[-1].sample, at_ms=polls[-1].sample.at_ms + 3_600_000)
    decision = controller.observe(msgspec.structs.replace(polls[-1], sample=late))
    assert decision.verdict == "hold"
    assert decision.blocked_by


@pytest.mark.thorough
def test_a_restart_that_was_measured_counts_instead_of_the_expected_one() -> None:
    """The job stands still for 10 s, not for the 300 s of the setting: no room is kept for what does not happen."""
    expected = msgspec.structs.replace(QUICK, restart_seconds=300.0)
    untimed = msgspec.structs.replace(expected, track_restart=False)
    controller = Controller(expected)

    def step(at: float) -> float:
        return 100.0 if at < HOUR else 500.0 if at < 2 * HOUR else 900.0

    timed = simulate(pipeline(2), step, controller, 3 * HOUR, WORLD)
    assert controller.memory.restarts_seconds
    assert all(10.0 <= each <= 20.0 for each in controller.memory.restarts_seconds)
    assert (
        timed.moments[-1].parallelism["work"]
        < run(step, 3 * HOUR, untimed, parallelism=2).moments[-1].parallelism["work"]
    )


def test_the_longest_of_the_last_restarts_counts_up_to_the_limit() -> None:
    memory = Memory()
    assert memory.restart_seconds(Settings()) == 300.0
    for seconds in (40.0, 12.0, 11.0, 10.0, 9.0):
        memory = memory.restarted(seconds)
    assert memory.restart_seconds(Settings()) == 40.0
    assert memory.restart_seconds(Settings(restart_limit_seconds=30.0)) == 30.0
    assert memory.restart_seconds(Settings(track_restart=False)) == 300.0
    assert memory.restarted(8.0).restart_seconds(Settings()) == 12.0


def test_a_clock_that_was_set_back_measures_no_restart() -> None:
    controller = Controller(QUICK)
    job = Simulation(pipeline(2), lambda _at: 300.0, WORLD)
    polls = [job.step() for _ in range(12)]
    decision = [controller.observe(each) for each in polls][-1]
    controller.rescaled(decision, decision.at_ms)
    back = msgspec.structs.replace(polls[0], running_since_ms=decision.at_ms + 5_000)
    controller.observe(back)
    assert controller.memory.restarts_seconds == ()
