"""Any number of clusters: from flags, the environment and the list of sources."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from flinkops.cli.targets import open_sources
from flinkops.config.load import load_settings
from flinkops.config.settings import Settings
from flinkops.errors import UsageError
from flinkops.sources.kubernetes.clusters import kubernetes_access, kubernetes_accesses, open_kubernetes_sources
from tests.patience import PATIENT_SECONDS
from tests.unit.cr_samples import resource
from tests.unit.kube_server import ApiServer, serving, write_kubeconfig

Names = list[tuple[str, tuple[str, ...]]]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two kubeconfigs, each with contexts prod (current) and team; the second also has prod-eu."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("flinkops.config.load.user_file", lambda: tmp_path / "none.toml")
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        found.append(write_kubeconfig("http://127.0.0.1:1", tmp_path / name))
    config = yaml.safe_load(Path(found[1]).read_text(encoding="utf-8"))
    config["contexts"].append({"name": "prod-eu", "context": {"cluster": "c", "user": "me"}})
    (tmp_path / "two" / "work.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return [found[0], str(tmp_path / "two" / "work.yaml")]


def seen(settings: Settings) -> Names:
    return [(access.context, cluster.namespaces) for cluster, access in kubernetes_accesses(settings)]


def test_several_contexts_of_one_kubeconfig(files: list[str]) -> None:
    flags = {"kubeconfig": [files[0]], "context": ["prod", "team"], "namespace": ["a", "b"]}
    assert seen(load_settings(flags, environ={})) == [("prod", ("a", "b")), ("team", ("a", "b"))]


def test_several_kubeconfigs_have_their_current_contexts_told_apart(files: list[str]) -> None:
    found = seen(load_settings({"kubeconfig": files}, environ={}))
    assert [name for name, _ in found] == ["prod@kubeconfig", "prod@work.yaml"]


def test_a_context_that_one_of_several_files_has(files: list[str]) -> None:
    assert seen(load_settings({"kubeconfig": files, "context": ["prod-eu"]}, environ={})) == [("prod-eu", ())]
    with pytest.raises(UsageError, match="no kubeconfig has a Kubernetes context 'nope'"):
        seen(load_settings({"kubeconfig": files, "context": ["prod-eu", "nope"]}, environ={}))


def test_patterns(files: list[str]) -> None:
    flags = {"kubeconfig": [files[1]], "context": ["prod*"]}
    assert [name for name, _ in seen(load_settings(flags, environ={}))] == ["prod", "prod-eu"]
    with pytest.raises(UsageError, match="'x\\*'"):
        seen(load_settings({**flags, "context": ["x*"]}, environ={}))


def test_the_same_context_twice_is_one(files: list[str]) -> None:
    flags = {"kubeconfig": [files[1]], "context": ["prod", "prod*"]}
    assert [name for name, _ in seen(load_settings(flags, environ={}))] == ["prod", "prod-eu"]


def test_the_environment(files: list[str]) -> None:
    settings = load_settings({}, environ={"FLINKOPS_KUBECONFIG": files[1], "FLINKOPS_CONTEXT": "prod, prod-eu"})
    assert [name for name, _ in seen(settings)] == ["prod", "prod-eu"]


def test_listed_sources_and_how_flags_narrow_them(
    files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLINKOPS_CONFIG", str(tmp_path / "flinkops.toml"))
    (tmp_path / "flinkops.toml").write_text(
        f"""
        [[sources]]
        context = "prod*"
        kubeconfig = "{files[1]}"
        namespaces = ["pricing", "alerts"]
        selector = "team=a"
        [[sources]]
        name = "by hand"
        rest = "http://127.0.0.1:2"
        """
    )
    settings = load_settings({})
    assert settings.names_kubernetes
    both = ("pricing", "alerts")
    assert seen(settings) == [("prod", both), ("prod-eu", both)]
    sources = open_sources(settings)
    assert [source.name for source in sources] == ["by hand", "prod", "prod-eu"]
    for source in sources:
        source.close()
    narrowed = load_settings({"namespace": ["pricing"], "selector": "team=b"})
    assert [(one.namespaces, one.selector) for one, _ in kubernetes_accesses(narrowed)] == [
        (("pricing",), "team=b"),
        (("pricing",), "team=b"),
    ]
    assert [name for name, _ in seen(load_settings({"kubeconfig": [files[0]]}))] == ["prod"]
    assert not load_settings({"rest": ["http://127.0.0.1:3"]}).names_kubernetes


def test_an_action_is_for_one_cluster(files: list[str]) -> None:
    with pytest.raises(UsageError, match=r"2 clusters are named \(prod, team\)"):
        kubernetes_access(load_settings({"kubeconfig": [files[0]], "context": ["prod", "team"]}, environ={}))
    assert kubernetes_access(load_settings({"kubeconfig": [files[0]]}, environ={})).context == "prod"


@pytest.fixture
def two_clusters(tmp_path: Path, files: list[str]) -> Iterator[Callable[[], Settings]]:
    first, second = ApiServer(), ApiServer()
    theirs = resource("1.15.0", 5)
    theirs["metadata"]["name"] = "theirs"
    second.lists("default", theirs)
    with serving(first) as url, serving(second) as other:
        for number, address in enumerate((url, other)):
            (tmp_path / str(number)).mkdir()
            write_kubeconfig(address, tmp_path / str(number))
        paths = [str(tmp_path / str(number) / "kubeconfig") for number in (0, 1)]
        yield lambda: load_settings({"kubeconfig": paths}, environ={})


def test_jobs_of_two_clusters(two_clusters: Callable[[], Settings]) -> None:
    sources = open_kubernetes_sources(two_clusters())
    try:
        assert len({source.name for source in sources}) == 2
        assert [job.name for source in sources for job in source.poll(PATIENT_SECONDS).jobs] == ["count", "theirs"]
    finally:
        for source in sources:
            source.close()
