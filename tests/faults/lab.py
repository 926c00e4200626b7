"""An embedded cluster for the lab: one TaskManager with many slots, a broker, and the job submitted over REST."""

import fcntl
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import requests
import yaml

from flinkops.errors import OperationFailed, Refused, TimedOut
from flinkops.local import flink, kafka
from flinkops.local.java import clean_environment, find_java
from flinkops.local.javac import compile_jar
from flinkops.local.ports import HOST, free_ports
from flinkops.local.probe import get_json
from flinkops.local.processes import Process, terminate
from flinkops.model.states import ENDED
from tests.faults.cases import Job, SecondTaskManager
from tests.faults.faulty_storage import storage
from tests.faults.surroundings import cut, wrong_clock

SLOTS = 40
CLOCK_AHEAD_SECONDS = 600
_PASSWORD = "right"  # of the user "lab" of a broker that is gone after the run
_JAVA = Path(__file__).parent / "java"
_REPOSITORY = Path(__file__).parents[2]
_ENTRY = "flinkops.faults.LabJob"
_GC_METRIC = "Status.JVM.GarbageCollector.All.TimeMsPerSecond"
_PATIENCE_SECONDS = 600.0
_ANSWER_SECONDS = 60.0
_OVERRIDDEN = "5e6bd608d5ffdad1143541e091b5d111"
"""Flink's id of the vertex with the uid "kept"; no job but that of override-drift has one."""
_SETTINGS = {
    "taskmanager.numberOfTaskSlots": SLOTS,
    "taskmanager.cpu.cores": float(SLOTS),
    "execution.checkpointing.interval": "5 s",
    "state.backend.type": "rocksdb",
    "web.cancelation-timeout": 0,
    "taskmanager.load-balance.mode": "SLOTS",
    "pipeline.jobvertex-parallelism-overrides": f"{_OVERRIDDEN}:3",
}


