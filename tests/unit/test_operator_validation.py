"""What the operator's own validation refuses, and the configurations that it cannot make."""

import json
from typing import Any

import pytest

from flinkops.plan.operator.decision import Act, Mode
from flinkops.plan.operator.predict import Edit, Prediction, predict
from flinkops.plan.operator.reasons import ReasonCode
from flinkops.plan.operator.rules import Features
from flinkops.plan.operator.worlds import Fact, FactKind
from tests.unit.operator_cases import (
    AGE_KEY,
    EACH_OPERATOR,
    FEATURES,
    HA_OFF,
    NEW,
    SEEN,
    deployed_with,
    replaced,
    running,
    told,
)

DIRECTORIES = {
    "execution.checkpointing.dir": "s3://b/c",
    "state.savepoints.dir": "s3://b/s",
    "jobmanager.memory.process.size": "1g",
    "taskmanager.memory.process.size": "1g",
}

MEMORY = {"resource": {"memory": "1g"}}
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"settings": {"kubernetes.cluster-id": "x"}}, "Forbidden Flink config key: kubernetes.cluster-id"),
    ({"settings": {"kubernetes.operator.deployment.rollback.enabled": "true", **HA_OFF}}, "HA must be enabled"),
    (
        {"manifest": {"jobManager": {"replicas": 2, **MEMORY}}, "settings": HA_OFF},
        "High availability should be enabled",
    ),
    (
        {"manifest": {"jobManager": {"replicas": 0, **MEMORY}}},
        "JobManager replicas should not be configured less than one.",
    ),
    ({"manifest": {"logConfiguration": {"log4j.properties": ""}}}, "Invalid log config key: log4j.properties"),
    ({"manifest": {"serviceAccount": None}}, "spec.serviceAccount must be defined"),
    ({"manifest": {"ingress": {"className": "x"}}}, "Ingress template must be defined"),
    ({"manifest": {"mode": "standalone"}}, "Cannot switch from native kubernetes to standalone"),
    ({"manifest": {"flinkVersion": None}}, "Flink Version must be defined."),
    ({"manifest": {"taskManager": {"replicas": 0, **MEMORY}}}, "replicas must be larger than 0"),
    ({"manifest": {"taskManager": {"resource": {"memory": "much"}}}}, "TaskManager resource memory parse error"),
    ({"manifest": {"jobManager": {}}}, "JobManager resource memory must be defined"),
    ({"manifest": {"taskManager": {}}, "settings": {"taskmanager.memory.process.size": "x"}}, "memory must be defined"),
    ({"parallelism": 0}, "Job parallelism must be larger than 0"),
]


@EACH_OPERATOR
@pytest.mark.parametrize(("change", "words"), REFUSED)
def test_what_the_operators_validation_refuses(operator: str, change: dict[str, Any], words: str) -> None:
    found = running(operator)
    manifest = {**found["spec"], **change["manifest"]} if "manifest" in change else None
    prediction = told(found, Edit(**{**change, "manifest": manifest}), SEEN, FEATURES[operator])
    assert (prediction.act, prediction.effective_mode) == (Act.REFUSED, Mode.FAIL)
    assert words in prediction.why[0]


AUTOSCALED = {"job.autoscaler.enabled": "true"}


@pytest.mark.parametrize(
    ("settings", "words", "since"),
    [
        ({"job.autoscaler.scale-up.max-factor": "-1"}, "within the range [0.0, +Infinity]", 7),
        ({"job.autoscaler.scale-down.max-factor": "much"}, "Invalid value in the autoscaler config", 7),
        ({"job.autoscaler.target.utilization": "-0.1"}, "within the range [0.0,", 7),
        ({"job.autoscaler.utilization.target": "1.5"}, "utilization.target is invalid", 11),
        ({"job.autoscaler.utilization.max": "0.6"}, "within the range [0.7, 1.0]", 11),
        ({"kubernetes.operator.job.autoscaler.utilization.min": "0.8"}, "within the range [0.0, 0.7]", 11),
        ({"job.autoscaler.observed-scalability.coefficient-min": "0"}, "[0.01, 1.0]", 12),
        ({"job.autoscaler.memory.gc-pressure.threshold": "2"}, "[0.0, 1.0]", 16),
        ({"job.autoscaler.memory.heap-usage.threshold": "1.01"}, "[0.0, 1.0]", 16),
        ({"job.autoscaler.memory.heap-usage.threshold": "1"}, None, 16),
        (
            {
                "job.autoscaler.memory.tuning.enabled": "true",
                "job.autoscaler.memory.tuning.overhead": "1.01",
            },
            "[0.0, 1.0]",
            16,
        ),
        (
            {
                "job.autoscaler.scaling.effectiveness.detection.enabled": "true",
                "job.autoscaler.scaling.effectiveness.threshold": "1.01",
            },
            "[0.0, 1.0]",
            16,
        ),
        ({"job.autoscaler.metrics.window": "30 s"}, "must not be smaller than the operator reconcile interval", 16),
        ({"job.autoscaler.excluded.periods": "often"}, "neither a valid daily expression nor a valid cron", 8),
        ({"job.autoscaler.excluded.periods": "9:00-10:00 && 11:00-12:00"}, "dailyExpression && dailyExpression", 8),
        ({"job.autoscaler.excluded.periods": "9:30-10:50 && * * * ? * 2,5; * * 9-11 * * ?"}, None, 8),
        ({"job.autoscaler.excluded.periods": "9:30-10:50 && * * * ? * 2 && 9:00-9:10"}, "Invalid value 9:30-10:50", 8),
    ],
)
def test_autoscaler_settings_are_refused_where_the_autoscaler_is_on(
    settings: dict[str, str], words: str | None, since: int
) -> None:
    coefficient = "job.autoscaler.observed-scalability.coefficient-min" in settings
    for minor in range(7, 17):
        able = Features(savepoint_redeploy=True, upgrade_savepoint_path=True, version=f"1.{minor}.0")
        prediction = told(running("1.7.0"), Edit(settings={**settings, **AUTOSCALED}), SEEN, able)
        refused = words is not None and minor >= since and not (coefficient and minor == 16)  # 1.16: its switch is off
        assert (prediction.act is Act.REFUSED) == refused, (minor, prediction.why)
        assert not refused or (words or "") in prediction.why[0]
        assert told(running("1.7.0"), Edit(settings=settings), SEEN, able).act is not Act.REFUSED


