"""A back end is one folder, a request is read in one place: commands and screens know neither kinds nor options."""

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import typer
from typer.testing import CliRunner

import flinkops.act
from flinkops.act.backends import backend_for, backend_kinds, backend_of_plan, backend_of_source, options_of
from flinkops.act.places import all_places
from flinkops.act.request_options import OPTIONS, RequestOption
from flinkops.act.request_reading import parse_request
from flinkops.cli.action_options import Consent, acts
from flinkops.clock import SystemClock
from flinkops.config.load import load_settings
from flinkops.errors import Refused, UsageError
from flinkops.model.plan import Plan, Target
from flinkops.model.request import ActionRequest, RequestVerb
from flinkops.tui.actions.catalog import KINDS
from tests.unit.command_line import run
from tests.unit.fake_cluster import FakeCluster

PACKAGE = Path(__file__).parents[2] / "flinkops"

PLACES = '''
"""A third kind of place: a managed service, which is a fake cluster here. How it is named and polled."""

import os
from pathlib import Path

from msgspec.structs import replace

from flinkops.act.places import Claim
from flinkops.act.rest.places import PLACES as REST
from flinkops.model.check import Check
from flinkops.model.facts import SourceStatus
from flinkops.sources.protocol import SourceSnapshot
from tests.unit.fake_cluster import FakeCluster


class Source:
    name, kind, backend, address = "managed-1", "managed", "managed", "https://managed.example"

    def poll(self, deadline_seconds):
        cluster = FakeCluster(Path({file!r}))
        status = SourceStatus(self.name, self.kind, "ok", age_seconds=0.0)
        jobs = [replace(job, kind=self.kind, cluster=self.name) for job in cluster.jobs()]
        return SourceSnapshot(status, (replace(cluster.cluster(), name=self.name),), tuple(jobs))

    def close(self):
        pass


class Places(type(REST)):
    def claim(self, settings):
        return Claim.NAMED_ALONE if "MANAGED_SERVICE" in os.environ else Claim.NONE

    def named(self, settings, wanted):
        return [Source()] if "MANAGED_SERVICE" in os.environ else []

    def at_hand(self, settings, wanted):
        return []

    def checks(self, source, *, read_only, clock, deadline_seconds):
        yield Check(source.name, "log-in", "ok", "as alice")

    def options(self, cluster):
        return ("--managed", "eu-1")


PLACES = Places()
'''

MANAGED = '''
"""How its jobs are acted on."""

from contextlib import contextmanager
from pathlib import Path

from flinkops.act.rest.backend import RestBackend, RestJob
from tests.unit.fake_cluster import JOB_ID, FakeCluster


class Managed(RestBackend):
    @contextmanager
    def reach(self, wanted):
        control = FakeCluster(Path({file!r}))
        yield RestJob(control, control.job(JOB_ID))

    @contextmanager
    def control_of_plan(self, plan):
        yield FakeCluster(Path({file!r}))


class Kind:
    job_kinds = frozenset({{"managed"}})

    def open(self, settings, clock):
        return Managed(lambda: [], clock, ("--managed", "eu-1"))

    def of_source(self, source, clock):
        return self.open(None, clock)


BACKEND = Kind()
'''


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The state of a cluster whose back end is a folder that nothing else knows of."""
    file = tmp_path / "cluster.json"
    FakeCluster(file)
    folder = tmp_path / "backends" / "managed"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "backend.py").write_text(MANAGED.format(file=str(file)))
    (folder / "places.py").write_text(PLACES.format(file=str(file)))
    monkeypatch.setenv("MANAGED_SERVICE", "eu-1")
    monkeypatch.setattr(flinkops.act, "__path__", [*flinkops.act.__path__, str(folder.parent)])
    for cached in (backend_kinds, all_places):
        cached.cache_clear()
    yield file
    for cached in (backend_kinds, all_places):
        cached.cache_clear()
    for name in [name for name in sys.modules if name.startswith("flinkops.act.managed")]:
        del sys.modules[name]


@pytest.mark.usefixtures("nothing_from_outside")
def test_a_third_back_end_is_one_folder(cluster: Path) -> None:
    assert set(backend_kinds()) == {"rest", "operator", "managed"}
    assert run("savepoint", "create", "prices", "--yes") == 0
    assert run("rescale", "prices", "-p", "2", "--yes") == 0
    assert FakeCluster(cluster).state.orders == ["savepoint", "require 2"]
    source = SimpleNamespace(backend="managed")
    assert backend_of_source(cast(Any, source), SystemClock()).where == ("--managed", "eu-1")
    plan = Plan(id="p", verb="upgrade", target=Target("m", "prices", "a", kind="managed"), created_ms=1)
    assert backend_of_plan(plan, load_settings({}), SystemClock()).where == ("--managed", "eu-1")


@pytest.mark.usefixtures("nothing_from_outside", "cluster")
def test_commands_that_poll_know_a_third_back_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("status", "-o", "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [(one["name"], one["kind"], one["state"]) for one in document["sources"]] == [("managed-1", "managed", "ok")]
    assert [(one["name"], one["kind"]) for one in document["jobs"]] == [("prices", "managed")]
    assert run("doctor", "--self", "-o", "json") == 0
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert ("managed-1", "log-in", "ok") in [(one["area"], one["subject"], one["state"]) for one in checks]
    assert run("record", "x.rec", "--seconds", "0") == 0
    capsys.readouterr()
    assert run("status", "--replay", "x.rec", "-o", "json") == 0
    assert [one["kind"] for one in json.loads(capsys.readouterr().out)["jobs"]] == ["managed"]


@pytest.mark.usefixtures("cluster")
def test_what_names_the_place_of_a_job_is_its_back_ends_to_say(cluster: Path) -> None:
    facts = FakeCluster(cluster).cluster()
    assert options_of("managed", facts) == ("--managed", "eu-1")
    assert options_of("rest", facts) == (("--rest", facts.ui_url) if facts.ui_url else ())
    assert options_of("FlinkDeployment", facts) == options_of("Mystery", facts) == ()


def test_a_plan_of_a_kind_that_is_not_known_is_refused() -> None:
    plan = Plan(id="p", verb="upgrade", target=Target("m", "prices", "a", kind="Mystery"), created_ms=1)
    with pytest.raises(Refused, match="Mystery"):
        backend_of_plan(plan, load_settings({}), SystemClock())


@pytest.mark.usefixtures("nothing_from_outside")
@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ({}, "rest"),
        ({"rest": ["http://127.0.0.1:9"]}, "rest"),
        ({"context": ["prod"]}, "operator"),
        ({"namespace": ["flink"]}, "operator"),
        ({"rest": ["http://127.0.0.1:9"], "context": ["prod"]}, "rest"),
    ],
)
def test_which_back_end_the_settings_mean(flags: dict[str, Any], name: str) -> None:
    found = backend_for(load_settings(flags), SystemClock())
    assert type(found) is type(backend_kinds()[name].open(load_settings({}), SystemClock()))


@pytest.mark.parametrize("file", sorted([*(PACKAGE / "cli").rglob("*.py"), *(PACKAGE / "tui").rglob("*.py")]), ids=str)
def test_no_command_and_no_screen_imports_a_back_end(file: Path) -> None:
    own = {f"flinkops.act.{name}" for name in backend_kinds()} - {"flinkops.act.rest.embedded"}
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module != "flinkops.act.rest.embedded":
            assert not any(node.module == one or node.module.startswith(f"{one}.") for one in own), node.module


def from_command_line(verb: RequestVerb, words: list[str]) -> ActionRequest:
    """As the command's own parser reads them."""
    app, found = typer.Typer(), []

    @app.command(context_settings={"ignore_unknown_options": False})
    @acts(verb)
    def command(job: str, *, request: ActionRequest, consent: Consent) -> None:
        found.append(request)

    done = CliRunner().invoke(app, ["prices", *words])
    assert done.exit_code == 0, done.output
    return found[0]


