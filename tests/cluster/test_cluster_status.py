"""The fleet as a user sees it in a real cluster: a foreign job, deployments that do not come up, permissions."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flinkops.sources.kubernetes.access import open_access
from flinkops.sources.kubernetes.source import KubernetesSource
from tests.cluster.accounts import READER, kubeconfig_of, shipped_roles
from tests.cluster.kit import Cluster, count_manifest, run, wait_for

pytestmark = pytest.mark.timeout(600)

REAL_NUMBERS = ("records_in_per_second", "records_out_per_second", "uptime_seconds", "restarts", "state_bytes")


def measured(row: dict[str, Any]) -> bool:
    """All that this job can tell has been measured; the first metrics of a new job come late."""
    numbers = all(row[name] is not None for name in REAL_NUMBERS)
    return bool(numbers and row["records_in_per_second"] > 0 and (row["checkpoints"] or {}).get("completed"))


def test_a_foreign_job_is_seen_with_real_numbers(cluster: Cluster, count: str) -> None:
    def steady() -> dict[str, Any] | None:
        found = cluster.job(count)
        # The job generates 200 a second; Flink's rates are of the last minute, also when it runs for half of one.
        return found if measured(found) and 50 < found["records_in_per_second"] < 250 else None

    row = wait_for(steady, "its rate is measured", seconds=150, every=3.0)
    deployment = cluster.deployment(count)
    assert row["id"] == deployment["status"]["jobStatus"]["jobId"]
    assert (row["kind"], row["namespace"], row["state"]) == ("FlinkDeployment", "default", "RUNNING")
    assert (row["lifecycle_state"], row["flink_version"], row["parallelism"]) == ("STABLE", "1.20.5", 1)
    assert row["checkpoints"]["status"] in ("COMPLETED", "IN_PROGRESS")
    assert row["checkpoints"]["interval_seconds"] == 5
    assert row["backpressure"]["level"] == "none"
    assert len(row["vertices"]) == 2
    # It publishes no latency and has no event time: either is not applicable or, until that is sure, unknown.
    absent = {"processing_latency_seconds", "event_time_skew_seconds"}
    assert absent <= row["unknown"].keys() | row["not_applicable"].keys()
    assert row["health"]["level"] == ("unknown" if absent & row["unknown"].keys() else "ok")
    (examined,) = json.loads(cluster.flinkops("doctor", count, "-o", "json").stdout)["jobs"]
    assert [each["code"] for each in examined["findings"] if each["severity"] != "info"] == []


def test_the_details_of_a_job_come_from_its_own_flink_cluster(cluster: Cluster, count: str) -> None:
    source = KubernetesSource(open_access(cluster.kubeconfig))
    try:
        (job,) = [job for job in source.poll(20.0).jobs if job.name == count]
        flink = source.rest_source(job)
        assert flink is not None
        assert {vertex.id for vertex in flink.detail(job.id).vertices} == {vertex.id for vertex in job.vertices}
        assert source.rest_source(msgspec.structs.replace(job, id="0" * 32)) is None
    finally:
        source.close()


def test_namespaces_selectors_and_contexts(cluster: Cluster, count: str) -> None:
    def names(*arguments: str) -> list[str]:
        return [row["name"] for row in cluster.status(*arguments)["jobs"]]

    assert count in names("-A")
    assert names("-n", "kube-system") == []
    assert names("-l", "team=examples") == [count]
    assert names("-l", "team=another") == []
    assert names("--context", "kit", "-n", "default", "-l", "team in (examples)") == [count]
    assert cluster.flinkops("status", f"default/{count}", "-o", "name").stdout.strip().endswith(count)
    refused = cluster.flinkops("status", "-o", "json", "--context", "nowhere", expect=2)
    assert "there is no Kubernetes context 'nowhere'" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.fixture
def broken(cluster: Cluster, count: str) -> Iterator[str]:
    """A deployment whose image does not exist; `count` before it, for its image."""
    cluster.apply(count_manifest(cluster.kit, "broken", image=f"{count}:missing"))
    try:
        yield "broken"
    finally:
        cluster.delete_deployment("broken")


def test_why_a_deployment_does_not_come_up(cluster: Cluster, broken: str) -> None:
    def stuck() -> list[dict[str, Any]]:
        reasons = cluster.job(broken)["health"]["reasons"]
        return [one for one in reasons if one["code"] == "stuck-image"]

    (reason,) = wait_for(stuck, "the missing image is named", seconds=60)
    assert 'Container image "count:missing" is not present' in reason["text"]
    row = cluster.job(broken)
    assert row["health"]["level"] == "critical"
    assert row["state"] in ("RECONCILING", "UNKNOWN")  # nobody has seen it fail
    assert "error" not in cluster.deployment(broken)["status"]  # the custom resource itself does not say
    (examined,) = json.loads(cluster.flinkops("doctor", broken, "-o", "json").stdout)["jobs"]
    assert [finding["code"] for finding in examined["findings"]][:1] == ["deployment-stuck"]


@pytest.fixture
def account(cluster: Cluster, count: str, tmp_path: Path) -> Iterator[str]:
    """A kubeconfig of a service account with the shipped read-only role; `count` has been measured before."""
    with shipped_roles(cluster):
        path = kubeconfig_of(cluster, READER, tmp_path)
        wait_for(lambda: measured(cluster.job(count)), "measured", seconds=60, every=3.0)
        yield path


def test_the_shipped_role_suffices_and_allows_nothing_else(cluster: Cluster, account: str, count: str) -> None:
    for arguments in ((), ("-A",)):
        (row,) = [row for row in cluster.status(*arguments, kubeconfig=account)["jobs"] if row["name"] == count]
        assert measured(row)

    for forbidden in (("get", "secrets"), ("annotate", "flinkdeployment", count, "a=b"), ("delete", "pods", "x")):
        with pytest.raises(AssertionError, match="orbidden"):
            run(["kubectl", "--kubeconfig", account, *forbidden])


def test_what_is_not_allowed_is_named(cluster: Cluster, account: str, count: str) -> None:
    role = cluster.get("clusterrole", "flinkops-reader")
    full = role["rules"]

    def allow(*resources: str) -> None:
        role["rules"] = [rule for rule in full if set(rule["resources"]) & set(resources)]
        role["metadata"] = {"name": "flinkops-reader"}
        cluster.kubectl("replace", "-f", "-", stdin=json.dumps(role))

    def polled(expect: int) -> dict[str, Any]:
        return cluster.status(kubeconfig=account, expect=expect)

    allow("flinkdeployments")
    row = wait_for(lambda: _blind(polled(0)), "the row without its REST API", seconds=20)
    assert row["name"] == count
    assert row["state"] == "UNKNOWN"
    assert "not allowed to get services/proxy in namespace default" in row["unknown"]["records_in_per_second"]
    allow("pods")
    source = wait_for(lambda: _denied(status_of(cluster, account)), "denied", seconds=20)
    assert "not allowed to list flinkdeployments.flink.apache.org in namespace default" in source["error"]
    assert "system:serviceaccount:flinkops:flinkops" in source["error"]
    polled(3)


def status_of(cluster: Cluster, kubeconfig: str) -> dict[str, Any]:
    """The document whatever the exit code: the change of a role takes a moment."""
    try:
        return cluster.status(kubeconfig=kubeconfig, expect=3)
    except AssertionError:
        return cluster.status(kubeconfig=kubeconfig)


def _blind(document: dict[str, Any]) -> dict[str, Any] | None:
    return next((row for row in document["jobs"] if row["records_in_per_second"] is None), None)


def _denied(document: dict[str, Any]) -> dict[str, Any] | None:
    return next((source for source in document["sources"] if source["state"] == "denied"), None)
