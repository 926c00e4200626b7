"""Masks are for showing: what is planned, kept in the journal and sent to Flink is what was read."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from flinkops.act.control import JarRun
from flinkops.act.executor import Progress
from flinkops.act.step_kinds import known_members
from flinkops.errors import Interrupted
from flinkops.model.launch import Launch
from flinkops.model.plan import Plan, Result
from flinkops.model.request import Change
from flinkops.plan.identity import decode_plan_file, encode_plan_file
from tests.fake_flink import FakeFlink
from tests.unit.command_line import Cli
from tests.unit.rest_bench import Bench

FOLDER = "abfss://container@account.dfs.core.windows.net/savepoints"
PASSWORD = "Tr0ub4dor&3"
ARGUMENTS = ("--db-password", PASSWORD, "--url", f"jdbc:postgresql://me:{PASSWORD}@db/x")
OLD = Launch("jar", ARGUMENTS, jar_id="old.jar", parallelism=1)


class SecretBench(Bench):
    """A job with a password in its arguments, and savepoints in a container of an account."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.cluster.configuration = {"execution.checkpointing.savepoint-dir": FOLDER}
        self.submitted: list[tuple[str, ...]] = []
        run_jar = self.cluster.run_jar

        def noted(run: JarRun, **others: object) -> None:
            self.submitted.append(run.program_arguments)
            run_jar(run, **others)  # type: ignore[arg-type]

        self.cluster.run_jar = noted  # type: ignore[method-assign]

    def saved_plan(self, change: Change) -> Plan:
        """A plan after it was saved to a file and read again."""
        return decode_plan_file(encode_plan_file(self.plan(change, old=OLD)), "plan.json", known_members())


@pytest.fixture
def bench(tmp_path: Path) -> SecretBench:
    return SecretBench(tmp_path)


def kept_in_place(result: Result) -> None:
    assert result.seen["savepoint"] == f"{FOLDER}/savepoint-1"


def test_a_saved_plan_sends_what_was_read(bench: SecretBench) -> None:
    result = bench.executor().run(bench.saved_plan(Change(jar="new.jar", arguments=ARGUMENTS)))
    assert result.outcome == "verified", result.error
    kept_in_place(result)
    assert bench.submitted == [ARGUMENTS]


def test_a_rollback_submits_the_old_arguments(bench: SecretBench) -> None:
    bench.cluster.state.looping_jars = ["loop.jar"]
    result = bench.executor().run(bench.saved_plan(Change(jar="loop.jar", arguments=ARGUMENTS)))
    assert result.outcome == "rolled-back"
    kept_in_place(result)
    assert bench.submitted == [ARGUMENTS, ARGUMENTS]


def test_an_interrupted_action_goes_on_with_what_the_journal_kept(bench: SecretBench) -> None:
    def interrupted(progress: Progress) -> None:
        if (progress.kind, progress.step) == ("intent", "submit"):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        bench.executor(interrupted).run(bench.saved_plan(Change(jar="new.jar", arguments=ARGUMENTS)))
    assert bench.submitted == []
    result = bench.executor().resume("p1")
    assert result.outcome == "verified", result.error
    kept_in_place(result)
    assert bench.submitted == [ARGUMENTS]
    assert bench.journal.path.stat().st_mode & 0o077 == 0


@pytest.mark.usefixtures("nothing_from_outside")
def test_a_plan_holds_what_is_masked_on_the_screen(cli: Cli, flink: FakeFlink, tmp_path: Path) -> None:
    settings: Sequence[dict[str, str]] = flink.recording.answers["/jobmanager/config"]
    folder = "s3://AK:hunter2@bucket/savepoints"
    flink.recording.answers["/jobmanager/config"] = [
        *(one for one in settings if "savepoint" not in one["key"]),
        {"key": "execution.checkpointing.savepoint-dir", "value": folder},
    ]
    path = tmp_path / "plan.json"
    ran = cli("savepoint", "create", "windows", "--rest", flink.url, "--out", str(path), "-o", "json")
    assert ran.code == 0, ran.err
    assert folder in path.read_text("utf-8")
    assert "hunter2" not in ran.out + ran.err
    assert json.loads(ran.out)["plan"]["job"] == "windows"
