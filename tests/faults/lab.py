"""An embedded cluster for the lab: one TaskManager with many slots, and its job submitted over REST."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
import yaml

from flinkops.errors import OperationFailed
from flinkops.local import flink
from flinkops.local.java import find_java
from flinkops.local.javac import compile_jar
from flinkops.local.ports import HOST, free_ports
from flinkops.local.probe import get_json
from flinkops.local.processes import terminate
from tests.faults.cases import Job

SLOTS = 40
_JAVA = Path(__file__).parent / "java"
_ENTRY = "flinkops.faults.LabJob"
_START_SECONDS = 120.0
_ANSWER_SECONDS = 60.0
_SETTINGS = {
    "taskmanager.numberOfTaskSlots": SLOTS,
    "taskmanager.cpu.cores": float(SLOTS),
    "execution.checkpointing.interval": "5 s",
    "state.backend.type": "rocksdb",
    "web.cancelation-timeout": 0,
}


class Lab:
    """A running cluster: submits and cancels jobs."""

    def __init__(self, home: Path, url: str) -> None:
        self.home = home
        self.url = url
        self._jar_id = ""

    def submit(self, job: Job) -> str:
        """Start one job and return its id, whatever becomes of it. Raises OperationFailed with Flink's words."""
        if not self._jar_id:
            self._jar_id = self._upload()
        arguments = [part for name, value in job.options.items() for part in (f"--{name}", value)]
        body = {
            "entryClass": _ENTRY,
            "programArgsList": [*arguments, "--name", job.name],
            "parallelism": job.parallelism,
            "flinkConfiguration": job.configuration,
        }
        answer = requests.post(f"{self.url}/jars/{self._jar_id}/run", json=body, timeout=_ANSWER_SECONDS)
        if answer.status_code != requests.codes.ok:
            raise OperationFailed(f"{job.name} was not submitted: {answer.text[:2000]}")
        return str(answer.json()["jobid"])

    def cancel(self, job_id: str) -> None:
        """Ask for the job's end; one that has ended is fine."""
        requests.patch(f"{self.url}/jobs/{job_id}?mode=cancel", timeout=_ANSWER_SECONDS)

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
        metric = "Status.JVM.GarbageCollector.All.TimeMsPerSecond"
        managers = (get_json(self.url, "/taskmanagers") or {}).get("taskmanagers", ())
        values: list[float] = []
        for manager in managers:
            answer = requests.get(f"{self.url}/taskmanagers/{manager['id']}/metrics?get={metric}", timeout=10).json()
            values += [float(each["value"]) / 1000 for each in answer]
        return max(values, default=None)

    def _upload(self) -> str:
        libraries = sorted((self.home / "flink" / "lib").glob("*.jar"))
        jar = compile_jar(_JAVA, self.home / "lab.jar", libraries)
        with jar.open("rb") as content:
            files = {"jarfile": (jar.name, content, "application/java-archive")}
            answer = requests.post(f"{self.url}/jars/upload", files=files, timeout=_ANSWER_SECONDS)
        answer.raise_for_status()
        return str(answer.json()["filename"]).rpartition("/")[2]


@contextmanager
def running(home: Path) -> Iterator[Lab]:
    """A cluster in `home` (made anew) that ends with the block."""
    shutil.rmtree(home, ignore_errors=True)
    rest_port, rpc_port = free_ports(2)
    (home / "logs").mkdir(parents=True)
    flink.write_config(home, rest_port, rpc_port)
    config = home / "flink" / "conf" / "config.yaml"
    config.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | _SETTINGS, width=100_000))
    java = find_java()
    processes = [flink.start_jobmanager(home, java)]
    try:
        processes.append(flink.start_taskmanager(home, java, f"{flink.TASKMANAGER_PREFIX}1"))
        url = f"http://{HOST}:{rest_port}"
        _await_slots(url)
        yield Lab(home, url)
    finally:
        terminate(processes)


def _await_slots(url: str) -> None:
    ends = time.monotonic() + _START_SECONDS
    while not (get_json(url, "/overview") or {}).get("slots-total"):
        if time.monotonic() > ends:
            raise OperationFailed(f"no TaskManager after {_START_SECONDS:.0f} s")
        time.sleep(0.2)