@EACH_OPERATOR
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"imagePullPolicy": "never"}, "imagePullPolicy 'never' is none of"),
        ({"flinkConfiguration": {"kubernetes.operator.jm-deployment.startup.probe.enabled": "on"}}, "Could not parse"),
        ({"job": {"jarURI": "local:///a jar.jar"}}, "is no URI"),
        ({"taskManager": {"replicas": 2}, "flinkConfiguration": {"taskmanager.numberOfTaskSlots": "x"}}, "parse value"),
    ],
)
def test_a_configuration_that_cannot_be_made_is_an_error_of_the_operators(
    operator: str, change: dict[str, Any], words: str
) -> None:
    found = running(operator)
    spec = {key: {**found["spec"].get(key, {}), **one} if isinstance(one, dict) else one for key, one in change.items()}
    manifest = {**found["spec"], **spec, "image": "count:2"}
    prediction = told(found, Edit(manifest=manifest), SEEN, FEATURES[operator])
    assert prediction.act is Act.FAIL
    assert "Failed to load configuration" in prediction.why[0]
    assert words in prediction.why[0]


@EACH_OPERATOR
def test_a_duration_that_flink_cannot_read_fails(operator: str) -> None:
    found = deployed_with(running(operator), settings={AGE_KEY: "PT10M"})
    prediction = told(found, Edit(image="count:2", mode="last-state"), SEEN, FEATURES[operator])
    assert (prediction.act, prediction.reason) == (Act.FAIL, ReasonCode.UNREADABLE)
    assert f"'PT10M' for key '{AGE_KEY}'" in prediction.why[0]


JARS: list[tuple[str, Act]] = [
    ("http://jars/a.jar", Act.REFUSED),
    ("a.jar", Act.REFUSED),
    ("https://jars/a b.jar", Act.REFUSED),
    ("https://jars/%zz", Act.REFUSED),
    ("https:///a.jar", Act.REFUSED),
    ("https://10.1.2.3/a.jar", Act.REFUSED),
    ("https://[::1]/a.jar", Act.REFUSED),
    ("https://localhost/a.jar", Act.REFUSED),
    ("https://8.8.8.8/a.jar", Act.STATELESS),
    ("https://elsewhere/a.jar", Act.UNKNOWN),
    ("HTTPS://jars/b.jar", Act.STATELESS),
]


@pytest.mark.parametrize(("uri", "expected"), JARS)
def test_operator_1_15_takes_the_jars_of_session_jobs_from_where_it_may(uri: str, expected: Act) -> None:
    prediction = of_session_job(uri, DIRECTORIES)
    assert prediction.act is expected, prediction.why
    assert (expected is Act.UNKNOWN) == (prediction.unknown == (Fact(FactKind.JAR_HOST, "elsewhere"),))


def of_session_job(uri: str, own: dict[str, str]) -> Prediction:
    found = deployed_with(running("1.15.0"))
    spec = {"deploymentName": "session", "job": {"jarURI": "https://jars/a.jar", "parallelism": 1}}
    last = json.dumps({"spec": spec})
    session = {**found, "kind": "FlinkSessionJob", "spec": spec}
    session["status"]["reconciliationStatus"]["lastReconciledSpec"] = last
    status = {"jobManagerDeploymentStatus": "READY", "lifecycleState": "STABLE"}
    cluster = {"metadata": {"name": "session"}, "spec": {"flinkVersion": "v2_3"}, "status": status}
    observed = replaced(operator_configuration=own)
    return predict(session, Edit(jar=uri), observed=observed, features=NEW, cluster=cluster)


def test_a_host_that_no_address_is_leaves_the_scheme_what_it_is() -> None:
    refused = of_session_job("https://[1.2.3.4]/a.jar", DIRECTORIES)
    assert refused.act is Act.REFUSED
    assert "must include a scheme" not in refused.why[0]


@pytest.mark.parametrize(("schemes", "allowed"), [("https;http", True), ("[https, HTTP]", True), ("https,http", False)])
def test_the_operator_may_be_told_to_take_jars_from_anywhere(schemes: str, allowed: bool) -> None:
    own = {
        **DIRECTORIES,
        "kubernetes.operator.user.artifacts.allowed-schemes": schemes,
        "kubernetes.operator.user.artifacts.disallow-restricted-hosts": "false",
    }
    assert of_session_job("http://elsewhere/a.jar", own).act is (Act.STATELESS if allowed else Act.REFUSED)
