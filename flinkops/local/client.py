"""Flink's own client, `flink run`, with our executors on its class path (flinkops/local/executors)."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from flinkops.errors import OperationFailed
from flinkops.local import flink
from flinkops.local.jars import cache_folder
from flinkops.local.java import SUPPORTED_MAJORS, clean_environment, find_java, major_version
from flinkops.local.javac import compile_jar
from flinkops.local.s3_server import access
from flinkops.local.state import FleetInfo

SOURCES = Path(__file__).with_name("executors")
FOLDER_VARIABLE = "FLINKOPS_EXECUTOR_FOLDER"
REHEARSAL_VARIABLE = "FLINKOPS_REHEARSAL"
"""Set while a program builds its graph to be rehearsed: it should change nothing outside (no DDL, no new topics)."""
GRAPH_VARIABLE = "FLINKOPS_REHEARSAL_GRAPH"
"""The number of the graph that is rehearsed, of those that a program submits; without it the first."""
SAMPLE_VARIABLE = "FLINKOPS_REHEARSAL_SAMPLE"
"""So many bytes of keyed state are restored at most; without it all."""

_CLIENT = "org.apache.flink.client.cli.CliFrontend"
_JVM = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")  # it lives for seconds: compiling its code well costs more


class Client(NamedTuple):
    """How `flink` is called: `command` goes before ``run``. ``version`` is that of its Flink."""

    command: tuple[str, ...]
    environment: dict[str, str]
    version: str


def fleet_client(info: FleetInfo, *, executors: bool = False, heap_mebibytes: int = 512) -> Client:
    """That of the embedded fleet. Raises OperationFailed when the executors cannot be compiled."""
    conf = info.flink_conf_dir
    jvm_options = yaml.safe_load((conf / "config.yaml").read_text())["env.java.opts.all"].split()
    jars = sorted(info.flink_lib_dir.glob("*.jar"))
    if executors:
        jars.append(executor_jar(info.flink_lib_dir))
    command = (
        str(find_java()),
        f"-Xmx{heap_mebibytes}m",
        *_JVM,
        *jvm_options,
        f"-Dlog.file={Path(info.home) / 'logs' / 'client.log'}",
        f"-Dlog4j.configurationFile={(conf / 'log4j-cli.properties').as_uri()}",
        "-cp",
        ":".join(map(str, jars)),
        _CLIENT,
    )
    distribution = flink.distribution()
    environment = dict(clean_environment()) | {
        "FLINK_HOME": str(distribution),
        "FLINK_CONF_DIR": str(info.flink_conf_dir),
        "FLINK_LIB_DIR": str(info.flink_lib_dir),
        "FLINK_OPT_DIR": str(distribution / "opt"),
        "FLINK_PLUGINS_DIR": str(Path(info.home) / "flink" / "plugins"),
        "FLINK_LOG_DIR": str(Path(info.home) / "logs"),
        **job_environment(info),
    }
    return Client(command, environment, flink.version())


def job_environment(info: FleetInfo) -> dict[str, str]:
    """What the jobs' own programs take from their environment: on S3 the log-in, and the catalog of the warehouse."""
    if not info.s3:
        return {}
    catalog = info.catalog_uri.replace("sqlite:///", "jdbc:sqlite:", 1)
    return {**access(Path(info.home)).environment, "ICEBERG_CATALOG": catalog}


def installed_home(named: str | None = None) -> Path:
    """The Flink distribution on this machine: as named, FLINK_HOME, `flink` on PATH, or the one of the extra `local`.

    Raises OperationFailed when there is none.
    """
    if home := named or os.environ.get("FLINK_HOME"):
        return Path(home).absolute()
    if found := shutil.which("flink"):
        return Path(found).resolve().parent.parent
    try:
        return flink.distribution()
    except OperationFailed:
        raise OperationFailed(
            "no Flink distribution is on this machine",
            next_step="set FLINK_HOME, give --flink-home DIR, or pip install 'flinkops[local]'",
        ) from None


def installed_client(home: Path, *, executors: bool = False, heap_mebibytes: int = 512) -> Client:
    """That of a distribution, by its own script. Raises OperationFailed when it is none."""
    script, libraries = home / "bin" / "flink", home / "lib"
    dist = sorted(libraries.glob("flink-dist*.jar"))
    if not script.is_file() or not dist:
        raise OperationFailed(f"{home} is no Flink distribution: it has no bin/flink and lib/flink-dist-*.jar")
    environment = dict(os.environ) | {"FLINK_HOME": str(home), "JVM_ARGS": f"-Xmx{heap_mebibytes}m {' '.join(_JVM)}"}
    if not environment.get("JAVA_HOME"):
        environment["JAVA_HOME"] = str(find_java().parent.parent)
    if executors:  # what the script puts on the class path beside its lib folder
        java = Path(environment["JAVA_HOME"]) / "bin" / "java"
        if major_version(java) not in SUPPORTED_MAJORS:  # it could not load them, and would not submit at all
            raise OperationFailed(f"{java} is not Java 17 or 21", next_step="set JAVA_HOME to one that is")
        given = environment.get("HADOOP_CLASSPATH", "")
        environment["HADOOP_CLASSPATH"] = ":".join(filter(None, [given, str(executor_jar(libraries))]))
    return Client(("bash", str(script)), environment, dist[0].stem.rpartition("-")[2])


def python_options(home: Path | None = None) -> tuple[str, ...]:
    """For `flink run -py`: this Python, when the distribution is the one that it brings."""
    if home is not None and not home.is_relative_to(Path(sys.prefix)):
        return ()
    return ("-pyclientexec", sys.executable, "-pyexec", sys.executable)


def executor_jar(libraries: Path) -> Path:
    """Our executors, compiled against the Flink of this folder; kept in the cache. One jar fits 1.20 and 2.x.

    Raises OperationFailed when the compiler cannot be had.
    """
    dist: Sequence[Path] = sorted(libraries.glob("flink-dist*.jar"))
    if not dist:
        raise OperationFailed(f"{libraries} holds no flink-dist jar")
    return compile_jar(SOURCES, cache_folder() / f"flinkops-executors-{dist[0].stem}.jar", dist)
