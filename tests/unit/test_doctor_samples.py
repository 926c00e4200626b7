"""Evidence of real jobs: each fault of the lab at a tuning strength, and each healthy control, is named as it was.

Captured by ``./dev faults --tuning --capture DIR``; addresses, paths and rare stack frames taken out.
"""

from pathlib import Path

import msgspec
import pytest

from flinkops.diagnose.diagnosis import diagnose
from flinkops.diagnose.evidence import Evidence, decode_evidence
from tests.faults.cases import cases, controls
from tests.unit.doctor_cases import above_info

FOLDER = Path(__file__).parent / "doctor_samples"
CODES = {f"{case.name}-{case.strength}": case.code for case in cases("tuning")}
CONTROLS = sorted(control.name for control in controls())
ILL = sorted(path.stem for path in FOLDER.glob("*.json") if path.stem not in CONTROLS)


def sample(name: str) -> Evidence:
    return decode_evidence((FOLDER / f"{name}.json").read_bytes())


@pytest.mark.parametrize("name", ILL)
def test_the_fault_is_named_first(name: str) -> None:
    assert above_info(diagnose(sample(name)))[:1] == [CODES[name]]


@pytest.mark.parametrize("name", CONTROLS)
def test_nothing_above_info_is_said_of_the_healthy_whatever_is_missing(name: str) -> None:
    whole = sample(name)
    assert above_info(diagnose(whole)) == []
    for part, nothing in (("detail", None), ("cluster", None), ("history", ()), ("flame_graphs", ())):
        less = msgspec.structs.replace(whole, **{part: nothing})
        assert above_info(diagnose(less)) == [], part


@pytest.mark.parametrize("name", ILL)
def test_without_what_has_to_be_asked_for_nobody_else_is_blamed(name: str) -> None:
    """Less evidence may leave the cause unnamed, or name what follows from it; never something unrelated."""
    whole = sample(name)
    named = set(above_info(diagnose(whole))) | {"backpressure"}
    less = msgspec.structs.replace(whole, detail=None, cluster=None, flame_graphs=())
    assert set(above_info(diagnose(less))) <= named
