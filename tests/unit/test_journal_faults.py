"""The journal on a disk that is full, torn by a crash, damaged, or written by a newer version."""

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flinkops.act import journal as journal_module
from flinkops.act.executor import Progress
from flinkops.act.journal import Journal, JournalFailed
from flinkops.act.journal_file import Line, Reserve
from flinkops.clock import FixedClock
from flinkops.errors import OperationFailed, Refused
from flinkops.model.plan import Plan, Target
from flinkops.model.request import Change
from tests.patience import PATIENT_SECONDS
from tests.unit.full_disk import Disk, disk_of
from tests.unit.rest_bench import Bench

PLAN = Plan(id="p1", verb="upgrade", target=Target("c", "prices", "a" * 32), created_ms=1)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal", FixedClock(5))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(params=["limited", "tmpfs"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    with disk_of(request.param, tmp_path / "disk") as made:
        yield made


def two_lines(journal: Journal) -> bytes:
    journal.append("planned", PLAN, "h")
    journal.append("intent", PLAN, "h", step="stop")
    return journal.path.read_bytes()


@given(cut=st.integers(1, 2_500), zeros=st.integers(0, 9_000), text=st.integers(0, 2_000))
def test_whatever_is_left_of_a_torn_line_is_repaired_in_silence(
    tmp_path_factory: pytest.TempPathFactory, cut: int, zeros: int, text: int
) -> None:
    journal = Journal(tmp_path_factory.mktemp("torn"), FixedClock(5))
    journal.append("planned", PLAN, "h")
    journal.append("intent", PLAN, "h", step="stop", error="x" * text)
    whole = journal.path.read_bytes()
    first = whole.index(b"\n") + 1
    journal.path.write_bytes(whole[: max(first, len(whole) - cut)] + b"\0" * zeros)
    assert journal.damage() == ()
    readable = [entry.event for entry in journal.entries()]
    assert readable == ["planned"] if cut > 1 else ["planned", "intent"]
    journal.append("interrupted", PLAN, "h")
    assert [entry.event for entry in journal.entries()] == [*readable, "interrupted"]
    assert journal.path.read_bytes().count(b"\n") == len(readable) + 1
    assert journal.path.read_bytes().endswith(b"}\n")
    assert journal.damage() == ()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"\xff\xfe", "cannot be read"),
        (b'{"schema_version":1}', "missing required field"),
        (b'{"schema_version":1,"at_ms":1,"event":"pla\n', "cannot be read"),
        (b'{"schema_version":7,"event":"planned"}', "a newer flinkops wrote it (schema_version 7)"),
        (b"[1,2]", "cannot be read"),
    ],
)
def test_any_other_damage_is_named_with_its_line_and_refuses_actions(bench: Bench, line: bytes, reason: str) -> None:
    plan = bench.plan(Change(parallelism=2))
    bench.journal.append("planned", plan, "h")
    bench.journal.append("intent", plan, "h", step="stop")
    with bench.journal.path.open("ab") as file:
        file.write(line.rstrip(b"\n") + b"\n")
    (damage,) = bench.journal.damage()
    assert damage.number == 3
    assert reason in damage.reason
    for act in (
        lambda: bench.executor().run(plan),
        lambda: bench.executor().resume("p1"),
        lambda: bench.executor().abandon("p1"),
    ):
        with pytest.raises(Refused, match=r"line 3 of .*journal\.jsonl"):
            act()
    assert bench.cluster.state.orders == []


def test_an_end_that_never_was_a_line_is_not_taken_for_a_torn_one(journal: Journal) -> None:
    two_lines(journal)
    with journal.path.open("ab") as file:
        file.write(b"rubbish")
    assert [one.number for one in journal.damage()] == [3]
    journal.append("interrupted", PLAN, "h")
    assert [one.number for one in journal.damage()] == [3]
    assert [entry.event for entry in journal.entries()] == ["planned", "intent", "interrupted"]