class Lab:
    """A running cluster: submits and cancels jobs."""

    def __init__(self, home: Path, url: str, bootstrap: str, processes: list[Process]) -> None:
        self.home = home
        self.url = url
        self.bootstrap = bootstrap
        self.login_bootstrap = ""
        """Where the broker asks for a user and a password; empty where it does not."""
        self._processes = processes
        self._taskmanagers = 0
        self._data_ports: list[int] = []
        self._jar_id = ""

    def ensure_taskmanager(self) -> None:
        """Start one when none is known: the one before may have died of a fault, or of a machine that is too busy."""
        if self._slots() == 0:
            self._replace_taskmanagers()
        _await("TaskManager", self._has_taskmanager)

    def _has_taskmanager(self) -> bool:
        """One that ended meanwhile is started anew: another process may have taken its port before it did."""
        if self._slots() > 0:
            return True
        if not any(each.alive for each in self._processes if flink.is_taskmanager(each.role)):
            self._replace_taskmanagers()
        return False

    def _replace_taskmanagers(self) -> None:
        terminate(each for each in self._processes if flink.is_taskmanager(each.role))
        self._data_ports.clear()
        self._start_taskmanager({})

    @contextmanager
    def second_taskmanager(self, kind: SecondTaskManager) -> Iterator[None]:
        """One more until the end of the block; the job of it has its subtasks on both."""
        self._start_taskmanager(wrong_clock(CLOCK_AHEAD_SECONDS) if kind == "clock-ahead" else {})
        started = self._processes[-1]
        try:
            _await("second TaskManager", lambda: self._slots() > SLOTS)
            yield
        finally:
            terminate([started])
            self._processes.remove(started)
            del self._data_ports[-1]

    def network_cut(self) -> AbstractContextManager[None]:
        """No data passes between TaskManagers until the end of the block; they still reach the JobManager."""
        return cut(self._data_ports)

    def _start_taskmanager(self, environment: Mapping[str, str]) -> None:
        self._taskmanagers += 1
        role = f"{flink.TASKMANAGER_PREFIX}{self._taskmanagers}"
        (port,) = free_ports(1)
        settings = {"taskmanager.data.port": str(port)}
        self._processes.append(
            flink.start_taskmanager(self.home, find_java(), role, settings=settings, environment=environment)
        )
        self._data_ports.append(port)

    def _slots(self) -> int:
        return int((get_json(self.url, "/overview") or {}).get("slots-total", 0))

    def submit(self, job: Job) -> str:
        """Start one job and return its id, whatever becomes of it. Raises OperationFailed with Flink's words."""
        if job.options.get("mode") == "python":
            return self._submit_python(job)
        if not self._jar_id:
            self._jar_id = self.upload(self._compiled())
        bootstrap = self.login_bootstrap if "password" in job.options else self.bootstrap
        options = {"topic": job.name, **job.options, "name": job.name, "bootstrap": bootstrap}
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        body = {
            "entryClass": _ENTRY,
            "programArgsList": arguments,
            "parallelism": job.parallelism,
            "flinkConfiguration": job.configuration,
        }
        return self.run_jar(job.name, self._jar_id, body)

    def run_jar(self, name: str, jar_id: str, body: dict[str, object]) -> str:
        """Run a class of an uploaded jar; its job's id. Raises OperationFailed with Flink's words."""
        answer = requests.post(f"{self.url}/jars/{jar_id}/run", json=body, timeout=_ANSWER_SECONDS)
        if answer.status_code != requests.codes.ok:
            raise OperationFailed(f"{name} was not submitted: {answer.text[:2000]}")
        return str(answer.json()["jobid"])

    def client_environment(self) -> dict[str, str]:
        """For a PyFlink program that submits to this cluster."""
        return clean_environment() | {
            "FLINK_CONF_DIR": str(self.home / "flink" / "conf"),
            "FLINK_LIB_DIR": str(self.home / "flink" / "lib"),
            "FLINK_LOG_DIR": str(self.home / "logs"),
            "JAVA_HOME": str(find_java().parent.parent),
            "PYTHONPATH": str(_REPOSITORY),
        }

    def _submit_python(self, job: Job) -> str:
        # else the function would run in the client, which ends with the submission
        environment = self.client_environment() | {"_python_worker_execution_mode": "process"}
        options = [f"{name}={value}" for name, value in job.options.items()]
        command = [sys.executable, "-m", "tests.faults.python_job", self.url, job.name, str(job.parallelism), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=_REPOSITORY)
        if done.returncode != 0:
            raise OperationFailed(f"{job.name} was not submitted: {done.stderr[-2000:]}")
        return done.stdout.split()[-1]

    def cancel(self, job_id: str) -> None:
        """End the job and wait for that; one that has ended is fine. Raises TimedOut."""
        requests.patch(f"{self.url}/jobs/{job_id}?mode=cancel", timeout=_ANSWER_SECONDS)
        state = f"/jobs/{job_id}"
        _await(f"end of job {job_id}", lambda: (get_json(self.url, state) or {}).get("state") in ENDED)

    def trigger_savepoint(self, job_id: str) -> None:
        """Ask for a savepoint; not waited for."""
        body = {"cancel-job": False}
        requests.post(f"{self.url}/jobs/{job_id}/savepoints", json=body, timeout=_ANSWER_SECONDS).raise_for_status()

    def rescale(self, job_id: str, parallelism: int) -> None:
        """Ask for another parallelism of all vertices, in place."""
        url = f"{self.url}/jobs/{job_id}/resource-requirements"
        wanted = requests.get(url, timeout=_ANSWER_SECONDS).json()
        for each in wanted.values():
            each["parallelism"]["upperBound"] = parallelism
        requests.put(url, json=wanted, timeout=_ANSWER_SECONDS).raise_for_status()

    def gc_ratio(self) -> float | None:
        """The share of its time that the worst TaskManager spends in garbage collection, as Flink tells."""
        managers = (get_json(self.url, "/taskmanagers") or {}).get("taskmanagers", ())
        answers = [get_metric(self.url, f"/taskmanagers/{each['id']}", _GC_METRIC) for each in managers]
        return max((value / 1000 for value in answers if value is not None), default=None)

    def _compiled(self) -> Path:
        libraries = sorted((self.home / "flink" / "lib").glob("*.jar"))
        return compile_jar(_JAVA, self.home / "lab.jar", libraries)

    def upload(self, jar: Path) -> str:
        """Flink's id of the jar."""
        with jar.open("rb") as content:
            files = {"jarfile": (jar.name, content, "application/java-archive")}
            answer = requests.post(f"{self.url}/jars/upload", files=files, timeout=_ANSWER_SECONDS)
        answer.raise_for_status()
        return str(answer.json()["filename"]).rpartition("/")[2]


