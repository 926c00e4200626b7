"""A FlinkBlueGreenDeployment as a real operator 1.15 had it in an upgrade and in one that flinkops aborted."""

from pathlib import Path
from typing import Any

import pytest

from flinkops.act.executor import Progress
from flinkops.model.blue_green_state import OTHER, BlueGreenState, Phase, state_of
from flinkops.plan.operator.blue_green import (
    ABORT_GRACE,
    DELETION_DELAY,
    BlueGreenAct,
    child_name,
    kept_trigger,
    last_template,
    not_ready,
    outlook,
    ready_time_kept,
    same_template,
    template_of,
)
from flinkops.plan.operator.rules import Rules
from flinkops.plan.operator.spec import desired_state, job_of
from flinkops.plan.preconditions import BlueGreenIdle
from tests.unit.cr_samples import blue_green
from tests.unit.fake_flink import BAD_IMAGE
from tests.unit.test_blue_green_act import bench

ROUNDS = blue_green()
STATES = [state_of(one["pair"]) for one in ROUNDS]


def changes(states: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Without those that are the same as the one before."""
    return [one for number, one in enumerate(states) if number == 0 or states[number - 1] != one]


def of_pair(resource: dict[str, Any]) -> tuple[str, str]:
    return state_of(resource), resource["status"]["jobStatus"]["state"]


def test_the_rounds_are_an_upgrade_and_an_abort() -> None:
    assert [state for state, _ in changes([of_pair(one["pair"]) for one in ROUNDS])] == [
        "ACTIVE_BLUE",
        "SAVEPOINTING_BLUE",
        "TRANSITIONING_TO_GREEN",
        "ACTIVE_GREEN",
        "SAVEPOINTING_GREEN",
        "TRANSITIONING_TO_BLUE",
        "ACTIVE_GREEN",
    ]


@pytest.mark.parametrize("number", range(len(ROUNDS)))
def test_each_round_is_read_as_the_operator_meant_it(number: int) -> None:
    one = ROUNDS[number]
    pair, state = one["pair"], STATES[number]
    assert (BlueGreenIdle().unmet(pair) is None) == state.is_active
    assert (kept_trigger(pair) is not None) == (not state.is_active)
    assert not ready_time_kept(pair)
    # The spec is marked as acted on once the new child is started, not while the savepoint is taken.
    patched = pair["metadata"]["generation"] in (2, 3) and state.phase in (Phase.ACTIVE, Phase.SAVEPOINTING)
    waits = patched and not (state == "ACTIVE_GREEN" and pair["metadata"]["generation"] == 2)
    assert same_template(last_template(pair), template_of(pair)) != waits
    assert state.colour is not None
    active = OTHER[state.colour] if state.phase is Phase.TRANSITIONING else state.colour
    assert not_ready(one[active]) is None
    if state.phase is Phase.TRANSITIONING:
        path = job_of(one[state.colour]["spec"])["initialSavepointPath"]
        assert path.startswith("/flink-data/savepoints/savepoint-")
        assert one[state.colour]["metadata"]["name"] == child_name("pair", state.colour)


def test_an_abort_leaves_the_child_suspended_and_the_old_template_as_the_one_that_was_acted_on() -> None:
    aborted, restored = ROUNDS[-2], ROUNDS[-1]
    assert of_pair(aborted["pair"]) == ("ACTIVE_GREEN", "FAILING")
    assert desired_state(aborted["blue"]["spec"]) == "suspended"
    assert {ABORT_GRACE, DELETION_DELAY} <= aborted["pair"]["spec"]["configuration"].keys()
    assert set(restored["pair"]["spec"]["configuration"]) == {DELETION_DELAY}
    assert "blue" not in restored
    for one in (aborted, restored):
        assert template_of(one["pair"])["image"] == "state:2"
        assert same_template(last_template(one["pair"]), template_of(one["pair"]))
    seen = outlook(
        restored["pair"], {**template_of(restored["pair"]), "image": "state:3"}, restored["green"], Rules(15)
    )
    assert (seen.act, seen.refused, seen.deletion_delay_seconds) == (BlueGreenAct.TRANSITION, (), 20.0)


@pytest.mark.thorough
def test_the_fake_operator_goes_through_the_same_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flinkops.act.operator.startup._STUCK_SECONDS", {"image": 0.0})
    with bench(tmp_path, **{DELETION_DELAY: "20 s"}) as it:
        seen: list[tuple[str, str]] = []

        def note(_: Progress | None = None) -> None:
            assert it.fake.resource is not None
            seen.append(of_pair(it.fake.resource))

        reconcile = it.fake._reconcile

        def reconciled() -> None:
            reconcile()
            note()

        monkeypatch.setattr(it.fake, "_reconcile", reconciled)
        note()
        assert it.run(it.plan(image="count:2")).outcome == "verified"
        assert it.run(it.plan("p2", image=BAD_IMAGE)).outcome == "rolled-back"
    # ACTIVE_* between the savepoint and the start of the child lasts no longer than a round: recorded each two seconds.
    through = changes(seen)
    pairs = zip([("", ""), *through], through, strict=False)
    sampled = [
        now
        for before, now in pairs
        if not (BlueGreenState(before[0]).phase is Phase.SAVEPOINTING and BlueGreenState(now[0]).is_active)
    ]
    assert sampled == changes([of_pair(one["pair"]) for one in ROUNDS])
