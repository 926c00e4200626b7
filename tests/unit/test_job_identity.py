"""Whose job it is: an id alone does not say it, since applications may fix theirs, and names repeat in namespaces."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flinkops.act.job_choice import pick_job
from flinkops.diagnose.diagnosis import diagnose
from flinkops.errors import OperationFailed, UsageError
from flinkops.evidence_collector import EvidenceCollector
from flinkops.model.detail import JobDetail, LogFile
from flinkops.model.facts import JobFacts
from flinkops.model.identity import flink_cluster, matching, selector
from flinkops.render.doctor import doctor_document, doctor_names
from flinkops.sources.kubernetes.access import open_access
from flinkops.sources.kubernetes.source import KubernetesSource
from tests.fake_flink import Recording
from tests.patience import PATIENT_SECONDS
from tests.unit.builders import NOW_MS, job
from tests.unit.cr_samples import resource
from tests.unit.doctor_cases import evidence, thrown
from tests.unit.kube_server import Answer, ApiServer, serving, status, write_kubeconfig

FIXED_ID = "0" * 32


@pytest.fixture
def api() -> ApiServer:
    return ApiServer()


@pytest.fixture
def source(api: ApiServer, tmp_path: Path) -> Iterator[Callable[..., KubernetesSource]]:
    opened: list[KubernetesSource] = []
    with serving(api) as url:
        path = write_kubeconfig(url, tmp_path)

        def build(**options: Any) -> KubernetesSource:
            opened.append(KubernetesSource(open_access(path), **options))
            return opened[-1]

        yield build
        for one in opened:
            one.close()


def serve_flink(api: ApiServer, namespace: str, recorded_id: str, parallelism: int) -> None:
    """The recorded job under a fixed id, behind the service of count in this namespace."""
    recording = Recording.load("flink-2.3-count")
    prefix = f"/api/v1/namespaces/{namespace}/services/count-rest:8081/proxy"

    def answer(path: str, query: dict[str, str]) -> Answer:
        inner = path.removeprefix(prefix).replace(FIXED_ID, recorded_id)
        code, body = recording.answer(inner, "&".join(f"{key}={value}" for key, value in query.items()))
        text = msgspec.json.encode(body).decode().replace(recorded_id, FIXED_ID)
        found = msgspec.json.decode(text)
        if inner == f"/jobs/{recorded_id}":
            for vertex in found["vertices"]:
                vertex["parallelism"] = parallelism
        return code, found

    api.proxies[prefix] = answer


def in_namespace(namespace: str) -> dict[str, Any]:
    found = resource("1.15.0", 12)
    found["metadata"]["namespace"] = namespace
    found["status"]["jobStatus"]["jobId"] = FIXED_ID
    return found


def two_with_one_id(api: ApiServer) -> str:
    recorded_id = Recording.load("flink-2.3-count").jobs[0]["jid"]
    for namespace, parallelism in (("shop", 1), ("pricing", 7)):
        api.lists(namespace, in_namespace(namespace))
        serve_flink(api, namespace, recorded_id, parallelism)
    return str(recorded_id)


@pytest.mark.thorough
def test_two_namespaces_with_one_job_id_keep_their_evidence_apart(
    api: ApiServer, source: Callable[..., KubernetesSource]
) -> None:
    two_with_one_id(api)
    kube = source(namespaces=("shop", "pricing"))
    jobs = kube.poll(PATIENT_SECONDS).jobs
    assert [(one.namespace, one.id) for one in jobs] == [("shop", FIXED_ID), ("pricing", FIXED_ID)]
    details = [kube.rest_source(one) for one in jobs]
    assert details[0] is not None
    assert details[1] is not None
    urls = [one.endpoint.url for one in details if one is not None]
    assert ["/shop/" in urls[0], "/pricing/" in urls[1]] == [True, True]
    stranger = msgspec.structs.replace(jobs[0], id="1" * 32)
    assert kube.rest_source(stranger) is None


def test_the_words_of_the_api_server_are_not_read_as_flinks(
    api: ApiServer, source: Callable[..., KubernetesSource]
) -> None:
    api.lists("default", resource("1.15.0", 12))
    overview = "/api/v1/namespaces/default/services/count-rest:8081/proxy/overview"
    for code, words in ((404, 'services "count-rest" not found'), (503, "no endpoints available for service")):
        api.answers[overview] = lambda *_, code=code, words=words: status(code, words)
        (seen,) = source().poll(PATIENT_SECONDS).jobs
        assert words in seen.unknown["state"]
        assert "the API server" in seen.unknown["state"]
        assert "is not a Flink REST API" not in seen.unknown["state"]


def named(namespace: str | None, name: str, job_id: str, cluster: str = "prod") -> JobFacts:
    return JobFacts(id=job_id, name=name, cluster=cluster, seen_ms=1, namespace=namespace)


def test_namespace_and_name_come_before_an_id_and_an_id_before_a_name() -> None:
    shop, pricing = named("shop", "orders", FIXED_ID), named("pricing", "orders", FIXED_ID)
    odd = named("odd", FIXED_ID, "b" * 32)
    jobs = [shop, pricing, odd]
    assert matching(jobs, "pricing/orders") == [pricing]
    assert matching(jobs, FIXED_ID) == [shop, pricing]
    assert matching(jobs, "orders") == [shop, pricing]
    assert matching(jobs, "prod/orders") == [shop, pricing]
    assert [selector(one) for one in (shop, named(None, "orders", "c" * 32))] == ["shop/orders", "c" * 32]


def test_several_are_listed_by_what_tells_them_apart() -> None:
    shop, pricing = named("shop", "orders", FIXED_ID), named("pricing", "orders", FIXED_ID)
    with pytest.raises(UsageError) as several:
        pick_job([shop, pricing], FIXED_ID)
    assert "name one by its namespace/name: shop/orders (prod), pricing/orders (prod)" in several.value.line()
    with pytest.raises(UsageError, match="2 jobs match") as several:
        pick_job([named(None, "orders", "a" * 32), named(None, "orders", "b" * 32)], "orders")
    assert f"name one by its id: {'a' * 32} (prod)" in several.value.line()
    with pytest.raises(OperationFailed):
        pick_job([shop], "other")


class Details:
    """A Flink cluster that can be asked for more; says which it is."""

    def __init__(self, name: str) -> None:
        self.name = name

    def detail(self, job_id: str, *, deadline_seconds: float = 1.0) -> JobDetail:
        return JobDetail(id=job_id, seen_ms=NOW_MS)

    def jobmanager_log(self, *, deadline_seconds: float = 1.0) -> str:
        return f"the log of {self.name}"

    def subtasks(self, *_: object, **__: object) -> object: ...
    def flame_graph(self, *_: object, **__: object) -> object: ...
    def taskmanager_logs(self, *_: object, **__: object) -> tuple[LogFile, ...]:
        return ()

    def taskmanager_log(self, *_: object, **__: object) -> object: ...


class Clusters:
    def rest_source(self, wanted: JobFacts) -> Details:
        return Details("/".join(flink_cluster(wanted)))


def of_resource(namespace: str) -> JobFacts:
    from flinkops.sources.kubernetes.resources import resource_facts

    facts = resource_facts(in_namespace(namespace), context="prod", kind="FlinkDeployment")
    return job(id=FIXED_ID, name="count", namespace=namespace, resource=facts)


def test_each_jobmanagers_log_is_kept_under_its_own_name() -> None:
    close = EvidenceCollector({"prod": Clusters()})
    logs = close.logs([evidence(of_resource("shop")), evidence(of_resource("pricing"))])
    assert {name: text for name, text in logs.items() if "jobmanager" in name} == {
        "prod-shop-count-jobmanager.log": "the log of prod/shop/count",
        "prod-pricing-count-jobmanager.log": "the log of prod/pricing/count",
    }


def test_the_doctor_says_of_which_namespace_it_speaks() -> None:
    ill = [
        msgspec.structs.replace(of_resource(namespace), exceptions=(thrown(5.0),), state="FAILED")
        for namespace in ("shop", "pricing")
    ]
    found = [diagnose(evidence(one)) for one in ill]
    assert [one["namespace"] for one in doctor_document(found)["jobs"]] == ["shop", "pricing"]
    assert all(one.findings for one in found)
    assert {line.split(" ")[0] for line in doctor_names(found).splitlines()} == {"shop/count", "pricing/count"}
