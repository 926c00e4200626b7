"""How Flink's client is called, and what makes it impossible, without one."""

from pathlib import Path

import pytest

from flinkops.errors import OperationFailed
from flinkops.local import client
from flinkops.local.client import installed_client, installed_home


def distribution(folder: Path, version: str = "1.20.5") -> Path:
    """The files by which a Flink distribution is known."""
    for name in ("bin/flink", f"lib/flink-dist-{version}.jar"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def java(home: Path, major: int) -> Path:
    """A JAVA_HOME that says that it is this one."""
    (home / "bin").mkdir(parents=True)
    script = home / "bin" / "java"
    script.write_text(f"#!/bin/sh\necho 'openjdk version \"{major}.0.1\"' >&2\n")
    script.chmod(0o755)
    return home


@pytest.fixture(autouse=True)
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    jar = tmp_path / "executors.jar"
    monkeypatch.setattr(client, "executor_jar", lambda _libraries: jar)
    return jar


def test_the_executors_go_on_the_class_path_of_the_script(
    tmp_path: Path, compiled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java(tmp_path / "jdk", 17)))
    monkeypatch.setenv("HADOOP_CLASSPATH", "/hadoop/*")
    home = distribution(tmp_path / "flink")
    made = installed_client(home, executors=True, heap_mebibytes=700)
    assert made.command == ("bash", str(home / "bin" / "flink"))
    assert made.version == "1.20.5"
    assert made.environment["HADOOP_CLASSPATH"] == f"/hadoop/*:{compiled}"
    assert made.environment["FLINK_HOME"] == str(home)
    assert "-Xmx700m" in made.environment["JVM_ARGS"]
    assert installed_client(home).environment["HADOOP_CLASSPATH"] == "/hadoop/*"


def test_a_java_that_cannot_load_them_is_found_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java(tmp_path / "jdk", 11)))
    home = distribution(tmp_path / "flink")
    with pytest.raises(OperationFailed, match="is not Java 17 or 21"):
        installed_client(home, executors=True)
    assert installed_client(home).version == "1.20.5", "a plain submission may run on it"


def test_what_is_no_distribution_is_said(tmp_path: Path) -> None:
    with pytest.raises(OperationFailed, match="is no Flink distribution"):
        installed_client(tmp_path)


def test_the_named_home_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLINK_HOME", str(tmp_path / "of the environment"))
    assert installed_home(str(tmp_path / "named")) == tmp_path / "named"
    assert installed_home() == tmp_path / "of the environment"