def test_repair_keeps_a_copy_and_every_line_that_can_be_read(journal: Journal) -> None:
    whole = two_lines(journal)
    damaged = whole.replace(b"\n", b"\nnonsense\n", 1)
    journal.path.write_bytes(damaged)
    done = journal.repair()
    assert [one.number for one in done.set_aside] == [2]
    assert [one.plan.id for one in done.unfinished] == ["p1"]
    assert done.copy is not None
    assert done.copy.read_bytes() == damaged
    assert journal.path.read_bytes() == whole
    assert journal.damage() == ()
    for path in (journal.path, done.copy):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert journal.repair().copy is None


def test_lines_of_a_newer_version_are_not_set_aside(journal: Journal) -> None:
    whole = two_lines(journal) + b'{"schema_version":9}\n'
    journal.path.write_bytes(whole)
    with pytest.raises(Refused, match="newer flinkops"):
        journal.repair()
    assert journal.path.read_bytes() == whole


def test_an_open_action_whose_plan_was_damaged_still_guards_its_job(bench: Bench) -> None:
    facts = bench.plan(Change(parallelism=2))
    lost = msgspec.structs.replace(facts, id="lost")
    bench.journal.append("planned", lost, "h")
    bench.journal.append("intent", lost, "h", step="stop")
    content = bench.journal.path.read_bytes()
    bench.journal.path.write_bytes(b"#" + content)
    assert [one.plan.id for one in bench.journal.repair().unfinished] == ["lost"]
    with pytest.raises(Refused, match="lost of this job is not finished"):
        bench.executor().run(facts)
    with pytest.raises(Refused, match="plan was lost"):
        bench.executor().resume("lost")
    bench.executor().abandon("lost")
    assert bench.executor().run(facts).outcome == "verified"


