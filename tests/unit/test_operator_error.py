"""What the operator's own text says is read in one place, and as what recorded operators meant by it."""

import gzip
import json
from pathlib import Path

import pytest

from flinkops.sources.kubernetes.operator_error import OperatorError, operator_error
from tests.unit.cr_samples import OPERATORS, case, recorded

PACKAGE = "org.apache.flink.kubernetes.operator.exception."
ORACLE = Path(__file__).parent / "operator_oracle" / "modes-1.15.0.jsonl.gz"


def read(error: str | None) -> OperatorError | None:
    return operator_error({"status": {"error": error}})


def thrown() -> dict[str, str]:
    """Message -> class, of every exception that operator 1.15.0 threw in the recorded cases."""
    with gzip.open(ORACLE, "rt", encoding="utf-8") as lines:
        told = {json.loads(line).get("message") for line in lines}
    parts = [one.partition(": ") for one in told if one]
    return {message: name for name, _, message in parts if name.endswith("Exception")}


def test_every_recorded_upgrade_failure_is_read_as_what_it_is() -> None:
    failures = {message for message, name in thrown().items() if name == "UpgradeFailureException"}
    whole = {message for message in failures if message.endswith(".")}  # the recording cuts the long ones
    assert whole
    for message in whole:
        error = json.dumps({"type": f"{PACKAGE}UpgradeFailureException", "message": message, "throwableList": []})
        assert read(error) is OperatorError.MANUAL_RESTORE, message


def test_no_other_recorded_exception_is_one() -> None:
    others = {message: name for message, name in thrown().items() if name != "UpgradeFailureException"}
    assert others
    for message, name in others.items():
        assert read(json.dumps({"type": name, "message": message})) is OperatorError.OTHER


@pytest.mark.parametrize("name", ["savepoint-error", "sessionjob-failed", "failed-storage"])
def test_recorded_resources_with_another_error(name: str) -> None:
    assert operator_error(case(name)) is OperatorError.OTHER  # savepoint-error has the same class


@pytest.mark.parametrize("operator", OPERATORS)
def test_recorded_resources_without_an_error_have_none(operator: str) -> None:
    found = recorded(operator)["resources"].values()
    assert None in {operator_error(one) for one in found}
    assert OperatorError.MANUAL_RESTORE not in {operator_error(one) for one in found}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (None, None),
        ("", None),
        (json.dumps({"type": f"{PACKAGE}RecoveryFailureException", "message": "Manual restore required."}), True),
        (json.dumps({"message": "HA data is not available. Manual restore required."}), True),
        ("HA data is not available. Manual restore required.", True),
        (json.dumps({"type": "x.ValidationException", "message": "Manual restore required."}), False),
        (json.dumps({"type": f"{PACKAGE}UpgradeFailureException", "message": "Savepoint Error"}), False),
        (json.dumps({"type": f"{PACKAGE}UpgradeFailureException"}), False),
        ("[" * 100_000, False),
        ("[]", False),
    ],
)
def test_texts_of_any_form(error: str | None, expected: bool | None) -> None:
    kinds = {None: None, True: OperatorError.MANUAL_RESTORE, False: OperatorError.OTHER}
    assert read(error) is kinds[expected]
