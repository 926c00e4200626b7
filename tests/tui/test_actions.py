"""Actions: offered only where allowed, planned and confirmed as the commands do, refused by the executor if need be."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest
from textual.pilot import Pilot

from flinkops.act.backend import JobHandle
from flinkops.act.executor import Progress
from flinkops.act.outcomes import FilesChecked
from flinkops.act.rest.backend import RestBackend, RestJob
from flinkops.act.rest.outcomes import JobEnded, RestoreVerified
from flinkops.clock import FixedClock
from flinkops.config.guard import guard_of
from flinkops.config.load import load_settings
from flinkops.errors import OperationFailed, Refused, UsageError
from flinkops.model.assessment import JobAssessment
from flinkops.model.facts import JobFacts, ResourceFacts
from flinkops.model.observation import Observation
from flinkops.model.plan import Plan, Result, Step, Target
from flinkops.model.request import Change
from flinkops.model.steps import UnknownOutcome
from flinkops.plan.step_inputs import AwaitEnd
from flinkops.render.glyphs import UNICODE
from flinkops.sources.kubernetes.access import KubeAccess
from flinkops.sources.storage.stores import Stores
from flinkops.tui.actions import execute
from flinkops.tui.actions.catalog import KINDS, Kind, Planning, Running, command_of, request_of
from flinkops.tui.actions.execute import carry_out, make_plan, takes_actions
from flinkops.tui.actions.messages import AskAction
from flinkops.tui.actions.sheets import progress_lines
from flinkops.tui.app import FlinkopsApp
from flinkops.tui.context import Context
from flinkops.tui.themes import THEMES, Palette
from tests.tui.details import FakeSource
from tests.tui.fleet import T0_MS, fleet
from tests.tui.screen import make_app, press, running, text_of, until, view_of
from tests.unit.fake_cluster import JOB_ID, NAME, FakeCluster

CLOCK = FixedClock(T0_MS)
CONTEXT = Context(UNICODE, Palette(THEMES[0].to_color_system().generate()))
BY_TITLE = {kind.title: kind for kind in KINDS}
SOURCE = FakeSource(NAME)


class OneCluster(RestBackend):
    """The back end of a fake cluster, which every source leads to."""

    def __init__(self, control: FakeCluster) -> None:
        super().__init__(lambda: [SOURCE.endpoint], CLOCK, ("--rest", SOURCE.endpoint.url))
        self._only = control

    @contextmanager
    def reach_job(self, job: JobFacts) -> Iterator[JobHandle]:
        found = self._only.job(JOB_ID)
        assert found is not None
        yield RestJob(self._only, found)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    """A cluster that the screens act on, with one job, which the fleet shows."""
    made = FakeCluster(tmp_path / "cluster.json")
    monkeypatch.setattr(execute, "backend_of", lambda *_: OneCluster(made))
    return made


def the_job() -> JobAssessment:
    """As the fleet's screen shows the cluster's one job."""
    job = next(job for job in fleet(140).assessment.jobs if job.health.level == "ok")
    return msgspec.structs.replace(job, id=JOB_ID, name="prices", namespace=None, cluster=NAME)


def scenario(steps: Callable[[FlinkopsApp, Pilot[None]], Awaitable[None]], folder: Path, **options: object) -> None:
    """Run the steps on a fleet of that one job."""

    async def whole() -> None:
        app = make_app(sources=[SOURCE], journal_folder=folder / "journal", **options)
        async with running(app=app, size=(120, 40)) as (_, pilot):
            seen = fleet(140)
            assessment = msgspec.structs.replace(seen.assessment, jobs=(the_job(),))
            app.poller.observed(view_of(Observation(seen.snapshot, assessment, seen.history)))
            await pilot.pause()
            await steps(app, pilot)

    asyncio.run(whole())


def test_read_only_greys_the_keys_and_says_so() -> None:
    async def whole() -> None:
        sources = [FakeSource("flink-00")]
        async with running(fleet(140), size=(120, 40), sources=sources, guarded=("*",)) as (app, pilot):
            assert "READ-ONLY" in text_of(app)
            before = len(app.screen_stack)
            await press(pilot, ["s", "x"])
            assert len(app.screen_stack) == before, "the keys do nothing"
            assert [app.screen.check_action(key, ()) for key in ("savepoint", "act")] == [None, None], "greyed"

    asyncio.run(whole())


def test_production_alone_is_read_only_and_named(tmp_path: Path, cluster: FakeCluster) -> None:
    async def steps(app: FlinkopsApp, pilot: Pilot[None]) -> None:
        assert f"READ-ONLY {NAME}" in text_of(app)
        assert app.screen.check_action("act", ()) is None, "greyed"
        app.post_message(AskAction(BY_TITLE["restart"], [the_job()]))
        await pilot.pause()
        assert f"read-only: nothing is changed at {NAME}" in text_of(app)
        other = msgspec.structs.replace(the_job(), cluster="staging")
        assert app.may_act_on([other])
        assert not app.may_act_on([other, the_job()])

    async def whole() -> None:
        sources = [SOURCE, FakeSource("staging")]
        app = make_app(sources=sources, journal_folder=tmp_path, guarded=("cluster.*",))
        async with running(app=app, size=(120, 40)) as (_, pilot):
            seen = fleet(140)
            assessment = msgspec.structs.replace(seen.assessment, jobs=(the_job(),))
            app.poller.observed(view_of(Observation(seen.snapshot, assessment, seen.history)))
            await pilot.pause()
            await steps(app, pilot)

    asyncio.run(whole())
    assert cluster.state.orders == []


@pytest.mark.parametrize(
    ("flags", "file", "read_only"),
    [
        ({}, "", (False, False)),
        ({}, 'production = ["prod-*"]', (True, False)),
        ({"read_only": False}, 'production = ["prod-*"]', (False, False)),
        ({}, 'read_only = false\nproduction = ["prod-*"]', (True, False)),
        ({"read_only": True}, "", (True, True)),
    ],
)
def test_where_nothing_may_be_changed(
    flags: dict[str, object], file: str, read_only: tuple[bool, bool], tmp_path: Path
) -> None:
    path = tmp_path / "flinkops.toml"
    path.write_text(file)
    settings = load_settings(flags, config_file=str(path), environ={})
    assert tuple(guard_of(settings, name) is not None for name in ("prod-eu", "staging")) == read_only


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.title)
def test_read_only_is_refused_by_the_executor_too(kind: Kind, tmp_path: Path, cluster: FakeCluster) -> None:
    texts = {"rescale": "2", "upgrade": "--jar other.jar"}
    if kind.verb == "rollback":
        return  # without an upgrade before it there is no such plan
    planning = Planning(kind, the_job(), SOURCE, texts.get(kind.verb, ""))
    plan = make_plan(planning, clock=CLOCK, journal_folder=tmp_path)
    running = Running(plan, planning)
    with pytest.raises(Refused, match="read-only"):
        carry_out(
            running,
            clock=CLOCK,
            read_only=True,
            journal_folder=tmp_path,
            stores=Stores(),
            progress=lambda _: None,
            stopping=threading.Event(),
        )
    assert cluster.state.orders == []


def test_a_savepoint_is_planned_confirmed_done_and_seen(tmp_path: Path, cluster: FakeCluster) -> None:
    async def steps(app: FlinkopsApp, pilot: Pilot[None]) -> None:
        await press(pilot, ["s"])
        await until(pilot, lambda: "y proceed" in text_of(app), what="the plan")
        assert "flinkops savepoint create prices --rest http://127.0.0.1:9" in text_of(app)
        await press(pilot, ["n"])
        assert cluster.state.orders == [], "no is no"
        await press(pilot, ["s"])
        await until(pilot, lambda: "y proceed" in text_of(app), what="the plan again")
        await press(pilot, ["y"])
        await until(pilot, lambda: "verified" in text_of(app) or "failed" in text_of(app), what="the end")
        assert len(cluster.state.orders) == 1

    scenario(steps, tmp_path)


@pytest.mark.thorough
def test_every_action_is_offered_and_a_severe_one_wants_the_name(tmp_path: Path, cluster: FakeCluster) -> None:
    async def steps(app: FlinkopsApp, pilot: Pilot[None]) -> None:
        await press(pilot, ["x"])
        assert all(kind.title in text_of(app) for kind in KINDS)
        await press(pilot, ["j", "j", "enter"])
        assert "upgrade prices" in text_of(app)
        await press(pilot, [*"--jar other.jar", "enter"])
        await until(pilot, lambda: "type the job's name" in text_of(app), what="the plan")
        assert "flinkops upgrade prices --savepoint --jar other.jar --rest" in text_of(app)
        await press(pilot, [*"yes", "enter"])
        assert "type the job's name" in text_of(app)
        assert cluster.state.orders == []
        await press(pilot, ["escape", "A"])
        assert "no action yet" in text_of(app)

    scenario(steps, tmp_path)


def test_a_refused_plan_can_only_be_left(tmp_path: Path, cluster: FakeCluster) -> None:
    async def steps(app: FlinkopsApp, pilot: Pilot[None]) -> None:
        await press(pilot, ["x", "G", "k", "enter"])
        await until(pilot, lambda: "refused; esc: back" in text_of(app), what="resume of a running job is refused")
        await press(pilot, ["y"])
        assert "refused; esc: back" in text_of(app), "yes does not carry out what is refused"
        await press(pilot, ["escape"])
        assert "refused" not in text_of(app)

    scenario(steps, tmp_path)


def test_what_makes_no_sense_is_said_before_anything_is_planned(tmp_path: Path, cluster: FakeCluster) -> None:
    async def steps(app: FlinkopsApp, pilot: Pilot[None]) -> None:
        await press(pilot, ["x", "j", "enter", "ctrl+u", *"many", "enter"])
        assert "neither a parallelism nor VERTEX=N" in text_of(app)

    scenario(steps, tmp_path)


def test_a_cluster_that_does_not_answer_gives_no_plan_but_a_reason(tmp_path: Path) -> None:
    async def steps(app: FlinkopsApp, pilot: Pilot[None]) -> None:
        await press(pilot, ["s"])
        await until(pilot, lambda: "esc: back" in text_of(app), what="nothing listens on port 9")
        await press(pilot, ["y", "escape"])
        assert list((tmp_path / "journal").glob("*")) == []

    scenario(steps, tmp_path)


def test_what_was_seen_is_readable_at_the_end() -> None:
    planning = Planning(BY_TITLE["restart"], the_job(), SOURCE)
    target = Target(source=NAME, job_name="prices", job_id=JOB_ID)
    plan = Plan(id="p", verb="restart", target=target, created_ms=1, steps=(Step("stop", AwaitEnd()),))
    moved = Progress("intent", "p", T0_MS, "stop")
    busy = "".join(text for line in progress_lines(Running(plan, planning, [moved]), CONTEXT, T0_MS + 5_000)
                   for text, _ in line)  # fmt: skip
    assert "5.0 s  under way" in busy
    outcomes = (
        FilesChecked("s3://b/1", "all there", 1429120),
        JobEnded(T0_MS),
        RestoreVerified("s3://b/1", 38.482),
        UnknownOutcome("of-a-newer-one", {"odd_bytes": "many"}),
    )
    ended = Running(plan, planning, [moved], Result("p", "verified", outcomes=outcomes))
    text = ["".join(text for text, _ in line).split() for line in progress_lines(ended, CONTEXT, T0_MS)]
    for expected in ("downtime 38 s", "state 1.4 MB", "odd bytes many", "y copies the path; esc: back"):
        assert expected.split() in text
    assert any(line[:2] == ["stopped", "2026-11-23"] for line in text)


@pytest.mark.parametrize(
    ("title", "text", "options"),
    [
        ("rescale", "3", "--parallelism 3"),
        ("rescale", "abc=2 def=4", "--vertex abc=2 --vertex def=4"),
        ("upgrade", "-p 2 --set a.b=c", "--savepoint -p 2 --set a.b=c"),
        ("restart", "", ""),
    ],
)
def test_the_command_says_the_same(title: str, text: str, options: str) -> None:
    kind = BY_TITLE[title]
    shown = command_of(kind, the_job(), text, ("--rest", SOURCE.endpoint.url))
    assert shown == " ".join(f"flinkops {kind.command} prices {options} --rest http://127.0.0.1:9".split())


def test_a_job_of_the_operator_is_acted_on_through_its_resource(tmp_path: Path) -> None:
    source = Governor()
    facts = the_job().facts
    assert facts is not None
    owned = msgspec.structs.replace(facts, kind="FlinkDeployment", resource=ResourceFacts("kit", "shop", "orders", "7"))
    job = msgspec.structs.replace(the_job(), namespace="shop", name="orders", kind="FlinkDeployment", facts=owned)
    assert takes_actions(source, job, CLOCK)
    by_hand = msgspec.structs.replace(job, facts=msgspec.structs.replace(owned, kind="rest"))
    assert not takes_actions(source, by_hand, CLOCK), "submitted by hand: no resource of its own"
    assert not takes_actions(object(), job, CLOCK)
    command = command_of(BY_TITLE["rescale"], job, "2", execute.backend_of(source, CLOCK).where)
    assert command == "flinkops rescale shop/orders --parallelism 2 --context kit"
    lost = Planning(BY_TITLE["restart"], msgspec.structs.replace(job, facts=None), source)
    with pytest.raises(OperationFailed):
        make_plan(lost, clock=CLOCK, journal_folder=tmp_path)


class Governor:
    """A Kubernetes source, as far as its name goes."""

    @property
    def backend(self) -> str:
        return "operator"

    @property
    def access(self) -> KubeAccess:
        return cast(KubeAccess, SimpleNamespace(context="kit"))


def test_what_is_typed_is_what_the_command_line_takes() -> None:
    job = the_job()
    assert request_of(BY_TITLE["rescale"], job, " 2 ").change.parallelism == 2
    assert request_of(BY_TITLE["rescale"], job, "a=b=2").vertices == {"a=b": 2}
    request = request_of(BY_TITLE["upgrade"], job, "-p 2 --set k=v=w --arg 'a b' --arg --x --py x.py --image i:2")
    assert request.change == Change(2, {"k": "v=w"}, ("a b", "--x"), script="x.py", image="i:2")
    assert request.mode == "savepoint"
    assert request_of(BY_TITLE["upgrade"], job, "--last-state -p2").mode == "last-state"
    for title, text in (("rescale", ""), ("upgrade", "--nonsense"), ("upgrade", "--set k"), ("upgrade", "'")):
        with pytest.raises(UsageError):
            request_of(BY_TITLE[title], job, text)


@pytest.mark.parametrize("rule", ["always", "offered"])
@pytest.mark.thorough
def test_a_site_that_rehearses_every_upgrade_does_so_here_too(rule: str, tmp_path: Path, cluster: FakeCluster) -> None:
    async def steps(app: FlinkopsApp, pilot: Pilot[None]) -> None:
        await press(pilot, ["x", "j", "j", "enter", *"--jar other.jar", "enter"])
        await until(pilot, lambda: "type the job's name" in text_of(app), what="the plan")
        command = "flinkops upgrade prices --savepoint --jar other.jar"
        rehearsed = f"{command} --rehearse --rest" if rule == "always" else f"{command} --rest"
        assert rehearsed in text_of(app)
        assert ("rehearse, measure" in text_of(app)) == (rule == "always")

    scenario(steps, tmp_path, rehearse=rule)
