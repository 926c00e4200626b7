"""What is remembered from poll to poll, through the observer that every face uses."""

import msgspec

from flinkops.config.policy import Policy
from flinkops.history import MAX_SAMPLES, History
from flinkops.model.facts import FleetSnapshot
from flinkops.model.history import JobSample
from flinkops.observer import Observer
from tests.unit.builders import NOW_MS, job, snapshot, spread, with_vertex

KEY = job().key


class Played:
    """Snapshots from a list."""

    def __init__(self, *snapshots: FleetSnapshot) -> None:
        self.left = list(snapshots)
        self.closed = False

    def collect(self) -> FleetSnapshot:
        return self.left.pop(0)

    def close(self) -> None:
        self.closed = True


def at(seconds: float, p99: float, **status: object) -> FleetSnapshot:
    taken = NOW_MS + round(seconds * 1000)
    facts = with_vertex(job(), "work", latency_p99_seconds=spread(p99))
    return snapshot(msgspec.structs.replace(facts, seen_ms=taken), taken_ms=taken, **status)


def test_hysteresis_over_polls() -> None:
    observer = Observer(Played(*(at(10 * n, p99) for n, p99 in enumerate([0.1, 2, 2, 0.1, 0.1, 0.1]))), Policy())
    levels = [observer.observe().assessment.jobs[0].health.level for _ in range(6)]
    assert levels == ["ok", "ok", "warning", "warning", "warning", "ok"]


def test_a_poll_holds_what_was_seen_up_to_it_and_stays_as_it_is() -> None:
    observer = Observer(Played(at(0, 0.1), at(10, 0.1)), Policy())
    first = observer.observe()
    second = observer.observe()
    assert [len(first.history[KEY]), len(second.history[KEY])] == [1, 2]


def test_old_facts_shown_again_are_not_a_new_sample() -> None:
    failed = msgspec.structs.replace(at(0, 0.1), taken_ms=NOW_MS + 10_000)
    observer = Observer(Played(at(0, 0.1), failed), Policy())
    observer.observe()
    assert len(observer.observe().history[KEY]) == 1


def test_close_closes_the_collector() -> None:
    played = Played()
    Observer(played, Policy()).close()
    assert played.closed


def test_history_is_bounded_and_forgets() -> None:
    history = History()
    for number in range(MAX_SAMPLES + 50):
        history.add([(KEY, JobSample(at_ms=number, state="RUNNING"))], number)
    assert len(history.samples[KEY]) == MAX_SAMPLES
    assert history.samples[KEY][-1].at_ms == MAX_SAMPLES + 49
    history.add([], 3_700_000)
    assert history.samples == {}


def test_two_jobs_of_one_name_are_both_remembered() -> None:
    history = History()
    for number in range(3):
        history.add([(KEY, JobSample(at_ms=number, state="RUNNING", job_id=each)) for each in ("a", "b")], number)
    assert len(history.samples[KEY]) == 6
