"""Production stays guarded in whatever way its address is spelled; the TLS and login of a source come with it."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from flinkops.cli.guarding import guard_at, guarded_patterns
from flinkops.config.guard import guard_of
from flinkops.config.load import load_settings
from flinkops.config.settings import Settings
from flinkops.model.address import address_of, compare, resolve_host
from flinkops.sources.flink.endpoints import rest_endpoints
from flinkops.sources.flink.source import FlinkRestSource
from flinkops.sources.kubernetes.access import open_access
from tests.fake_flink import FakeFlink
from tests.unit.command_line import Cli

Load = Callable[..., Settings]
NAMES = {"prod.example": ["10.0.0.5", "10.0.0.6"], "staging.example": ["10.0.0.5"], "alias.example": ["127.0.0.1"]}


def resolve(host: str) -> Iterable[str] | None:
    return NAMES.get(host, [host] if host[0].isdigit() else None)


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def read(text: str, **flags: object) -> Settings:
        file = tmp_path / "settings.toml"
        file.write_text(text)
        return load_settings(flags, config_file=str(file), environ={})

    return read


SPELLINGS_OF_LOOPBACK = [
    "http://127.0.0.1:8081",
    "127.0.0.1:8081",
    "HTTP://127.0.0.1:8081",
    "http://127.0.0.1:8081/?",
    "http://127.0.0.1:8081/#x",
    "http://u:p@127.0.0.1:8081",
    "http://127.0.0.1:08081",
    "http://localhost:8081",
    "http://LocalHost.:8081/",
    "http://flink.localhost:8081",
    "http://127.1:8081",
    "http://0x7f.1:8081",
    "http://0177.0.0.1:8081",
    "http://2130706433:8081",
    "http://127.8.9.10:8081",
    "http://0.0.0.0:8081",
    "http://[::1]:8081",
    "http://[0:0:0:0:0:0:0:1]:8081",
    "http://[::ffff:127.0.0.1]:8081",
    "http://[::ffff:7f00:1]:8081",
    "http://[::]:8081",
    "http://１２７.０.０.１:8081",
    "http://127。0。0。1:8081",
    "http://ⓛocalhost:8081",
    "http://loc%61lhost:8081",
    "http://127.0.0.1:8081//",
    "http://127.0.0.1:8081/./x/..",
    "http://127.0.0.1:8081/v1",
    "http://127.0.0.1:8081/V1/",
    "http://alias.example:8081",
]


@pytest.mark.parametrize("url", SPELLINGS_OF_LOOPBACK)
def test_every_spelling_of_a_listed_address_is_guarded_and_names_the_source(load: Load, url: str) -> None:
    settings = load('production = ["prod"]\n[[sources]]\nname = "prod"\nrest = "http://localhost:8081"')
    why = guard_of(settings, "whatever", [url], resolve=resolve)
    assert why == "prod, which is production"


@pytest.mark.parametrize("url", SPELLINGS_OF_LOOPBACK)
def test_an_address_among_the_patterns_is_compared_as_one(load: Load, url: str) -> None:
    settings = load('production = ["localhost:8081"]')
    assert guard_of(settings, "whatever", [url], resolve=resolve) == "localhost:8081, which is production"


def test_a_pattern_meets_addresses_as_they_are_spelled_canonically(load: Load) -> None:
    settings = load('production = ["*.prod.example*"]')
    for url in ("http://FLINK.Prod.Example.:8081", "https://flink.prod.example", "flink.prod.example/team/../x"):
        assert guard_of(settings, url, [url], resolve=resolve) is not None
    assert (
        guard_of(settings, "x", ["http://flink.prod.example.org.evil"], resolve=resolve) is not None
    )  # "*" at its end
    assert guard_of(settings, "x", ["http://flink.staging.example:8081"], resolve=resolve) is None


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://prod.example", "prod, which is production"),
        ("https://PROD.example:443/", "prod, which is production"),
        ("https://10.0.0.6", "prod, which is production"),
        ("http://prod.example", None),  # another scheme
        ("https://prod.example:8443", None),
        ("https://prod.example/team-b", None),
        ("https://staging.example", None),  # a name of its own, though one ingress serves both
        ("https://10.0.0.7", None),
    ],
)
def test_names_are_compared_as_names_and_addresses_as_addresses(load: Load, url: str, why: str | None) -> None:
    settings = load('production = ["prod"]\n[[sources]]\nname = "prod"\nrest = "https://prod.example"')
    assert guard_of(settings, url, [url], resolve=resolve) == why


def test_where_addresses_cannot_be_found_out_it_is_guarded_and_says_so(load: Load) -> None:
    settings = load('production = ["prod"]\n[[sources]]\nname = "prod"\nrest = "https://unknown.example"')
    why = guard_of(settings, "x", ["https://10.0.0.7"], resolve=resolve)
    assert why == "10.0.0.7:443 may be prod, which is production: its addresses cannot be found out"


def test_the_machine_s_own_address_is_loopback_too(load: Load) -> None:
    own = [address for address in resolve_host("localhost") or () if address.startswith("127.")]
    assert own
    assert "127.0.0.1" in (resolve_host("127.0.0.7") or ())  # an address of this machine
    assert resolve_host("no such host.invalid") is None


def test_a_project_s_list_of_sources_does_not_take_the_user_s_guard_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = tmp_path / "user.toml"
    user.write_text('production = ["prod"]\n[[sources]]\nname = "prod"\nrest = "http://prod.example:8081"')
    monkeypatch.setattr("flinkops.config.load.user_file", lambda: user)
    project = tmp_path / "flinkops.toml"
    project.write_text('production = ["other"]\n[[sources]]\nname = "staging"\nrest = "http://prod.example:8081"')
    monkeypatch.chdir(tmp_path)
    settings = load_settings({}, environ={})
    assert settings.production == ("prod", "other")
    (endpoint,) = rest_endpoints(settings)
    assert endpoint.name == "staging"
    assert guard_of(settings, endpoint.name, [endpoint.url], resolve=resolve) == "prod, which is production"


def test_no_read_only_is_the_word_for_it(load: Load) -> None:
    text = 'production = ["prod"]\n[[sources]]\nname = "prod"\nrest = "http://localhost:8081"'
    assert guard_of(load(text, read_only=False), "prod", ["http://localhost:8081"]) is None
    assert guard_of(load(text, read_only=True), "x", []) == "read-only by flag --read-only"


def test_the_tls_and_login_of_the_source_come_with_every_spelling(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pw").write_text("hunter2\n")
    text = (
        f'[[sources]]\nname = "prod"\nrest = "https://localhost:8081"\nusername = "me"\n'
        f'password = "file:{tmp_path}/pw"\nca_file = "/ca.pem"\nheaders = {{ X = "env:X_OF_A_TEST" }}'
    )
    monkeypatch.setenv("X_OF_A_TEST", "secret")
    for url in ("https://LOCALHOST:8081/?", "https://127.1:08081", "https://[::1]:8081/v1", "prod"):
        (endpoint,) = rest_endpoints(load(text, rest=[url]))
        assert (endpoint.name, endpoint.username, endpoint.password) == ("prod", "me", "hunter2")
        assert (endpoint.ca_file, endpoint.headers) == ("/ca.pem", {"X": "secret"})
    (other,) = rest_endpoints(load(text, rest=["https://you:pw2@localhost:8081"]))
    assert (other.name, other.username, other.password) == ("prod", "you", "pw2")
    for url in ("http://localhost:8081", "https://localhost:8082", "https://example.invalid:8081"):
        (stranger,) = rest_endpoints(load(text, rest=[url]))
        assert (stranger.name == "prod", stranger.username, stranger.headers) == (False, None, {})


def test_a_login_never_goes_to_an_address_that_is_only_in_doubt(load: Load, tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("hunter2\n")
    text = (
        f'[[sources]]\nname = "prod"\nrest = "https://no-such-host.invalid:8081"\nusername = "me"\n'
        f'password = "file:{tmp_path}/pw"'
    )
    (endpoint,) = rest_endpoints(load(text, rest=["https://127.0.0.1:8081"]))
    assert (endpoint.username, endpoint.password) == (None, None)


def test_another_context_of_the_same_api_server_is_guarded(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = {"name": "c", "cluster": {"server": "https://API.prod.example:6443/"}}
    other = {"name": "d", "cluster": {"server": "https://api.staging.example:6443"}}
    contexts = [
        {"name": name, "context": {"cluster": at, "user": "u"}}
        for name, at in (("prod", "c"), ("me@somewhere", "c"), ("staging", "d"))
    ]
    content = {"clusters": [cluster, other], "contexts": contexts, "users": [{"name": "u", "user": {}}]}
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "prod", **content}))
    monkeypatch.setenv("KUBECONFIG", str(file))
    settings = load('production = ["prod"]', context=["me@somewhere"])
    access = open_access(str(file), "me@somewhere")
    proxy = f"{access.server}/api/v1/namespaces/a/services/b:8081/proxy"
    assert guard_at(settings, access.context, [proxy]) == "prod, which is production"
    by_rest = load('production = ["prod"]', rest=[proxy])
    assert guard_at(by_rest, "x", [proxy.replace("https://API", "https://api")]) == "prod, which is production"
    staging = open_access(str(file), "staging")
    assert guard_at(settings, "staging", [f"{staging.server}/api/v1/namespaces/a/services/b:8081/proxy"]) is None
    assert guard_at(settings, "prod@other-file", []) is not None  # as contexts of one name are told apart


def test_the_screens_are_told_of_just_the_guarded_sources(load: Load) -> None:
    settings = load(
        'production = ["prod"]\n[[sources]]\nname = "prod"\nrest = "http://localhost:8081"\n'
        '[[sources]]\nname = "odd[1]"\nrest = "http://127.0.0.1:8081"\n'
        '[[sources]]\nname = "staging"\nrest = "http://localhost:8082"'
    )
    sources = [FlinkRestSource(endpoint) for endpoint in rest_endpoints(settings)]
    try:
        assert guarded_patterns(settings, sources) == ("prod", "odd[[]1]")
    finally:
        for source in sources:
            source.close()


def test_an_action_is_refused_whatever_the_spelling(cli: Cli, flink: FakeFlink, tmp_path: Path) -> None:
    job = next(one["name"] for one in flink.recording.jobs if one["state"] == "RUNNING")
    (tmp_path / "flinkops.toml").write_text(
        f'production = ["prod"]\n[[sources]]\nname = "prod"\nrest = "http://localhost:{flink.port}"'
    )
    for url in (f"127.0.0.1:{flink.port}", f"HTTP://u:p@0x7f.1:0{flink.port}/?", f"[::ffff:127.0.0.1]:{flink.port}"):
        found = cli("savepoint", "create", job, "--target", "file:///tmp/x", "--yes", "--rest", url)
        assert found.code == 5, found.err
        assert "prod, which is production" in found.err
        assert "--no-read-only" in found.err
    assert not [one for one in flink.requests if not one.startswith("GET")]


HOSTS = st.sampled_from(["127.0.0.1", "localhost", "10.0.0.5", "prod.example", "staging.example", "unknown.example"])
URLS = st.builds(
    "{}://{}:{}{}".format, st.sampled_from(["http", "https"]), HOSTS, st.integers(1, 3), st.sampled_from(["", "/a"])
)


@given(URLS, URLS)
def test_comparing_is_symmetric_and_everything_is_itself(one: str, other: str) -> None:
    first, second = address_of(one), address_of(other)
    assert compare(first, first, resolve) == "same"
    assert compare(first, second, resolve) == compare(second, first, resolve)


@given(st.text())
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    try:
        address = address_of(text)
    except ValueError:
        return
    assert address.names
