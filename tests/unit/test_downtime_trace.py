"""Where the seconds of an operator's upgrade went."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flinkops.model.effect import PodTimes
from flinkops.plan.operator.downtime_trace import downtime_phases, in_words
from flinkops.sources.kubernetes.pod_times import pod_times

STOPPED = 1_000_000
MANAGER = PodTimes("jm", True, STOPPED + 3000, STOPPED + 3000, STOPPED + 4000, STOPPED + 5000)
WORKER = PodTimes("tm", False, STOPPED + 11_000, STOPPED + 11_000, STOPPED + 11_000, STOPPED + 12_000)


def test_each_phase_ends_where_the_next_begins() -> None:
    found = downtime_phases(
        [MANAGER, WORKER], stopped_ms=STOPPED, job_started_ms=STOPPED + 10_500, all_running_ms=STOPPED + 16_400
    )
    assert [one.seconds for one in found] == [3.0, 0.0, 1.0, 1.0, 5.5, 0.5, 0.0, 0.0, 1.0, 4.4]
    assert in_words(found).startswith("the operator creates the JobManager's pod 3.0 s, its image is there 1.0 s,")


def test_pods_from_before_are_not_of_the_change() -> None:
    old = PodTimes("old", False, STOPPED - 60_000, STOPPED - 59_000, None, STOPPED - 50_000)
    times = {"stopped_ms": STOPPED, "job_started_ms": STOPPED + 2000, "all_running_ms": STOPPED + 5000}
    assert downtime_phases([old], **times) == ()
    found = downtime_phases([old, WORKER], **times)
    assert found[0].phase.startswith("its JVM")


_MS = st.none() | st.integers(STOPPED - 5000, STOPPED + 90_000)
_PODS = st.lists(
    st.builds(PodTimes, st.just("p"), st.booleans(), st.integers(STOPPED, STOPPED + 90_000), _MS, _MS, _MS)
)


@given(_PODS, _MS, st.integers(STOPPED, STOPPED + 90_000))
def test_they_add_up_to_the_downtime(pods: list[PodTimes], started_ms: int | None, ends_ms: int) -> None:
    found = downtime_phases(pods, stopped_ms=STOPPED, job_started_ms=started_ms, all_running_ms=ends_ms)
    assert all(one.seconds >= 0 for one in found)
    assert not pods or abs(sum(one.seconds for one in found) - (ends_ms - STOPPED) / 1000) < 0.06 * len(found)


def test_what_kubernetes_tells_of_a_pod() -> None:
    pod: dict[str, Any] = {
        "metadata": {
            "name": "count-1",
            "creationTimestamp": "2026-11-29T08:00:00Z",
            "labels": {"component": "jobmanager"},
        },
        "status": {
            "conditions": [
                {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-29T08:00:01Z"},
            ],
            "containerStatuses": [
                {"name": "flink-main-container", "state": {"running": {"startedAt": "2026-11-29T08:00:04Z"}}}
            ],
        },
    }
    events = [
        {"reason": "Pulled", "involvedObject": {"name": "count-1"}, "lastTimestamp": "2026-11-29T08:00:03Z"},
        {"reason": "Pulled", "involvedObject": {"name": "other"}, "lastTimestamp": "2026-11-29T08:00:09Z"},
    ]
    (found,) = pod_times([pod, {"metadata": {"name": "no time"}}], events)
    base = found.created_ms
    assert found == PodTimes("count-1", True, base, base + 1000, base + 3000, base + 4000)
    waiting = {"metadata": pod["metadata"], "status": {}}
    assert pod_times([waiting], []) == (PodTimes("count-1", True, base),)
