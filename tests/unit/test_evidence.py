"""Evidence: JSON both ways, and nothing in it twice."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flinkops.diagnose.evidence import FlameSample, decode_evidence, encode_evidence, gathered
from flinkops.model.detail import FlameGraph, FlameGraphNode, JobDetail
from flinkops.model.history import JobSample
from tests.unit.assessments import FACTS, HEALTHY

NOW_MS = FACTS.seen_ms


def test_it_survives_a_file() -> None:
    graph = FlameGraph(at_ms=NOW_MS, root=FlameGraphNode("root", 3, (FlameGraphNode("a.B.c", 3),)))
    evidence = gathered(
        NOW_MS,
        msgspec.structs.replace(HEALTHY, facts=FACTS),
        [JobSample(at_ms=NOW_MS, state="RUNNING", busiest=(("v1", 0.5, 0.1),))],
        detail=JobDetail(id=FACTS.id, seen_ms=NOW_MS, unknown={"plan": "timed out"}),
        flame_graphs=[FlameSample("v1", graph)],
        unknown={"cluster": "not asked"},
    )
    assert decode_evidence(encode_evidence(evidence)) == evidence
    assert evidence.assessment.facts is None


@given(st.text(), st.text())
def test_hostile_names_survive(name: str, why: str) -> None:
    facts = msgspec.structs.replace(FACTS, name=name, unknown={"restarts": why})
    evidence = gathered(NOW_MS, msgspec.structs.replace(HEALTHY, name=name, facts=facts), [])
    assert decode_evidence(encode_evidence(evidence)) == evidence


def test_an_assessment_without_facts_is_refused() -> None:
    with pytest.raises(ValueError, match="facts"):
        gathered(NOW_MS, msgspec.structs.replace(HEALTHY, facts=None), [])
