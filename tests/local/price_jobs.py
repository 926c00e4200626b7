"""Runs the job over archives, several in one JVM, on either line of Flink; reads back what it wrote."""

import base64
import glob
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from pyiceberg.catalog.sql import SqlCatalog

from flinkops.local import flink
from flinkops.local.jars import ensure
from flinkops.local.java import clean_environment
from flinkops.local.javac import compile_jar
from flinkops.local.job import java_sources
from flinkops.local.s3_server import S3Access
from tests.local.price_reference import in_order

REPOSITORY = Path(__file__).parents[2]
JOBS = REPOSITORY / "jobs"
_MARKERS = "fs.s3a.directory.marker.retention: keep\n"
"""As the fleet has it: see flinkops/local/flink.py."""


class Line:
    """One line of Flink: its Python, its distribution and the jars that the job needs there."""

    def __init__(self, python: Path, distribution: Path, groups: Sequence[str], s3: str) -> None:
        self.python = python
        self.distribution = distribution
        self.jars = ensure(groups)
        self._s3_group = s3

    def run(
        self,
        folder: Path,
        commands: Sequence[Sequence[str]],
        *,
        job: str = "price_aggregation",
        timeout_seconds: float = 800,
        s3: S3Access | None = None,
    ) -> None:
        """Run a bounded job with each of these options; the folder is for what the run itself needs.

        With `s3`: Flink's plug-in reaches that server.
        """
        folder.mkdir(parents=True, exist_ok=True)
        classes = compile_jar(java_sources(JOBS / job), folder / f"{job}.jar", self._libraries())
        environment = clean_environment() | {
            # PyFlink's own way of putting further jars before the client's JVM.
            "HADOOP_CLASSPATH": ":".join(str(jar) for jar in [classes, *self.jars]),
            "FLINK_CONF_DIR": str(self._configuration(folder, s3)),
            # Short jobs: compiling their code well costs more than it saves.
            "JVM_ARGS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx1g",
            "FLINK_LOG_DIR": str(folder),
        }
        if s3 is not None:
            environment |= {**s3.environment, "FLINK_HOME": str(self._home(folder))}
        script = Path(__file__).with_name("price_runner.py")
        result = subprocess.run(
            [str(self.python), str(script), job],
            input=json.dumps(commands),
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            env=environment,
        )
        assert result.returncode == 0, result.stderr[-12000:]

    def _libraries(self) -> list[Path]:
        return [*sorted((self.distribution / "lib").glob("*.jar")), *self.jars]

    def _home(self, folder: Path) -> Path:
        """FLINK_HOME: the distribution, with the plug-in for S3 too. PyFlink takes plug-ins from nowhere else."""
        home = folder / "home"
        if not home.exists():
            plugins = home / "plugins"
            (plugins / "s3").mkdir(parents=True)
            for shipped in self.distribution.iterdir():
                if shipped.name != plugins.name:
                    (home / shipped.name).symlink_to(shipped)
            for jar in ensure([self._s3_group]):
                (plugins / "s3" / jar.name).symlink_to(jar)
        return home

    def _configuration(self, folder: Path, s3: S3Access | None) -> Path:
        """The distribution's, without a log on the terminal, with the state where production has it."""
        conf = folder / "conf"
        conf.mkdir(exist_ok=True)
        shipped = (self.distribution / "conf" / "config.yaml").read_text()
        storage = f"s3.endpoint: {s3.endpoint}\ns3.path.style.access: true\n{_MARKERS}" if s3 is not None else ""
        (conf / "config.yaml").write_text(f"{shipped}\nstate.backend.type: rocksdb\n{storage}")
        (conf / "log4j-cli.properties").write_bytes((self.distribution / "conf" / "log4j-cli.properties").read_bytes())
        return conf


def flink_2() -> Line:
    return Line(Path(sys.executable), flink.distribution(), [*flink.JAR_GROUPS], "flink-s3")


def flink_1_20() -> Line | None:
    """None where `.venv-flink120` (locks/flink120.txt) is not there."""
    environment = Path(os.environ.get("FLINKOPS_FLINK120_VENV", REPOSITORY / ".venv-flink120"))
    found = glob.glob(str(environment / "lib" / "python3*" / "site-packages" / "pyflink"))
    if not found:
        return None
    return Line(environment / "bin" / "python", Path(found[0]), ["flink-1.20", "connectors"], "flink-s3-1.20")


def read_table(warehouse: Path, name: str) -> pd.DataFrame:
    """A table of the warehouse, in the order in which tables are compared."""
    catalog = SqlCatalog("flinkops", uri=f"sqlite:///{warehouse}/catalog.db", warehouse=f"file://{warehouse}")
    return in_order(catalog.load_table(name).scan().to_pandas())


def read_dead_letters(folder: Path) -> list[tuple[str, bytes]]:
    """(reason, bytes) of each, sorted."""
    return sorted((letter["reason"], base64.b64decode(letter["raw"])) for letter in dead_letter_rows(folder))


def dead_letter_rows(folder: Path) -> list[dict[str, Any]]:
    """Each with all its fields."""
    parts = [path for path in folder.rglob("part-*") if path.is_file()]
    return [json.loads(line) for part in parts for line in part.read_text().splitlines()]
