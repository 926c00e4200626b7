"""Starts the jobs of a foreign fleet on the lab's cluster."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
import requests

from flinkops.errors import FlinkopsError, OperationFailed
from flinkops.local import feeder, flink, job, kafka
from flinkops.local.client import fleet_client, python_options
from flinkops.local.jars import Jar, cache_folder, ensure_jars
from flinkops.local.processes import terminate
from flinkops.local.state import FleetInfo
from tests.faults.cases import Job
from tests.faults.foreign.fleets import Fleet, ForeignJob
from tests.faults.lab import Lab

EXAMPLES = Jar(
    "org.apache.flink:flink-examples-streaming:2.3.0",
    163583,
    "6bab7c5329ae2996eca7ce652efd390e12c8075db4fdb104e0c437bcb5ce7d75",
)
_PACKAGE = "org.apache.flink.streaming.examples"
_WORDS = "it was the best of times it was the worst of times\n"
_SUBMIT_SECONDS = 300.0
_REPOSITORY = Path(__file__).parents[3]
_PRICE_TOPICS = {"prices-in": kafka.INPUT_TOPIC, "prices-alerts": kafka.ALERTS_TOPIC}
_SCRAPES_PER_SECOND = 20.0

CLIENT_SETTINGS = {"execution.checkpointing.interval": "5 s"}
"""What the cluster's configuration says in vain of jobs that a client plans: it stands in the job's graph."""

Report = Callable[[str], None]


class Submitter:
    """Knows the ways in which jobs come to a cluster."""

    def __init__(self, lab: Lab, fleet: Fleet, parallelism: int, report: Report) -> None:
        self._lab = lab
        self._fleet = fleet
        self._parallelism = parallelism
        self._report = report
        self._folder = lab.home / "foreign"
        self._jar_id = ""

    def submit(self, names: list[str]) -> dict[str, str]:
        """Job id by name; what Flink refuses is reported and left out."""
        self._prepare()
        chosen = {name: self._fleet.jobs[name] for name in names}
        submitted = self._queries({name: each for name, each in chosen.items() if each.sql is not None})
        for name, each in chosen.items():
            if each.sql is None:
                try:
                    submitted[name] = self._one(name, each)
                except (FlinkopsError, requests.RequestException, subprocess.SubprocessError) as problem:
                    self._report(f"{name} was not submitted: {problem}")
        return submitted

    def _prepare(self) -> None:
        for name, text in (("words/one.txt", _WORDS * 40), ("side/side.csv", "0,apple\n1,google\n2,facebook\n")):
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        kafka.create_topics(self._lab.bootstrap)
        for name, like in (*_PRICE_TOPICS.items(), ("latest", "price-alert-subscriptions")):
            kafka.create_topic(self._lab.bootstrap, name, like=like)

    def _filled(self, text: str) -> str:
        return text.replace("%(folder)s", str(self._folder)).replace("%(bootstrap)s", self._lab.bootstrap)

    def _queries(self, jobs: Mapping[str, ForeignJob]) -> dict[str, str]:
        if not jobs:
            return {}
        lines = [msgspec.json.encode(self._query(name, each)).decode() for name, each in jobs.items()]
        command = [sys.executable, "-m", "tests.faults.foreign.sql_client", self._lab.url, str(self._parallelism)]
        environment = self._lab.client_environment()
        done = subprocess.run(
            command,
            input="\n".join(lines) + "\n",
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            cwd=_REPOSITORY,
        )
        told = dict(line.split(" ", 1) for line in done.stdout.splitlines() if line.split(" ", 1)[0] in jobs)
        for name in jobs:
            if not re.fullmatch("[0-9a-f]{32}", told.get(name, "")):
                self._report(f"{name} was not submitted: {told.pop(name, done.stderr[-1500:])}")
        return told

    def _query(self, name: str, each: ForeignJob) -> dict[str, object]:
        statements = [part.strip() for part in self._fleet.tables.split(";") if part.strip()]
        sink = [self._filled(each.sink)] if each.sink else []
        into = each.into or ("out_q10" if each.sink and "out_q10" in each.sink else None)
        return {
            "name": name,
            "statements": [*statements, *sink],
            "sql": each.sql,
            "into": into,
            "batch": each.batch,
            "configuration": CLIENT_SETTINGS | self._connectors(sink) | each.configuration,
        }

    def _connectors(self, statements: list[str]) -> dict[str, str]:
        """PyFlink's client does not look into the cluster's own folder for what plans a table of Kafka."""
        if not any("kafka" in each for each in statements):
            return {}
        jars = sorted((self._lab.home / "flink" / "lib").glob("*kafka*.jar"))
        return {
            "pipeline.jars": ";".join(each.resolve().as_uri() for each in jars),
            "classloader.resolve-order": "parent-first",  # the cluster has the same classes
        }

    def _one(self, name: str, each: ForeignJob) -> str:
        if each.entry is not None:
            return self._example(name, each)
        if each.python is not None:
            return self._python(name, each)
        if each.price is not None:
            return job.start(self._info(), [*each.price, "--name", name])
        options = {key: str(value) for key, value in (each.lab or {}).items()}
        return self._lab.submit(Job(name, options, each.configuration, self._parallelism))

    def _example(self, name: str, each: ForeignJob) -> str:
        if not self._jar_id:
            self._jar_id = self._lab.upload(ensure_jars([EXAMPLES], cache_folder())[0])
        body = {
            "entryClass": f"{_PACKAGE}.{each.entry}",
            "programArgsList": [self._filled(part) for part in each.arguments],
            "parallelism": self._parallelism,
            "flinkConfiguration": {"pipeline.name": name, **each.configuration},
        }
        return self._lab.run_jar(name, self._jar_id, body)

    def _python(self, name: str, each: ForeignJob) -> str:
        client = fleet_client(self._info())
        script = flink.distribution() / "examples" / (each.python or "")
        options = ["-d", f"-Dpipeline.name={name}", f"-p{self._parallelism}", *python_options(), "-py", str(script)]
        done = subprocess.run(
            [*client.command, "run", *options],
            capture_output=True,
            text=True,
            check=False,
            timeout=_SUBMIT_SECONDS,
            env=client.environment,
        )
        found = re.search(r"JobID ([0-9a-f]{32})", done.stdout)
        if found is None:
            raise OperationFailed(job.client_error(name, done.stdout + "\n" + done.stderr))
        return found[1]

    def _info(self) -> FleetInfo:
        warehouse = self._lab.home / "warehouse"
        warehouse.mkdir(exist_ok=True)
        return FleetInfo(
            home=str(self._lab.home),
            rest_url=self._lab.url,
            kafka_bootstrap=self._lab.bootstrap,
            warehouse=str(warehouse),
            catalog_uri=f"sqlite:///{warehouse}/catalog.db",
            flink_version=flink.version(),
            created_ms=0,
            processes=(),
        )

    @contextmanager
    def feeding(self, names: list[str]) -> Iterator[None]:
        """Scrapes go into the topics that the jobs want fed."""
        topics = [topic for name in names if (topic := self._fleet.jobs[name].feeds) is not None]
        running = []
        try:
            for topic in topics:
                kafka.create_topic(self._lab.bootstrap, topic, like=kafka.INPUT_TOPIC)
                feed = feeder.Feed(bootstrap=self._lab.bootstrap, topic=topic, rate_per_second=_SCRAPES_PER_SECOND)
                running.append(feeder.start(feed, self._lab.home / "logs" / "feeder.log"))
            yield
        finally:
            terminate(running)