def value_of(option: RequestOption) -> str:
    if option.choices:
        return option.choices[-1]
    if option.name == "watch_for":
        return "5s"
    if option.kind is int:
        return "3"
    return "key=4" if option.metavar in ("KEY=VALUE", "ID=N") else "--odd 'text'"


CASES = [
    (verb, option, flag)
    for verb, options in OPTIONS.items()
    for option in options
    for flag in option.flags
    if option.name != "manifest"
]


@pytest.mark.parametrize(("verb", "option", "flag"), CASES, ids=lambda one: getattr(one, "name", str(one)))
def test_each_option_means_the_same_on_the_command_line_and_on_the_screen(
    verb: RequestVerb, option: RequestOption, flag: str
) -> None:
    needed = ["--parallelism", "2"] if verb == "rescale" else []
    words = [*needed, flag] if option.is_flag else [*needed, flag, value_of(option)]
    request = parse_request(verb, words, "prices")
    assert request == from_command_line(verb, words)
    assert request != parse_request(verb, ["--parallelism", "1"] if verb == "rescale" else [], "prices")
    if not option.is_flag and flag.startswith("--"):
        assert parse_request(verb, [*needed, f"{flag}={value_of(option)}"], "prices") == request


def test_a_manifest_is_read_for_its_job(tmp_path: Path) -> None:
    path = tmp_path / "count.yaml"
    path.write_text("kind: FlinkDeployment\nmetadata: {name: count}\nspec: {image: i}\n")
    assert parse_request("upgrade", ["-f", str(path)], "shop/count").manifest == {"FlinkDeployment": {"image": "i"}}
    for job in ("other", "shop/other"):
        with pytest.raises(UsageError, match=f"is not about '{job}'"):
            parse_request("upgrade", ["-f", str(path)], job)


@pytest.mark.parametrize(
    ("verb", "words", "says"),
    [
        ("upgrade", ["--parallelism", "0"], "at least 1"),
        ("upgrade", ["--parallelism", "many"], "a number is expected"),
        ("upgrade", ["--parallelism"], "N is expected"),
        ("upgrade", ["--savepoint=yes"], "takes no value"),
        ("upgrade", ["--savepoint", "--stateless"], "one mode, not savepoint and stateless"),
        ("upgrade", ["--set", "x"], "KEY=VALUE is expected"),
        ("upgrade", ["--watch-for", "soon"], "--watch-for"),
        ("upgrade", ["more"], "'more' is no option of upgrade"),
        ("suspend", ["--image", "i"], "'--image' is no option of suspend"),
        ("suspend", ["--format", "odd"], "canonical or native"),
        ("rescale", [], "nothing to change"),
        ("rescale", ["--vertex", "v"], "ID=N is expected"),
    ],
)
def test_what_makes_no_sense_is_one_clear_line(verb: RequestVerb, words: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        parse_request(verb, words, "prices")
    assert "\n" not in caught.value.line()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.title)
def test_what_a_screen_hints_at_is_an_option_of_its_verb(kind: Any) -> None:
    known = {flag for option in OPTIONS[kind.verb] for flag in option.flags}
    assert {word for word in kind.hint.split() if word.startswith("--")} <= known
