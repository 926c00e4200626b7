"""The operator's own settings: read from the ConfigMap that it mounts, and what they come to for one resource."""

from typing import Any

import pytest

from flinkops.model.endpoint import RestEndpoint
from flinkops.outside.kubernetes_quantities import BadQuantity, Quantity
from flinkops.plan.operator.configuration import (
    HA_TYPE,
    OVERRIDES,
    RECOVERY,
    Settings,
    Unparsable,
    duration_seconds,
    operator_defaults,
    parse_duration,
    savepoint_option,
)
from flinkops.plan.operator.map_option import read_map
from flinkops.plan.operator.rules import Rules
from flinkops.plan.operator.worlds import Fact, FactKind, TooManyWorlds, World, explore
from flinkops.sources.deadline import Deadline
from flinkops.sources.kubernetes.api import KubeClient
from flinkops.sources.kubernetes.operator_configuration import CONFIG_MAP, parse_configuration, read_configuration
from tests.unit.kube_server import ApiServer, serving, status

PATH = f"/api/v1/namespaces/flink/configmaps/{CONFIG_MAP}"
LEGACY = (
    "# defaults\nstate.savepoints.dir: s3://b/s # here\nkubernetes.operator.x: a: b\ns3.secret-key: hush\nno line\n"
)
YAML = "kubernetes: {operator: {x: 'a: b'}}\nstate.savepoints.dir: s3://b/s\ns3: {secret-key: hush}\n"
EXPECTED = {"state.savepoints.dir": "s3://b/s", "kubernetes.operator.x": "a: b"}


def deployment(*files: str, mount: str = "/opt/flink/conf") -> dict[str, Any]:
    """The operator's, as its chart has it."""
    source = {"name": CONFIG_MAP, "items": [{"key": one, "path": one} for one in files]}
    mounts = [{"name": "flink-operator-config-volume", "mountPath": mount}]
    pod = {
        "containers": [{"name": "flink-kubernetes-operator", "volumeMounts": mounts}, {"name": "flink-webhook"}],
        "volumes": [{"name": "keystore"}, {"name": "flink-operator-config-volume", "configMap": source}],
    }
    return {"metadata": {"namespace": "flink"}, "spec": {"template": {"spec": pod}}}


def read(found: dict[str, Any] | None, code: int, data: dict[str, str]) -> dict[str, str] | None:
    api = ApiServer()
    api.answers[PATH] = lambda *_: (200, {"data": data}) if code == 200 else status(code, "no")
    with serving(api) as url:
        client = KubeClient(RestEndpoint(url=url, name="kit"))
        try:
            return read_configuration(client, found, Deadline(5.0))
        finally:
            client.close()


@pytest.mark.parametrize(
    ("found", "data"),
    [
        (deployment("flink-conf.yaml", "log4j-operator.properties"), {"flink-conf.yaml": LEGACY}),
        (deployment("config.yaml"), {"config.yaml": YAML, "flink-conf.yaml": "state.savepoints.dir: old"}),
        (deployment(), {"flink-conf.yaml": LEGACY}),
        (deployment(), {"config.yaml": YAML}),
    ],
)
def test_the_operators_settings_are_read_from_what_it_mounts(found: dict[str, Any], data: dict[str, str]) -> None:
    assert read(found, 200, data) == EXPECTED


@pytest.mark.parametrize(
    ("found", "code", "data"),
    [
        (None, 200, {"flink-conf.yaml": LEGACY}),
        (deployment(), 403, {}),
        (deployment(), 404, {}),
        (deployment(), 200, {"other": LEGACY}),
        (deployment("log4j-operator.properties"), 200, {"flink-conf.yaml": LEGACY}),
        (deployment(mount="/elsewhere"), 200, {"flink-conf.yaml": LEGACY}),
        (deployment(), 200, {"config.yaml": "- a\n- b\n"}),
        (deployment(), 200, {"config.yaml": "{"}),
    ],
)
def test_settings_that_cannot_be_told_are_unknown(
    found: dict[str, Any] | None, code: int, data: dict[str, str]
) -> None:
    assert read(found, code, data) is None


def test_lists_and_nothing_in_yaml() -> None:
    assert parse_configuration("state.x: [a, 1]\nstate.y: true\n", legacy=False) == {
        "state.x": "a;1",
        "state.y": "true",
    }
    assert parse_configuration("", legacy=False) == {}


