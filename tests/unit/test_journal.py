"""The journal survives what happens to files and processes."""

import stat
from pathlib import Path

import pytest

from flinkops.act.journal import Journal
from flinkops.act.lock import job_lock
from flinkops.act.outcomes import SavepointCompleted
from flinkops.clock import FixedClock
from flinkops.errors import OperationFailed, Refused, UsageError
from flinkops.model.plan import Plan, Target

PLAN = Plan(id="p1", verb="savepoint-create", target=Target("c", "prices", "a" * 32), created_ms=1)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "a" / "journal", FixedClock(5))


def test_only_its_owner_can_read_it(journal: Journal) -> None:
    journal.append("planned", PLAN, "h")
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(journal.folder.stat().st_mode) == 0o700


def test_a_record_says_who_did_what(journal: Journal) -> None:
    journal.append("planned", PLAN, "h")
    journal.append("intent", PLAN, "h", step="trigger", action="trigger-savepoint")
    journal.append(
        "outcome", PLAN, "h", step="trigger", outcome="ok", seconds=0.5, found=[SavepointCompleted("s3://x")]
    )
    journal.append("finished", PLAN, "h", outcome="verified")
    (record,) = journal.records()
    assert (record.plan, record.plan_hash, record.outcome) == (PLAN, "h", "verified")
    assert record.outcomes == (SavepointCompleted("s3://x"),)
    assert record.found.as_text() == {"savepoint": "s3://x"}
    assert not record.resumable
    assert record.who
    assert [step.outcome for step in record.steps] == ["ok"]


def test_an_intent_without_outcome_is_unfinished(journal: Journal) -> None:
    journal.append("planned", PLAN, "h")
    journal.append("intent", PLAN, "h", step="await")
    record = journal.record("p1")
    assert record.resumable
    assert record.unfinished_step == "await"
    assert record.outcome is None


@pytest.mark.parametrize("cut", [1, 10, 100])
def test_a_torn_last_line_is_skipped_and_the_next_one_whole(journal: Journal, cut: int) -> None:
    journal.append("planned", PLAN, "h")
    journal.append("finished", PLAN, "h", outcome="verified")
    journal.path.write_bytes(journal.path.read_bytes()[:-cut])
    readable = [entry.event for entry in journal.entries()]
    assert readable in (["planned"], ["planned", "finished"])
    journal.append("interrupted", PLAN, "h")
    assert [entry.event for entry in journal.entries()] == [*readable, "interrupted"]


def test_rubbish_in_the_middle_is_skipped(journal: Journal) -> None:
    journal.append("planned", PLAN, "h")
    with journal.path.open("ab") as file:
        file.write(b'\xff\xfe\n{"schema_version":1}\n\n')
    journal.append("finished", PLAN, "h", outcome="failed")
    assert journal.record("p1").outcome == "failed"


def test_no_journal_is_an_empty_one(journal: Journal) -> None:
    assert journal.records() == ()
    with pytest.raises(UsageError, match="knows no action"):
        journal.record("p1")


def test_a_journal_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OperationFailed, match="cannot be written"):
        Journal(tmp_path / "file", FixedClock(1)).append("planned", PLAN, "h")


def test_hostile_text_stays_one_line(journal: Journal) -> None:
    journal.append("outcome", PLAN, "h", step="x", error="a\nb\x1b[31m\u2028c")
    assert journal.path.read_bytes().count(b"\n") == 1


def test_one_action_a_job_at_a_time(tmp_path: Path) -> None:
    with job_lock(tmp_path, PLAN):
        with pytest.raises(Refused, match=r"p1 \(process"), job_lock(tmp_path, PLAN):
            pass
        other = Plan(id="p2", verb="upgrade", target=Target("c", "alerts", "b" * 32), created_ms=1)
        with job_lock(tmp_path, other):
            pass
    with job_lock(tmp_path, PLAN):
        pass
