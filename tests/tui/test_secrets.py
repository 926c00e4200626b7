"""No planted kind of secret on any screen, nor in what a screen writes to a file."""

from pathlib import Path

import msgspec
import pytest

from flinkops.assess import assess
from flinkops.config.policy import Policy
from flinkops.model.detail import JobDetail
from flinkops.model.facts import ExceptionFacts, JobFacts
from flinkops.model.observation import Observation
from flinkops.tui.job import JobScreen
from tests.effort import some
from tests.planted import SETTING_KEYS, planted
from tests.tui.details import FakeSource
from tests.tui.screen import press, run, running, text_of, until
from tests.unit.builders import NOW_MS, failing, job, snapshot, vertex

KINDS = some(planted(), 50)  # on screens; what masks them is held against all in test_masking
SECRETS = sorted({secret for kind in KINDS for secret in kind.secrets})
TALL = (240, len(KINDS) + 20)
LOGGED = "\n".join(f"2026-11-23 14:00:00,000 WARN  o.a.f.Task - {kind.text}" for kind in KINDS)


def seen(*jobs: JobFacts) -> Observation:
    taken = snapshot(*jobs)
    return Observation(taken, assess(taken, {}, Policy()), {})


def leaks(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text]


class Telling(FakeSource):
    """A source whose logs and details say everything."""

    def jobmanager_log(self) -> str:
        return LOGGED

    def detail(self, job_id: str, *, deadline_seconds: float = 10.0) -> JobDetail:
        return JobDetail(id=job_id, seen_ms=NOW_MS, plan={"v": LOGGED}, unknown={"subtasks": KINDS[0].text})


def telling() -> JobFacts:
    """One job with all kinds in its tables."""
    return job(
        vertices=tuple(
            msgspec.structs.replace(vertex(f"v{n}"), name=f"Map {kind.text}") for n, kind in enumerate(KINDS)
        ),
        checkpoints=failing(4, cause=KINDS[0].text),
        exceptions=tuple(
            ExceptionFacts(NOW_MS - n, "java.io.IOException", kind.text, "v0", "tm-1") for n, kind in enumerate(KINDS)
        ),
        configuration={**dict.fromkeys(SETTING_KEYS, "correcthorse"), "pipeline.name": KINDS[1].text},
        unknown={f"field.{n}": kind.text for n, kind in enumerate(KINDS)},
    )


@pytest.mark.scaled
def test_not_in_the_fleet_nor_in_what_is_written_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    jobs = [
        job(id=f"{n:032x}", name=f"job {kind.text}", checkpoints=failing(4, cause=kind.text))
        for n, kind in enumerate(KINDS)
    ]

    async def scenario() -> None:
        async with running(seen(*jobs), size=TALL) as (app, pilot):
            assert text_of(app).count("job ") >= len(KINDS)
            assert leaks(text_of(app)) == []
            for choice in (["e", "enter"], ["e", "j", "enter"]):
                await press(pilot, choice)
        written = list(tmp_path.glob("flinkops-view-*"))
        assert {path.suffix for path in written} == {".txt", ".json"}
        for path in written:
            assert leaks(path.read_text("utf-8").replace('\\"', '"')) == []
            assert path.stat().st_mode & 0o077 == 0

    run(scenario())


@pytest.mark.scaled
@pytest.mark.thorough
def test_not_on_a_jobs_screens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def scenario() -> None:
        async with running(seen(telling()), size=TALL, sources=[Telling("prod")]) as (app, pilot):
            await press(pilot, ["enter"])
            for tab in "123456":
                await press(pilot, [tab])
                assert leaks(text_of(app)) == [], tab
                await press(pilot, ["enter"])
                assert leaks(text_of(app)) == [], f"a row of {tab}"
                if not isinstance(app.screen, JobScreen):
                    await press(pilot, ["escape"])
            assert isinstance(app.screen, JobScreen)
            await press(pilot, ["e", "j", "enter"])
            await press(pilot, ["L"])
            await until(pilot, lambda: "JobManager" in text_of(app), what="the list of logs")
            await press(pilot, ["enter"])
            await until(pilot, lambda: "last " in text_of(app), what="the log")
            assert leaks(text_of(app)) == []
        (written,) = tmp_path.glob("flinkops-view-*.json")
        assert leaks(written.read_text("utf-8").replace('\\"', '"')) == []

    run(scenario())