def get_metric(url: str, path: str, metric: str) -> float | None:
    """One metric's value; None while it is not known, or nobody answers."""
    try:
        answer = requests.get(f"{url}{path}/metrics?get={metric}", timeout=_ANSWER_SECONDS).json()
        return float(answer[0]["value"])
    except (requests.RequestException, ValueError, KeyError, IndexError):
        return None


@contextmanager
def running(home: Path, settings: Mapping[str, object] | None = None, *, on_s3: bool = False) -> Iterator[Lab]:
    """A Flink cluster and a Kafka broker in `home` (made anew) that end with the block; `settings` go over the lab's.

    `on_s3`: with an S3 server too, for the jobs whose checkpoints are to be there, behind a proxy that makes it ill.
    Raises Refused while another run has it.
    """
    with _alone(home), ExitStack() as stack:
        shutil.rmtree(home, ignore_errors=True)
        store = stack.enter_context(storage(home)).endpoint if on_s3 else ""
        yield from _running(home, store, settings or {})


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    home.parent.mkdir(parents=True, exist_ok=True)
    with home.with_name(f"{home.name}.lock").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Refused(f"another run of the lab is in {home}") from None
        yield


def _running(home: Path, store: str, settings: Mapping[str, object]) -> Iterator[Lab]:
    rest, rpc, broker, controller, login = free_ports(5)
    (home / "logs").mkdir(parents=True, exist_ok=True)
    flink.write_config(home, rest, rpc, s3=store)
    config = home / "flink" / "conf" / "config.yaml"
    ours = _SETTINGS | (_local_folders(home) if store else {}) | dict(settings)
    config.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | ours, width=100_000))
    kafka.write_config(home, broker, controller)
    _ask_for_login(home, broker, controller, login)
    java = find_java()
    kafka.format_storage(home, java)
    processes: list[Process] = []
    try:
        processes.append(kafka.start(home, java))
        processes.append(flink.start_jobmanager(home, java))
        lab = Lab(home, f"http://{HOST}:{rest}", f"{HOST}:{broker}", processes)
        lab.login_bootstrap = f"{HOST}:{login}"
        lab.ensure_taskmanager()
        _await("Kafka broker", lambda: kafka.answers(lab.bootstrap, timeout_seconds=1.0))
        yield lab
    finally:
        terminate(processes)


def _ask_for_login(home: Path, broker: int, controller: int, login: int) -> None:
    """One more port of the broker, which wants a user and a password."""
    lines = [
        f"listeners=PLAINTEXT://{HOST}:{broker},CONTROLLER://{HOST}:{controller},LOGIN://{HOST}:{login}",
        f"advertised.listeners=PLAINTEXT://{HOST}:{broker},LOGIN://{HOST}:{login}",
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LOGIN:SASL_PLAINTEXT",
        "sasl.enabled.mechanisms=PLAIN",
        "listener.name.login.plain.sasl.jaas.config="
        f'org.apache.kafka.common.security.plain.PlainLoginModule required user_lab="{_PASSWORD}";',
    ]
    with (home / "kafka" / "server.properties").open("a") as file:
        file.write("".join(f"{each}\n" for each in lines))


def _local_folders(home: Path) -> dict[str, str]:
    """Of the jobs that do not name others: the fault is not theirs."""
    return {
        "execution.checkpointing.dir": (home / "checkpoints").as_uri(),
        "execution.checkpointing.savepoint-dir": (home / "savepoints").as_uri(),
    }


def _await(what: str, holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > ends:
            raise TimedOut(f"no {what} after {_PATIENCE_SECONDS:.0f} s")
        time.sleep(0.2)