def test_a_line_that_waits_for_a_repair_goes_into_the_new_file(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_lines(journal)
    with journal.path.open("ab") as file:
        file.write(b"nonsense\n")
    writer = threading.Thread(target=lambda: journal.append("interrupted", PLAN, "h"))
    choose = journal_module._readable

    def slow(lines: list[Line]) -> list[bytes]:
        writer.start()  # it opens the file that is about to be replaced, and waits for its lock
        writer.join(0.3)
        assert writer.is_alive()
        return choose(lines)

    monkeypatch.setattr(journal_module, "_readable", slow)
    journal.repair()
    writer.join(PATIENT_SECONDS)
    assert [entry.event for entry in journal.entries()] == ["planned", "intent", "interrupted"]


@pytest.mark.parametrize("what", ["folder", "fifo", "device"])
def test_what_is_no_file_is_said_and_not_waited_for(journal: Journal, what: str) -> None:
    journal.folder.mkdir()
    if what == "folder":
        journal.path.mkdir()
    elif what == "fifo":
        os.mkfifo(journal.path)
    else:
        journal.path.symlink_to("/dev/zero")
    with pytest.raises(OperationFailed, match="cannot be read"):
        journal.records()
    with pytest.raises(JournalFailed, match="cannot be written"):
        journal.append("planned", PLAN, "h")


def test_a_disk_that_is_full_from_the_stop_on_does_not_keep_the_job_down(bench: Bench, disk: Disk) -> None:
    plan = bench.plan(Change(parallelism=2))
    bench.journal = Journal(disk.folder / "journal", FixedClock(5))

    def fill(progress: Progress) -> None:
        if (progress.kind, progress.step) == ("intent", "stop"):
            disk.fill()

    result = bench.executor(progress=fill).run(plan)
    assert (result.outcome, result.error) == ("verified", None)
    (reserve,) = (disk.folder / "journal" / "reserve").iterdir()
    assert b'"finished"' in reserve.read_bytes()
    assert b'"finished"' not in bench.journal.path.read_bytes()
    record = bench.journal.record(plan.id)
    assert record.outcome == "verified"
    assert record.found.savepoint == result.found.savepoint
    assert [step.name for step in record.steps] == [step.name for step in plan.steps]

    disk.free()
    with bench.journal.room_for(PLAN):
        assert bench.journal.record(plan.id) == record
    assert not list((disk.folder / "journal" / "reserve").iterdir())
    assert b'"finished"' in bench.journal.path.read_bytes()


def test_killed_on_a_full_disk_it_is_resumed_there(bench: Bench, disk: Disk) -> None:
    plan = bench.plan(Change(parallelism=2))
    bench.journal = Journal(disk.folder / "journal", FixedClock(5))

    class Killed(BaseException):
        pass

    def fill(progress: Progress) -> None:
        if (progress.kind, progress.step) == ("intent", "stop"):
            disk.fill()
        if (progress.kind, progress.step) == ("outcome", "stopped"):
            raise Killed

    with pytest.raises(Killed):
        bench.executor(progress=fill).run(plan)
    again = Bench(bench.folder)
    again.journal = Journal(disk.folder / "journal", FixedClock(5))
    assert [step.name for step in again.journal.record(plan.id).steps][-1] == "stopped"
    assert again.executor().resume(plan.id).outcome == "verified"
    assert [order.partition(" ")[0] for order in again.cluster.state.orders] == ["stop", "run"]


def test_without_room_for_the_whole_action_nothing_is_done(bench: Bench, disk: Disk) -> None:
    plan = bench.plan(Change(parallelism=2))
    bench.journal = Journal(disk.folder / "journal", FixedClock(5))
    bench.journal.append("planned", PLAN, "h")
    bench.journal.append("finished", PLAN, "h", outcome="verified")
    disk.fill()
    with pytest.raises(Refused, match="nothing was done"):
        bench.executor().run(plan)
    assert bench.cluster.state.orders == []
    assert [record.plan.id for record in bench.journal.records()] == ["p1"]


@pytest.mark.parametrize(
    ("step", "event", "words"),
    [
        ("prepare", "outcome", []),
        ("stop", "outcome", ["may be stopped since step 'stop'", "no savepoint of it is known yet"]),
        ("savepoint", "outcome", ["may be stopped since step 'stop'", "savepoint-1"]),
        ("stopped", "outcome", ["prices is stopped since step 'stop'", "its savepoint is s3://bucket/savepoints/savepoint-1"]),
        ("submit", "intent", ["prices is stopped since step 'stop'", "savepoint-1"]),
        ("running", "intent", ["prices was submitted at step 'submit' as", "is not verified", "savepoint-1"]),
        ("flow", "outcome", ["is not verified"]),
    ],
)  # fmt: skip
def test_when_not_even_the_reserve_can_be_written_the_message_says_how_the_job_is(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, step: str, event: str, words: list[str]
) -> None:
    plan = bench.plan(Change(parallelism=2))
    append = Journal.append

    def fail(self: Journal, *args: object, **options: object) -> object:
        if (args[0], options.get("step")) == (event, step):
            raise JournalFailed("the journal cannot be written: Input/output error")
        return append(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Journal, "append", fail)
    with pytest.raises(OperationFailed) as raised:
        bench.executor().run(plan)
    line = raised.value.line()
    assert f"Input/output error at step '{step}' of {plan.id}" in line
    assert f"action resume {plan.id}" in line
    for word in words:
        assert word in line
    assert ("stopped" in line or "submitted" in line) == bool(words)
    monkeypatch.undo()
    again = Bench(bench.folder)
    assert again.executor().resume(plan.id).outcome == "verified"
    assert len([order for order in again.cluster.state.orders if order.startswith("run")]) == 1


def test_a_reserve_that_is_used_up_says_so(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "reserve", os.O_RDWR | os.O_CREAT)
    try:
        reserve = Reserve(descriptor, tmp_path / "reserve", 10)
        reserve.write(b"12345\n")
        with pytest.raises(OSError, match="reserved for this action"):
            reserve.write(b"12345\n")
    finally:
        os.close(descriptor)