def test_defaults_of_a_version_and_a_namespace_come_before_those_of_all() -> None:
    prefix = "kubernetes.operator.default-configuration."
    own = {
        "a": "all",
        f"{prefix}flink-version.v1_18+.a": "from 1.18",
        f"{prefix}flink-version.v1_20+.a": "from 1.20",
        f"{prefix}flink-version.v1_20.a": "1.20",
        f"{prefix}namespace.prod.b": "prod",
        f"{prefix}namespace.prod2.b": "another",
    }
    found = {version: operator_defaults(own, "prod", version)["a"] for version in ("v1_17", "v1_19", "v1_20", "v2_0")}
    assert found == {"v1_17": "all", "v1_19": "from 1.18", "v1_20": "1.20", "v2_0": "from 1.20"}
    assert operator_defaults(own, "prod", None)["b"] == "prod"
    assert "b" not in operator_defaults(own, "elsewhere", None)


def test_an_older_key_counts_where_the_newer_is_absent() -> None:
    world = World({})
    settings = Settings(
        {"high-availability": "ZOOKEEPER"}, {"kubernetes.operator.reconciler.jm-deployment-recovery.enabled": "FALSE"}
    )
    assert settings.ha_on(world)
    assert not settings.overlaid({HA_TYPE.key: "none"}).ha_on(world)
    assert settings.switch(RECOVERY, world, default=True) is False
    assert [savepoint_option(Rules(minor)).keys[0] for minor in (10, 11)] == [
        "state.savepoints.dir",
        "execution.checkpointing.savepoint-dir",
    ]


def test_a_setting_that_no_operator_can_read_is_an_error_with_its_key() -> None:
    with pytest.raises(Unparsable, match=r"'yes' for key 'kubernetes.operator.jm-deployment-recovery.enabled'"):
        Settings({RECOVERY.key: "yes"}, {}).switch(RECOVERY, World({}), default=True)


def test_overrides_stand_in_one_setting_or_below_it() -> None:
    world, rules = World({}), Rules(15)
    assert Settings({OVERRIDES.key: "a:1,b:2"}, {}).overrides(world, rules) == {"a": "1", "b": "2"}
    assert Settings({f"{OVERRIDES.key}.a": "3"}, {}).overrides(world, rules) == {"a": "3"}
    assert Settings({}, {OVERRIDES.key: "a:4"}).overrides(world, rules) == {"a": "4"}


@pytest.mark.parametrize("text", ["a", "a:1:2", "a:1,a:2", "'a:1"])
def test_maps_that_flink_cannot_read(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the words
        read_map(text, yaml=False)


def test_maps_in_quotes_and_in_yaml() -> None:
    assert read_map("'''a:b'':1', c:2", yaml=False) == {"a:b": "1", "c": "2"}
    assert read_map("{a: 1, b: 2}", yaml=True) == {"a": "1", "b": "2"}
    assert read_map("a:1", yaml=True) == {"a": "1"}


@pytest.mark.parametrize(("text", "seconds"), [("10 min", 600.0), ("1h", 3600.0), ("500", 0.5), ("2 DAYS", 172800.0)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == duration_seconds(text) == seconds


@pytest.mark.parametrize("text", ["PT10M", "10 years", "-1 s", "1.5 s", ""])
def test_durations_that_flink_cannot_read(text: str) -> None:
    assert duration_seconds(text) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [("1", "1000m"), ("1Gi", "1024Mi"), ("1e3", "1k"), ("0.5", "500m"), ("1M", "1000k"), (".5", "0.5")],
)
def test_amounts_are_equal_by_value(one: str, other: str) -> None:
    assert Quantity(one) == Quantity(other)
    assert hash(Quantity(one)) == hash(Quantity(other))


@pytest.mark.parametrize("text", ["", "Gi", "1 Gi", "1GB", "one", "1.2.3"])
def test_what_is_no_amount_cannot_be_compared(text: str) -> None:
    with pytest.raises(BadQuantity):
        _ = Quantity(text) == Quantity("1")


def test_too_many_ways_are_not_gone_through() -> None:
    def decide(world: World) -> int:
        return sum(world.ask(Fact(FactKind.OPERATOR_DEFAULT, str(number)), (0, 1)) for number in range(10))

    with pytest.raises(TooManyWorlds):
        explore(decide)
    assert decide(World({}, likely=True)) == 0
