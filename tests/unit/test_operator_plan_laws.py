"""What holds of every prediction, whatever the situation."""

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flinkops.plan.operator.merge_patch import merge_patch
from flinkops.plan.operator.predict import Edit, predict
from flinkops.plan.operator.situation import ObservedJob
from tests.unit.cr_samples import OPERATORS
from tests.unit.operator_cases import (
    CANCEL_KEY,
    FALLBACK_KEY,
    FEATURES,
    HA_OFF,
    NOW_MS,
    deployed_with,
    in_state,
)

# --- laws ---------------------------------------------------------------------------------------------------------

STATES = [
    "RUNNING",
    "RESTARTING",
    "RECONCILING",
    "CREATED",
    "INITIALIZING",
    "FAILING",
    "CANCELLING",
    "FAILED",
    "CANCELED",
    "FINISHED",
    "SUSPENDED",
]


@st.composite
def situations(draw: st.DrawFn) -> tuple[str, dict[str, Any], Edit, ObservedJob]:
    operator = draw(st.sampled_from(OPERATORS))
    found = in_state(
        operator,
        draw(st.sampled_from(STATES)),
        jobmanager=draw(st.sampled_from(["READY", "DEPLOYED_NOT_READY", "DEPLOYING", "MISSING", "ERROR"])),
    )
    if draw(st.booleans()):
        found["status"]["jobStatus"].pop("upgradeSavepointPath", None)
        found["status"]["jobStatus"]["savepointInfo"] = {}
    modes = st.sampled_from(["savepoint", "last-state", "stateless", None])
    deployed_with(
        found,
        job_upgradeMode=draw(modes),
        settings={
            **draw(st.sampled_from([{}, HA_OFF])),
            FALLBACK_KEY: draw(st.sampled_from(["true", "false"])),
            CANCEL_KEY: draw(st.sampled_from(["true", "false"])),
        },
    )
    edit = Edit(
        image=draw(st.sampled_from([None, "x:1"])), mode=draw(modes), parallelism=draw(st.sampled_from([None, 4]))
    )
    observed = ObservedJob(
        now_ms=NOW_MS,
        ha_metadata=draw(st.sampled_from([None, True, False])),
        jobmanager_never_started=draw(st.sampled_from([None, True, False])),
        checkpoint_age_seconds=draw(st.sampled_from([None, 1.0, 1e5])),
    )
    return operator, found, edit, observed


@given(situations())
def test_laws(case: tuple[str, dict[str, Any], Edit, ObservedJob]) -> None:
    operator, found, edit, observed = case
    before = copy.deepcopy(found)
    predicted = predict(found, edit, observed=observed, features=FEATURES[operator])
    assert found == before
    state = found["status"]["jobStatus"]["state"]
    # A new savepoint is taken of a RUNNING job only; else one that is recorded is used, and the reason names it.
    if predicted.effective_mode == "savepoint" and state != "RUNNING":
        assert "recorded last, file:" in predicted.why[0]
    # State is never lost without being asked to.
    if predicted.effective_mode == "stateless" and edit.mode != "stateless":
        assert any("all state would be lost" in line for line in predicted.refused)
    # What waits or fails is refused, and what is refused says why in words.
    if predicted.effective_mode in ("wait", "fail"):
        assert predicted.refused
    assert all(line and line == line.strip() for line in (*predicted.refused, *predicted.why, *predicted.risks))
    # Nothing happens exactly when the change is none or ignore; a spec may be refused whatever differs.
    assert predicted.effective_mode == "fail" or (predicted.effective_mode == "none") == (
        predicted.change in ("none", "ignore")
    )
    assert bool(predicted.patch) or predicted.change == "none"


json_objects = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
json_documents = st.dictionaries(st.sampled_from("abc"), json_objects, max_size=3)


def apply_patch(before: Any, patch: Any) -> Any:
    """RFC 7396, written after its pseudo-code."""
    if not isinstance(patch, dict):
        return patch
    result = dict(before) if isinstance(before, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = apply_patch(result.get(key), value)
    return result


@given(json_documents, json_documents)
def test_a_merge_patch_leads_from_one_to_the_other(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert apply_patch(before, merge_patch(before, after)) == after
    assert merge_patch(before, before) == {}
