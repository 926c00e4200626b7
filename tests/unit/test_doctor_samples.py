"""Evidence of real jobs: each fault of the lab at a tuning strength, and each healthy control, is named as it was.

Captured by ``./dev faults --tuning --capture DIR``; addresses, paths and rare stack frames taken out. The folder is the
code that has to be named first.
"""

from pathlib import Path

import msgspec
import pytest

from flinkops.diagnose.diagnosis import diagnose
from flinkops.diagnose.evidence import Evidence, decode_evidence
from tests.unit.doctor_cases import above_info

FOLDER = Path(__file__).parent / "doctor_samples"
HEALTHY = sorted((FOLDER / "healthy").glob("*.json"))
ILL = sorted(set(FOLDER.glob("*/*.json")) - set(HEALTHY))


def sample(path: Path) -> Evidence:
    return decode_evidence(path.read_bytes())


def name(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", ILL, ids=name)
def test_the_fault_is_named_first(path: Path) -> None:
    assert above_info(diagnose(sample(path)))[:1] == [path.parent.name]


@pytest.mark.parametrize("path", HEALTHY, ids=name)
def test_nothing_above_info_is_said_of_the_healthy_whatever_is_missing(path: Path) -> None:
    whole = sample(path)
    assert above_info(diagnose(whole)) == []
    for part, nothing in (("detail", None), ("cluster", None), ("history", ()), ("flame_graphs", ())):
        less = msgspec.structs.replace(whole, **{part: nothing})
        assert above_info(diagnose(less)) == [], part


@pytest.mark.parametrize("path", ILL, ids=name)
def test_without_what_has_to_be_asked_for_nobody_else_is_blamed(path: Path) -> None:
    """Less evidence may leave the cause unnamed, or name what follows from it; never something unrelated."""
    whole = sample(path)
    named = set(above_info(diagnose(whole))) | {"backpressure"}
    less = msgspec.structs.replace(whole, detail=None, cluster=None, flame_graphs=())
    assert set(above_info(diagnose(less))) <= named
