"""Settings: who wins, where each value is from, and what is refused by name."""

from pathlib import Path

import pytest

from flinkops.config.load import load_settings
from flinkops.config.settings import Settings
from flinkops.config.trust import trust_file
from flinkops.config.view import settings_document
from flinkops.errors import UsageError


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Loader":
    monkeypatch.setattr("flinkops.config.load.user_file", lambda: tmp_path / "user" / "flinkops.toml")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "user").mkdir()
    (tmp_path / "project" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project" / "deep")
    return Loader(tmp_path)


class Loader:
    def __init__(self, folder: Path) -> None:
        self.user, self.project = folder / "user" / "flinkops.toml", folder / "project" / "flinkops.toml"

    def __call__(self, flags: dict[str, object] | None = None, **environ: str) -> Settings:
        return load_settings(flags or {}, environ=environ)

    def trusted(self, text: str) -> None:
        self.project.write_text(text)
        trust_file(self.project, self.project.read_bytes())

    def refuses(self, text: str) -> str:
        self.project.write_text(text)
        with pytest.raises(UsageError) as raised:
            self()
        return raised.value.line()


def test_flag_over_environment_over_project_over_user_over_default(load: Loader) -> None:
    assert load().interval_seconds == 10.0
    load.user.write_text('interval = "20s"\ntimeout = "3s"')
    assert load().interval_seconds == 20.0
    load.project.write_text('interval = "30s"')
    assert load().interval_seconds == 30.0
    assert load(FLINKOPS_INTERVAL="40s").interval_seconds == 40.0
    found = load({"interval": "50s"}, FLINKOPS_INTERVAL="40s")
    assert (found.interval_seconds, found.timeout_seconds) == (50.0, 3.0)
    assert found.origins["interval"] == "flag --interval"
    assert found.origins["timeout"] == f"user file {load.user}"
    assert found.origins["output"] == "default"


def test_a_named_file_takes_the_project_file_s_place(load: Loader, tmp_path: Path) -> None:
    load.project.write_text('interval = "30s"')
    other = tmp_path / "other.toml"
    other.write_text('timeout = "1s"')
    found = load_settings({}, config_file=str(other), environ={})
    assert (found.interval_seconds, found.timeout_seconds) == (10.0, 1.0)
    with pytest.raises(UsageError, match="no settings file"):
        load_settings({}, environ={"FLINKOPS_CONFIG": "missing.toml"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("intervall = 3", ['unknown key "intervall"', 'did you mean "interval"?']),
        ('[classes.fast]\nlatncy_p99 = "1s"', ['"latncy_p99" in [classes.fast]', '"latency_p99"']),
        ('[[jobs]]\nnme = "a"\nclass = "windowed"', ['"nme" in [[jobs]] number 1', '"name"']),
        ('[[jobs]]\nname = "a"\nclass = "windoed"', ['unknown key "windoed"', '"windowed"']),
        ('[[sources]]\nname = "a"', ['"rest" is missing']),
        ('[[sources]]\nname = "a"\nrest = "http://x:1"\n[[sources]]\nname = "a"\nrest = "http://y:1"', ['named "a"']),
        ('[[sources]]\nname = "a"\nrest = "ftp://x"', ['"rest" in [[sources]] number 1', "not a URL"]),
        ('[classes.x]\nlatency_p99 = "quick"', ['"latency_p99" in [classes.x]', "is not a duration"]),
        ("[classes.x]\nbackpressure = 7", ["is not a ratio"]),
        ("[health]\nraise_after_polls = 0", ["at least 1"]),
        ("interval = 0", ['"interval"', "no time at all"]),
        ("interval = [1]", ['"interval"', "is not a duration"]),
        ("not toml at all", ["cannot read"]),
        ("sources = 3", ["[[sources]]"]),
        ("jobs = {}", ["[[jobs]]"]),
        ("classes = 3", ["[classes]"]),
        ("health = 3", ["[health]"]),
        ("classes.x = 3", ["[classes.x]"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(load: Loader, text: str, words: list[str]) -> None:
    line = load.refuses(text)
    for word in words:
        assert word in line


def test_a_secret_in_the_file_is_refused_and_not_repeated(load: Loader) -> None:
    for setting in ('password = "hunter2"', 'headers = { Authorization = "Bearer hunter2" }'):
        line = load.refuses(f'[[sources]]\nname = "a"\nrest = "http://x:1"\n{setting}')
        assert "env:NAME or file:PATH" in line
        assert "hunter2" not in line


def test_classes_rules_and_off(load: Loader) -> None:
    load.user.write_text('[classes.windowed]\nskew = "9m"')
    load.project.write_text(
        '[classes.windowed]\nlatency_p99 = "2s"\n'
        '[classes.batch]\nlatency_p99 = "off"\ncheckpoint_age = "off"\nmay_finish = true\nstate_limit = "4 GB"\n'
        '[[jobs]]\nclass = "batch"\nname = "nightly-*"\n'
        '[health]\nstale_after = "30s"'
    )
    policy = load().policy
    assert (policy.classes["windowed"].skew_seconds, policy.classes["windowed"].latency_p99_seconds) == (540.0, 2.0)
    batch = policy.classes["batch"]
    assert (batch.latency_p99_seconds, batch.checkpoint_age_asked, batch.may_finish) == (None, False, True)
    assert batch.state_bytes == 4e9
    assert policy.rules[0].name == "nightly-*"
    assert policy.stale_after_seconds == 30.0
    assert policy.classes["latency-critical"].latency_p99_seconds == 0.05


def test_every_value_is_shown_with_its_origin_and_no_secret(load: Loader) -> None:
    load.trusted(
        '[[sources]]\nname = "prod"\nrest = "http://me:hunter2@x:1/flink"\nusername = "me"\npassword = "env:PW"\n'
        '[classes.windowed]\nskew = "9m"'
    )
    entries = settings_document(load({"rest": ["http://u:hunter3@y:2"]}, PW="hunter4"))["settings"]
    shown = {entry["key"]: (entry["value"], entry["origin"]) for entry in entries}
    assert shown["rest"] == ("http://y:2", "flag --rest")
    assert shown["sources.prod.rest"] == ("http://x:1/flink", f"project file {load.project}")
    assert shown["sources.prod.password"][0] == "env:PW"
    assert shown["classes.windowed.skew"] == ("540s", f"project file {load.project}")
    assert shown["classes.windowed.latency_p99"] == ("1s", "default")
    assert "hunter" not in str(entries)


@pytest.mark.parametrize(("text", "urls"), [("http://a:1,http://b:2", 2), ("http://a:1  http://b:2", 2), ("a:1", 1)])
def test_addresses_from_the_environment(load: Loader, text: str, urls: int) -> None:
    assert len(load(FLINKOPS_REST=text).rest) == urls


def test_a_bad_value_of_the_environment_names_the_variable(load: Loader) -> None:
    with pytest.raises(UsageError, match="FLINKOPS_READ_ONLY"):
        load(FLINKOPS_READ_ONLY="perhaps")


def test_the_example_of_the_documentation_is_read_as_it_stands(load: Loader) -> None:
    text = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text("utf-8")
    load.user.write_text(text.split("```toml\n")[1].split("```")[0])
    found = load()
    assert found.sources[0].name == "prod"
    assert found.policy.classes["latency-critical"].state_bytes == 20e9


def test_every_upgrade_can_be_made_to_rehearse(load: Loader) -> None:
    assert load().rehearse == "offered"
    load.project.write_text('[upgrade]\nrehearse = "always"')
    found = load()
    assert found.rehearse == "always"
    shown = {one["key"]: (one["value"], one["origin"]) for one in settings_document(found)["settings"]}
    assert shown["upgrade.rehearse"] == ("always", f"project file {load.project}")
    assert "'never' is none of offered, always" in load.refuses('[upgrade]\nrehearse = "never"')
    assert 'did you mean "rehearse"?' in load.refuses("[upgrade]\nrehearsal = true")
