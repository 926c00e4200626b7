"""One JVM that compiles, rehearses and submits one program after the other (bench/agreement/server, Java)."""

import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import yaml

from flinkops.errors import OperationFailed, TimedOut
from flinkops.local.client import executor_jar
from flinkops.local.jars import ensure
from flinkops.local.java import clean_environment, find_java
from flinkops.local.javac import compile_jar

TARGET = "flinkops-agreement"
_SOURCES = Path(__file__).with_name("server")
_PATIENCE_SECONDS = 900.0
_POLL_SECONDS = 0.02


class Server:
    """One request at a time. TimedOut, where the server gives no answer, says nothing of the program."""

    def __init__(self, home: Path, distribution: Path) -> None:
        libraries = sorted((distribution / "lib").glob("*.jar"))
        compiler = ensure(["compiler"])
        ours = executor_jar(distribution / "lib")
        jar = compile_jar(_SOURCES, home / "server.jar", [*libraries, ours, *compiler])
        settings = yaml.safe_load((distribution / "conf" / "config.yaml").read_text())
        self._log = (home / "server.log").open("wb")
        self._home = home
        self._busy = threading.Lock()
        self._process = subprocess.Popen(
            [
                str(find_java()),
                *("-Xmx1536m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
                *settings["env"]["java"]["opts"]["all"].split(),
                f"-Dlog4j.configurationFile={(distribution / 'conf' / 'log4j-cli.properties').as_uri()}",
                f"-Dlog.file={home / 'server-flink.log'}",
                *("-cp", ":".join(map(str, [*libraries, ours, *compiler, jar])), "flinkops.rehearsal.Server"),
            ],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=clean_environment() | {"FLINK_CONF_DIR": str(distribution / "conf")},
        )

    def compile(self, sources: Path, jar: Path, classpath: Sequence[Path]) -> None:
        """Raises OperationFailed with what the compiler says."""
        with self._asked("compile", str(sources), str(jar), ":".join(map(str, classpath))):
            pass

    def rehearse(self, against: str, options: Sequence[str]) -> bytes:
        """What was seen, as JSON. Raises OperationFailed where the program came to no graph."""
        with self._asked("rehearse", against, "-d", "-t", TARGET, *options) as folder:
            return (folder / "verdict.json").read_bytes()

    def submit(self, options: Sequence[str]) -> None:
        """Raises OperationFailed."""
        with self._asked("submit", *options):
            pass

    def close(self) -> None:
        """It ends with its standard input."""
        assert self._process.stdin is not None
        with suppress(OSError):  # it has ended already
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    @contextmanager
    def _asked(self, what: str, *words: str) -> Iterator[Path]:
        folder = Path(tempfile.mkdtemp(prefix="asked-", dir=self._home))
        try:
            with self._busy:
                self._await("\t".join([what, str(folder), *words]), folder / "done")
            if failure := (folder / "done").read_text():
                raise OperationFailed(failure)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _await(self, line: str, done: Path) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()
        ends = time.monotonic() + _PATIENCE_SECONDS
        while not done.exists():
            if self._process.poll() is not None:
                raise TimedOut("the server has ended")
            if time.monotonic() > ends:
                raise TimedOut(f"no answer within {_PATIENCE_SECONDS:.0f} s")
            time.sleep(_POLL_SECONDS)
