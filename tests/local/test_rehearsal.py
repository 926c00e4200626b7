"""Rehearsals on a real Flink: one line of a program changed, told before the stop what the restore would come to."""

import json
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flinkops.act.control import JarRun
from flinkops.act.rest.control import RestControl
from flinkops.clock import SystemClock
from flinkops.local import flink
from flinkops.local.javac import compile_jar
from flinkops.local.job import await_running
from flinkops.local.state import FleetInfo
from flinkops.model.endpoint import parse_endpoint
from tests.local.shell import Shell

pytestmark = [pytest.mark.local, pytest.mark.timeout(900)]

NAME = "rehearsed"
ENTRY = "flinkops.changed.Job"
SOURCES = Path(__file__).with_name("changed_job")
JARS = "changed jobs"
BASE: dict[str, str] = {}
"""No line changed."""

Compile = Callable[[str, dict[str, str]], Path]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compile:
    """The job with some of its lines changed, as a jar."""
    home = tmp_path_factory.mktemp(JARS)

    def build(name: str, edits: dict[str, str]) -> Path:
        folder = home / name
        shutil.copytree(SOURCES, folder)
        source = folder / "flinkops" / "changed" / "Job.java"
        text = source.read_text()
        for old, new in edits.items():
            assert old in text, old
            text = text.replace(old, new)
        source.write_text(text)
        return compile_jar(folder, home / f"{name}.jar", sorted((flink.distribution() / "lib").glob("*.jar")))

    return build


@pytest.fixture(scope="module")
def shell(embedded_fleet: FleetInfo, compiled: Compile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """The job runs, started by `flinkops`' own way of starting jars, and has state."""
    shell = Shell(embedded_fleet, tmp_path_factory.mktemp("journal of rehearsals"), NAME)
    shell.environment["TMPDIR"] = str(tmp_path_factory.mktemp("scratch of rehearsals"))
    control = RestControl(parse_endpoint(embedded_fleet.rest_url), SystemClock())
    run = JarRun(control.upload_jar(str(compiled("base", BASE))), ENTRY, (NAME,))
    try:
        control.run_jar(run, job_id=secrets.token_hex(16), savepoint=None, parallelism=1, settings={})
        yield shell
    finally:
        for job_id in shell.live():
            control.cancel(job_id)
        control.close()


@pytest.fixture(scope="module")
def savepoint(shell: Shell) -> str:
    """All is rehearsed against the same one, so that what is seen does not depend on the moment."""
    (job_id,) = shell.live()
    await_running(shell.info, job_id)
    return str(shell.json("savepoint", "create", NAME, "--yes")["result"]["savepoint"])


CHANGES: dict[str, tuple[dict[str, str], str, str | None]] = {
    "unchanged": (BASE, "restores", None),
    "uid renamed": ({'.uid("count")': '.uid("counted")'}, "fails", "no operator of the program takes the state of"),
    "type of a list state": (
        {
            "ListState<Long> latest": "ListState<String> latest",
            '"latest", Types.LONG': '"latest", Types.STRING',
            "latest.add(number);": 'latest.add("x");',
        },
        "fails",
        "count: state latest",
    ),
    "POJO field added": ({"public int seen; // POJO": "public int seen; public String note;"}, "restores", None),
    "state renamed": ({'"latest", Types.LONG': '"newest", Types.LONG'}, "loses-state", "count does not open its state"),
    "type of a state that the first record opens": (
        {
            "ValueState<Long> lazy": "ValueState<String> lazy",
            '"lazy", Types.LONG': '"lazy", Types.STRING',
            "lazy.update(number);": 'lazy.update("x");',
        },
        "fails",
        "count: state lazy, opened with its first record",
    ),
    "max parallelism": (
        {'.uid("count").name("count")': '.uid("count").name("count").setMaxParallelism(64)'},
        "fails",
        "max parallelism",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_line_is_judged_before_the_stop(change: str, shell: Shell, savepoint: str, compiled: Compile) -> None:
    edits, verdict, cause = CHANGES[change]
    jar = compiled(change.replace(" ", "-"), edits)
    before = _files(savepoint)
    done = shell.run(
        *("rehearse", NAME, "--jar", str(jar), "--entry-class", ENTRY, f"--arg={NAME}"),
        *("--against", savepoint, "-o", "json"),
    )
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["verdict"] == verdict, document
    assert done.returncode == (0 if verdict == "restores" else 5)
    assert (cause or "") in (document["cause"] or "")
    assert shell.live(), "the job runs on"
    assert _files(savepoint) == before
    if change == "unchanged":
        states = {one["name"]: one for one in document["states"]}
        assert states["last"]["outcome"] == "compatible"
        assert states["last"]["keys_read"] > 0
        assert states["lazy"]["outcome"] == "unopened"
        assert any("lazy" in risk for risk in document["risks"])


def _files(savepoint: str) -> dict[str, tuple[int, int]]:
    folder = Path(savepoint.removeprefix("file:"))
    found = {path: path.stat() for path in folder.rglob("*")}
    return {path.name: (status.st_size, status.st_mtime_ns) for path, status in found.items()}


def test_an_upgrade_that_would_lose_state_stops_before_the_stop(shell: Shell, compiled: Compile) -> None:
    jar = compiled("renamed-for-upgrade", CHANGES["state renamed"][0])
    ours = shell.live()
    change = ("--jar", str(jar), "--entry-class", ENTRY, f"--arg={NAME}")
    document = shell.json("upgrade", NAME, "--savepoint", "--rehearse", *change, "--yes", code=5)
    assert document["result"]["outcome"] == "refused"
    assert [step["name"] for step in document["result"]["steps"]] == ["prepare", "rehearse"]
    assert shell.live() == ours


def test_an_upgrade_that_restores_goes_on(shell: Shell, compiled: Compile) -> None:
    jar = compiled("field-for-upgrade", CHANGES["POJO field added"][0])
    change = ("--jar", str(jar), "--entry-class", ENTRY, f"--arg={NAME}")
    result = shell.json("upgrade", NAME, "--savepoint", "--rehearse", *change, "--yes")["result"]
    assert result["outcome"] == "verified"
    assert result["seen"]["rehearsal"] == "restores"
    assert result["seen"]["compiled"] == "on the cluster"
    assert result["restored_from"] == result["savepoint"]


def test_nothing_of_a_rehearsal_is_left(shell: Shell) -> None:
    assert list(Path(shell.environment["TMPDIR"]).iterdir()) == []
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert [line for line in running.splitlines() if "flinkops-rehearsal" in line and JARS in line] == []
