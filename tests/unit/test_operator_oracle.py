"""The prediction against what real operators decided: every recorded case, and `./dev oracle`."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from devtools.oracle import RECORDED, main, read_cases
from flinkops.errors import UsageError
from tests.effort import some
from tests.unit.oracle_cases import differences

COUNTS = {"diffs-1.15.0": 1029, "diffs-1.16-snapshot": 25, "diffs-1.7.0": 290, "modes-1.15.0": 851}


@pytest.mark.scaled
@pytest.mark.parametrize("name", COUNTS)
def test_the_prediction_is_what_the_operator_decided(name: str) -> None:
    cases = list(read_cases(RECORDED / f"{name}.jsonl.gz"))
    assert len(cases) == COUNTS[name]
    assert [one for case in some(cases, 100) for one in differences(case)] == []


def test_a_wrong_claim_is_a_difference() -> None:
    case = next(one for one in read_cases(RECORDED / "modes-1.15.0.jsonl.gz") if one["act"] == "savepoint")
    wrong = {**case, "act": "stateless", "start_from": "empty", "diff_type": "SCALE", "recorded_mode": "stateless"}
    assert {one.cause for one in differences(wrong)} == {"act", "start", "class", "recorded mode"}


def test_the_command_counts_by_version_and_cause(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    right = next(iter(read_cases(RECORDED / "diffs-1.7.0.jsonl.gz")))
    wrong: dict[str, Any] = {**right, "id": "d-wrong", "act": "nothing"}
    file = tmp_path / "cases.jsonl"
    file.write_text(f"{json.dumps(right)}\n{json.dumps(wrong)}\n")
    assert main([str(file), "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {
        "schema_version": 1,
        "agree": 1,
        "differ": 1,
        "by_version": {"1.7.0": {"agree": 1, "differ": 1}},
        "by_cause": {"act": 1},
        "differences": [
            {"id": "d-wrong", "operator": "1.7.0", "expected": "nothing", "got": right["act"], "cause": "act"}
        ],
    }
    assert main([str(file)]) == 0
    assert "operator 1.7.0: 1 agree, 1 differ" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"[]\n", b"{\n", b'{"id": "x"}\n'])
def test_a_file_without_cases_is_named_with_its_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "cases.jsonl.gz"
    file.write_bytes(gzip.compress(content))
    with pytest.raises(UsageError, match=r"cases\.jsonl\.gz, line 1: no case"):
        list(read_cases(file))
