"""Which savepoints and checkpoints of a folder count, and whether a job went on or back."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flinkops.act.storage import savepoints_in
from flinkops.assess.checkpoints import newest_completed
from flinkops.model.facts import CheckpointFacts, CheckpointsFacts, RestoredFacts
from flinkops.plan.savepoint_owner import is_of_job
from flinkops.plan.state_loss import place_of, why_lost
from flinkops.sources.storage.stores import Stores

INLINE = Path(__file__).parent / "savepoints" / "flink-1.20-hashmap-canonical.metadata"


def checkpoint(number: int, status: Any = "COMPLETED", **more: Any) -> CheckpointFacts:
    return CheckpointFacts(id=number, status=status, **more)


def points(*history: CheckpointFacts) -> CheckpointsFacts:
    return CheckpointsFacts(enabled=True, history=history)


@given(st.integers(1, 10**9), st.integers(-3, 3) | st.integers(-(10**9), 10**9))
def test_a_job_goes_on_or_back_by_the_numbers_of_its_checkpoints(number: int, later: int) -> None:
    restored_id = max(1, number + later)
    found = why_lost(number, RestoredFacts(id=restored_id, at_ms=0, is_savepoint=False))
    assert (found is None) == (restored_id >= number)
    assert why_lost(None, None) is None
    assert str(number) in (why_lost(number, None) or "")


def test_savepoints_and_what_never_completed_are_no_checkpoint_to_fall_behind() -> None:
    history = (checkpoint(9, "IN_PROGRESS"), checkpoint(8, is_savepoint=True), checkpoint(7), checkpoint(6))
    assert newest_completed(points(*history)) == checkpoint(7)
    assert newest_completed(points()) is None
    assert place_of(checkpoint(1, external_path="<checkpoint-not-externally-addressable>")) is None


@pytest.mark.parametrize(
    ("operators", "vertices", "job_id", "found"),
    [
        ({"a", "b", "c"}, {"b", "c"}, "1", True),
        ({"a", "b"}, {"b", "c"}, "1", False),  # the first source of every program without uids is one
        ({"a"}, {"b"}, "1", False),
        ({"a"}, {"b"}, "0" * 32, False),
        ({"a"}, set(), "1", True),  # by the id alone
        ({"a"}, set(), "0" * 32, False),  # which every application with high availability has
        (set(), {"b"}, "1", True),
    ],
)
def test_whose_savepoint_it_is(operators: set[str], vertices: set[str], job_id: str, found: bool) -> None:
    assert is_of_job(operators, vertices, job_id) is found


def test_savepoints_of_a_folder(tmp_path: Path) -> None:
    for number, (name, at_seconds) in enumerate(
        [
            ("savepoint-abcdef-1", 100),
            ("savepoint-abcdef-2", 300),
            ("savepoint-abcdef-3", 200),
            ("savepoint-fedcba-4", 400),
        ]
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "_metadata").write_bytes(b"x" * number)
        os.utime(tmp_path / name / "_metadata", (at_seconds, at_seconds))
    (tmp_path / "savepoint-abcdef-5").mkdir()  # not complete
    found = savepoints_in(tmp_path.as_uri() + "/", "abcdef0123", Stores(), since_seconds=150)
    assert found == [f"{tmp_path.as_uri()}/savepoint-abcdef-2", f"{tmp_path.as_uri()}/savepoint-abcdef-3"]
    assert savepoints_in("s3://bucket/savepoints", "abcdef0123", Stores(), since_seconds=0) == []
    assert savepoints_in(str(tmp_path / "nowhere"), "abcdef0123", Stores(), since_seconds=0) == []
