"""Which resource of a file is meant: files hold several, and other objects beside them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from flinkops.act.manifest import spec_of_kind, specs_of_manifest
from flinkops.errors import UsageError

SEVERAL = """
apiVersion: v1
kind: ConfigMap
metadata: {name: orders}
---
apiVersion: flink.apache.org/v1beta1
kind: FlinkDeployment
metadata: {name: shared}
spec: {image: flink:1}
---
apiVersion: flink.apache.org/v1beta1
kind: FlinkSessionJob
metadata: {name: orders}
spec: {deploymentName: shared}
---
apiVersion: flink.apache.org/v1beta1
kind: FlinkSessionJob
metadata: {name: prices, namespace: pricing}
spec: {deploymentName: other}
---
# an empty document
---
apiVersion: v1
kind: List
items:
- apiVersion: flink.apache.org/v1beta1
  kind: FlinkDeployment
  metadata: {name: orders, namespace: shop}
  spec: {image: flink:2}
"""
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(content: str) -> Path:
        path = tmp_path / "manifest.yaml"
        path.write_text(content, encoding="utf-8")
        return path

    return to_file


def test_the_name_picks_one_of_several(write: Write) -> None:
    path = write(SEVERAL)
    assert specs_of_manifest(path, "shared") == {"FlinkDeployment": {"image": "flink:1"}}
    assert specs_of_manifest(path, "default/shared") == {"FlinkDeployment": {"image": "flink:1"}}
    assert specs_of_manifest(path, "pricing/prices") == {"FlinkSessionJob": {"deploymentName": "other"}}


def test_the_kind_picks_between_two_of_one_name(write: Write) -> None:
    specs = specs_of_manifest(write(SEVERAL), "orders")
    assert spec_of_kind(specs, "FlinkDeployment", "orders") == {"image": "flink:2"}
    assert spec_of_kind(specs, "FlinkSessionJob", "orders") == {"deploymentName": "shared"}
    assert set(specs_of_manifest(write(SEVERAL), "other/orders")) == {"FlinkSessionJob"}  # without a namespace: in any
    with pytest.raises(UsageError, match="the manifest has FlinkDeployment shared, the job is a FlinkSessionJob"):
        spec_of_kind(specs_of_manifest(write(SEVERAL), "shared"), "FlinkSessionJob", "shared")


@pytest.mark.parametrize(
    ("content", "job", "words"),
    [
        (SEVERAL, "nobody", "it has: FlinkDeployment shared, FlinkSessionJob orders"),
        (SEVERAL, "shop/prices", "is not about 'shop/prices'"),
        (SEVERAL, None, "which job"),
        ("kind: ConfigMap", "orders", "it has: no resource of the Flink operator"),
        ("kind: FlinkDeployment\nmetadata: {name: orders}", "orders", "has no spec"),
        ("kind: FlinkDeployment\nmetadata: 7", "orders", "it has: FlinkDeployment None"),
        (SEVERAL.replace("name: prices, namespace: pricing", "name: orders"), "orders", "several objects"),
        ("{", "orders", "is no YAML"),
        ("[" * 600, "orders", "is no YAML"),
        ("", "orders", "is not about"),
    ],
)
def test_what_picks_none_or_several_is_one_line(write: Write, content: str, job: str | None, words: str) -> None:
    with pytest.raises(UsageError, match=words) as told:
        specs_of_manifest(write(content), job)
    assert "\n" not in told.value.line()


def test_a_file_that_never_ends_is_cut_off() -> None:
    with pytest.raises(UsageError, match="more than 4 MiB"):
        specs_of_manifest(Path("/dev/zero"), "orders")
    with pytest.raises(UsageError, match="cannot be read"):
        specs_of_manifest(Path("/nowhere/at-all.yaml"), "orders")


def test_aliases_that_would_fill_the_memory_are_refused(write: Write) -> None:
    lines = ["kind: FlinkDeployment", "metadata: {name: orders}", "spec:", "  a0: &a0 [1, 2]"]
    lines += [f"  a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}, *a{n - 1}]" for n in range(1, 30)]
    with pytest.raises(UsageError, match="aliases written out"):
        specs_of_manifest(write("\n".join(lines)), "orders")
