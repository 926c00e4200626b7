"""What is predicted of each operator, in each situation and for each edit, and the steps of every plan: as data.

What the operator really does is held by `operator_oracle`; this holds that a change of ours is one that was meant.
`FLINKOPS_UPDATE_GOLDEN=1 pytest tests/unit/test_operator_decisions.py` writes the files anew: read the difference.
"""

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flinkops.model.plan import Plan
from flinkops.plan.operator.predict import Edit, Prediction
from flinkops.plan.operator.rules import Features
from flinkops.plan.operator.situation import ObservedJob
from tests.goldens import numbers_of, same_as_golden
from tests.unit.operator_cases import (
    CANCEL_KEY,
    FALLBACK_KEY,
    HA_OFF,
    METADATA,
    NEVER_STARTED,
    NO_METADATA,
    NOT_SEEN,
    deployed_with,
    in_state,
    replaced,
    told,
)
from tests.unit.test_step_kinds import operator_plans, rest_plans

VERSIONS = [
    *(
        Features(version=f"1.{minor}.0", savepoint_redeploy=minor >= 8, upgrade_savepoint_path=minor >= 10)
        for minor in (7, 9, 10, 13, 15, 16)
    ),
    Features(savepoint_redeploy=True, upgrade_savepoint_path=True),
]
SITUATIONS: dict[str, tuple[str, str, dict[str, Any], ObservedJob]] = {
    "running": ("RUNNING", "READY", {}, METADATA),
    "no metadata": ("RUNNING", "READY", {}, NO_METADATA),
    "not seen": ("RUNNING", "READY", {}, NOT_SEEN),
    "no HA": ("RUNNING", "READY", {"settings": HA_OFF}, METADATA),
    "old checkpoint": ("RUNNING", "READY", {}, replaced(METADATA, checkpoint_age_seconds=100_000.0)),
    "restarting": ("RESTARTING", "READY", {}, METADATA),
    "no fallback": ("RESTARTING", "READY", {"settings": {FALLBACK_KEY: "false"}}, METADATA),
    "cancelled first": ("RUNNING", "READY", {"settings": {CANCEL_KEY: "true"}}, METADATA),
    "deploying": ("RECONCILING", "DEPLOYING", {}, METADATA),
    "lost": ("RECONCILING", "MISSING", {}, METADATA),
    "never started": ("RECONCILING", "ERROR", {}, NEVER_STARTED),
    "failed": ("FAILED", "READY", {}, METADATA),
    "finished": ("FINISHED", "READY", {}, METADATA),
    "standalone": ("RUNNING", "READY", {"mode": "standalone"}, METADATA),
    "adaptive": ("RUNNING", "READY", {"settings": {"jobmanager.scheduler": "adaptive"}}, METADATA),
}
EDITS: dict[str, Edit] = {
    "nothing": Edit(),
    "image": Edit(image="other:1"),
    "to savepoint": Edit(image="other:1", mode="savepoint"),
    "to last-state": Edit(image="other:1", mode="last-state"),
    "to stateless": Edit(image="other:1", mode="stateless"),
    "suspend": Edit(state="suspended"),
    "parallelism": Edit(parallelism=5),
    "overrides": Edit(settings={"pipeline.jobvertex-parallelism-overrides": "a:2"}),
    "restart": Edit(restart_nonce=3),
    "read at once": Edit(settings={"kubernetes.operator.periodic.savepoint.interval": "1h"}),
    "written down": Edit(settings={"parallelism.default": "7"}),
    "version": Edit(manifest=None, settings={"taskmanager.numberOfTaskSlots": "4", "job.autoscaler.enabled": "true"}),
}


@pytest.mark.thorough
def test_every_prediction_is_as_it_was() -> None:
    same_as_golden("operator-predictions.txt", "".join(f"{line}\n" for line in predictions()))


def predictions() -> Iterator[str]:
    """The versions that come out the same are on one line."""
    for (name, situation), (edit_name, edit) in itertools.product(SITUATIONS.items(), EDITS.items()):
        yield f"== {name}; {edit_name}"
        alike: dict[str, list[str]] = {}
        for features in VERSIONS:
            alike.setdefault(as_data(predicted(situation, edit, features)), []).append(version(features))
        yield from (f"{', '.join(versions)}: {data}" for data, versions in alike.items())


def predicted(situation: tuple[str, str, dict[str, Any], ObservedJob], edit: Edit, features: Features) -> Prediction:
    state, jobmanager, deployed, observed = situation
    recorded = "1.15.0" if features.version in {None, "1.15.0", "1.16.0"} else "1.7.0"
    found = in_state(recorded, state, jobmanager=jobmanager)
    return told(deployed_with(found, **deployed), edit, observed, features)


def version(features: Features) -> str:
    return features.version or "?"


def as_data(found: Prediction) -> str:
    start = "-" if found.start is None else f"{found.start.kind} {found.start.path or ''}".strip()
    counts = (
        f"{len(found.diff)} diffs, {len(found.risks)} risks, {len(found.refused)} refused, {len(found.not_deletable)}"
    )
    told_numbers = numbers_of(" ".join((*found.why, *found.risks, *found.refused)))
    unknown = ",".join(str(fact.kind) for fact in found.unknown)
    return (
        f"{found.change} {found.requested_mode}>{found.effective_mode} {found.act} from {start}, {found.reason}; "
        f"{counts}; {json.dumps(found.patch, sort_keys=True)}; {unknown or '-'}; {told_numbers}"
    )


def test_the_steps_of_every_plan_are_as_they_were(tmp_path: Path) -> None:
    plans = [*rest_plans(made(tmp_path / "rest")), *operator_plans(made(tmp_path / "operator"))]
    same_as_golden("plans.txt", "".join(f"{line}\n" for plan in plans for line in planned(plan)))


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def planned(plan: Plan) -> Iterator[str]:
    yield (
        f"== {plan.verb} {plan.change} {plan.requested_mode}>{plan.effective_mode} {'severe' if plan.severe else ''}: "
        f"{len(plan.risks)} risks, {len(plan.refused)} refused"
    )
    for condition in plan.preconditions:
        yield f"if {steady(condition)}"
    for mark, steps in (("", plan.steps), ("back: ", plan.rollback_steps)):
        for step in steps:
            yield f"{mark}{step.name}: {steady(step.do)}"


def steady(value: Any) -> str:
    """As JSON, without what differs from run to run."""
    text = json.dumps(msgspec.to_builtins(value), sort_keys=True)
    return re.sub(r"127\.0\.0\.1:\d+|/tmp/[^\"]*/", "…", text)
