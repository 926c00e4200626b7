"""KubernetesSource over the wire, against a small server that answers as an API server does."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from flinkops.errors import UsageError
from flinkops.sources.kubernetes.access import list_contexts, open_access
from flinkops.sources.kubernetes.source import KubernetesSource
from tests.fake_flink import HANGS_SECONDS
from tests.patience import EVER_LONGER_SECONDS, PATIENT_SECONDS
from tests.unit.cr_samples import resource, stuck
from tests.unit.kube_server import GROUP, RESOURCES, Answer, ApiServer, serving, status, write_kubeconfig


@pytest.fixture
def api() -> ApiServer:
    return ApiServer()


@pytest.fixture
def kubeconfig(api: ApiServer, tmp_path: Path) -> Iterator[str]:
    with serving(api) as url:
        yield write_kubeconfig(url, tmp_path)


@pytest.fixture
def open_source(kubeconfig: str) -> Iterator[Callable[..., KubernetesSource]]:
    opened: list[KubernetesSource] = []

    def build(context: str | None = None, **options: Any) -> KubernetesSource:
        opened.append(KubernetesSource(open_access(kubeconfig, context), **options))
        return opened[-1]

    yield build
    for source in opened:
        source.close()


def test_the_current_context_and_its_token_are_used(
    api: ApiServer, open_source: Callable[..., KubernetesSource]
) -> None:
    snapshot = open_source().poll(PATIENT_SECONDS)
    assert snapshot.status.state == "ok", snapshot.status.error
    assert (snapshot.status.name, snapshot.status.kind) == ("prod", "kubernetes")
    assert api.tokens == {"Bearer secret-token"}
    (job,) = snapshot.jobs
    assert (job.name, job.state) == ("count", "UNKNOWN")


def test_namespaces(api: ApiServer, open_source: Callable[..., KubernetesSource]) -> None:
    theirs = resource("1.15.0", 6)
    theirs["metadata"]["namespace"] = "pricing"
    api.lists("pricing", theirs)
    assert [job.name for job in open_source("team").poll(PATIENT_SECONDS).jobs] == ["count"]
    assert not any("/default/" in one for one in api.asked)
    both = open_source(namespaces=("default", "pricing")).poll(PATIENT_SECONDS)
    assert len(both.jobs) == 2
    api.answers[f"{GROUP}/flinkdeployments"] = lambda *_: (200, {"items": [resource("1.15.0", 5)]})
    api.answers[f"{GROUP}/flinksessionjobs"] = lambda *_: (200, {"items": []})
    assert len(open_source(all_namespaces=True).poll(PATIENT_SECONDS).jobs) == 1


def test_the_label_selector_is_the_servers_work(api: ApiServer, open_source: Callable[..., KubernetesSource]) -> None:
    open_source(selector="team=pricing,tier!=test").poll(PATIENT_SECONDS)
    lists = [one for one in api.asked if "flinkdeployments" in one]
    assert all("labelSelector=team%3Dpricing%2Ctier%21%3Dtest" in one for one in lists)


def test_resources_of_another_share_are_not_probed(
    api: ApiServer, open_source: Callable[..., KubernetesSource]
) -> None:
    assert open_source(wanted=lambda key: key != ("prod", "default", "count")).poll(PATIENT_SECONDS).jobs == ()
    assert not any("/proxy" in one for one in api.asked)
    (job,) = open_source(wanted=lambda key: key == ("prod", "default", "count")).poll(PATIENT_SECONDS).jobs
    assert (job.cluster, job.namespace, job.name) == ("prod", "default", "count")


def test_all_pages_are_read(api: ApiServer, open_source: Callable[..., KubernetesSource]) -> None:
    pages = {"": ("a", "2"), "2": ("b", "3"), "3": ("c", "")}

    def page(_: str, query: dict[str, str]) -> Answer:
        name, following = pages[query.get("continue", "")]
        deployment = resource("1.15.0", 5)
        deployment["metadata"]["name"] = name
        return 200, {"metadata": {"continue": following}, "items": [deployment]}

    api.answers[f"{GROUP}/namespaces/default/flinkdeployments"] = page
    assert [job.name for job in open_source().poll(PATIENT_SECONDS).jobs] == ["a", "b", "c"]


def test_an_expired_list_is_begun_again(api: ApiServer, open_source: Callable[..., KubernetesSource]) -> None:
    gone: list[str] = []

    def page(_: str, query: dict[str, str]) -> Answer:
        if "continue" in query and not gone:
            gone.append(query["continue"])
            return status(410, "The provided continue parameter is too old")
        following = "" if "continue" in query else "next"
        return 200, {"metadata": {"continue": following}, "items": [resource("1.15.0", 5)]}

    api.answers[f"{GROUP}/namespaces/default/flinkdeployments"] = page
    snapshot = open_source().poll(PATIENT_SECONDS)
    assert snapshot.status.state == "ok"
    assert gone == ["next"]
    assert len(snapshot.jobs) == 2


def test_forbidden_names_the_missing_permission(api: ApiServer, open_source: Callable[..., KubernetesSource]) -> None:
    told = 'flinkdeployments.flink.apache.org is forbidden: User "ann" cannot list resource "flinkdeployments"'
    api.answers[f"{GROUP}/namespaces/default/flinkdeployments"] = lambda *_: status(403, told)
    snapshot = open_source().poll(PATIENT_SECONDS)
    assert snapshot.status.state == "denied"
    assert snapshot.jobs == ()
    expected = "not allowed to list flinkdeployments.flink.apache.org in namespace default as ann"
    assert expected in str(snapshot.status.error)
    assert "deploy/rbac-reader.yaml" in str(snapshot.status.error)


def test_a_kind_that_is_forbidden_costs_only_itself(
    api: ApiServer, open_source: Callable[..., KubernetesSource]
) -> None:
    api.answers[f"{GROUP}/namespaces/default/flinksessionjobs"] = lambda *_: status(403, "no")
    snapshot = open_source().poll(PATIENT_SECONDS)
    assert snapshot.status.state == "ok"
    assert "session jobs are not shown" in str(snapshot.status.error)
    assert len(snapshot.jobs) == 1


@pytest.mark.parametrize("code", [401, 403])
def test_who_may_not_is_told_by_the_status_not_by_the_words(
    api: ApiServer, open_source: Callable[..., KubernetesSource], code: int
) -> None:
    api.answers[f"{GROUP}/namespaces/default/flinkdeployments"] = lambda *_: status(code, "HTTP 401 and HTTP 403")
    error = str(open_source().poll(PATIENT_SECONDS).status.error)
    assert ("log in again" in error) == (code == 401)
    assert ("not allowed to list" in error) == (code == 403)


def test_wrong_credentials_are_denied(api: ApiServer, open_source: Callable[..., KubernetesSource]) -> None:
    api.answers[GROUP] = lambda *_: status(401, "Unauthorized")
    snapshot = open_source().poll(PATIENT_SECONDS)
    assert snapshot.status.state == "denied"
    assert "does not accept these credentials" in str(snapshot.status.error)


def test_a_cluster_without_the_operator_says_so(api: ApiServer, open_source: Callable[..., KubernetesSource]) -> None:
    del api.answers[GROUP]
    snapshot = open_source().poll(PATIENT_SECONDS)
    assert (snapshot.status.state, snapshot.jobs) == ("ok", ())
    assert "no Flink operator" in str(snapshot.status.error)


def test_a_slow_api_server_ends_at_the_deadline(api: ApiServer, open_source: Callable[..., KubernetesSource]) -> None:
    release = threading.Event()

    def slow(*_: object) -> Answer:
        release.wait(2 * HANGS_SECONDS)
        return 200, RESOURCES

    api.answers[GROUP] = slow
    begun = time.monotonic()
    snapshot = open_source().poll(0.5)
    seconds = time.monotonic() - begun
    release.set()
    assert snapshot.status.state == "unreachable"
    assert seconds < HANGS_SECONDS


@pytest.mark.thorough
def test_a_slow_jobmanager_costs_its_own_row_only(api: ApiServer, open_source: Callable[..., KubernetesSource]) -> None:
    release = threading.Event()
    other = resource("1.15.0", 5)
    other["metadata"]["name"] = "other"
    api.lists("default", resource("1.15.0", 5), other)

    def slow(*_: object) -> Answer:
        release.wait(2 * HANGS_SECONDS)
        return 200, {}

    api.answers["/api/v1/namespaces/default/services/count-rest:8081/proxy/overview"] = slow
    for deadline_seconds in EVER_LONGER_SECONDS:
        begun = time.monotonic()
        snapshot = open_source().poll(deadline_seconds)
        seconds = time.monotonic() - begun
        if snapshot.status.state == "ok":
            break
    release.set()
    assert snapshot.status.state == "ok"
    assert {job.name for job in snapshot.jobs} == {"count", "other"}
    assert seconds < HANGS_SECONDS


def test_a_stuck_deployment_tells_what_its_pods_say(
    api: ApiServer, open_source: Callable[..., KubernetesSource]
) -> None:
    deployment = resource("1.15.0", 15)  # DEPLOYING with an image that does not exist
    deployment["metadata"]["name"] = "no-image"
    api.lists("default", deployment)
    recording = stuck()

    def pods(_: str, query: dict[str, str]) -> Answer:
        cluster = query["labelSelector"].removeprefix("app=")
        return 200, {"items": [one for one in recording["pods"] if one["metadata"]["labels"]["app"] == cluster]}

    api.answers["/api/v1/namespaces/default/pods"] = pods
    api.answers["/api/v1/namespaces/default/events"] = lambda *_: (200, {"items": recording["events"]})
    (job,) = open_source().poll(PATIENT_SECONDS).jobs
    assert job.state == "RECONCILING"
    assert job.resource is not None
    assert [one.code for one in job.resource.stuck] == ["image"]
    assert "count:missing" in job.unknown["vertices"]


def test_hostile_names_stay_in_their_place_in_the_url(
    api: ApiServer, open_source: Callable[..., KubernetesSource]
) -> None:
    deployment = resource("1.15.0", 5)
    deployment["metadata"]["name"] = "../../secrets/x?y=\x1b[31m"
    api.lists("default", deployment)
    open_source().poll(PATIENT_SECONDS)
    ours = (GROUP, "/api/v1/namespaces/default/", "/apis/apps/v1/deployments?")
    assert all(one.startswith(ours) for one in api.asked)
    assert not any("/secrets/x" in urlsplit(one).path for one in api.asked)


def test_contexts_and_what_is_wrong_with_a_kubeconfig(kubeconfig: str, tmp_path: Path) -> None:
    assert list_contexts(kubeconfig).names == ("prod", "team")
    assert list_contexts(kubeconfig).current == "prod"
    with pytest.raises(UsageError, match=r"no Kubernetes context 'nope'.*known: prod, team"):
        open_access(kubeconfig, "nope")
    with pytest.raises(UsageError, match="no kubeconfig at"):
        open_access(str(tmp_path / "absent"))
    broken = tmp_path / "broken"
    broken.write_text("clusters: {", encoding="utf-8")
    with pytest.raises(UsageError, match="cannot be used"):
        open_access(str(broken))
