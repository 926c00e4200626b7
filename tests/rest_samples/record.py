"""Records what a real Flink cluster answers, for tests/fake_flink.py and bench/poller.py.

    python tests/rest_samples/record.py http://127.0.0.1:8081 tests/rest_samples/flink-2.3-NAME.json [JOB_NAME…]

Everything the poller and the detail screens ask is asked; metrics are kept with all their names and values, so that
the fake can answer any ``get=`` as Flink does. Paths of the machine and long texts are taken out.
"""

import json
import re
import sys
import time
from typing import Any
from urllib.parse import quote

import requests

KEPT_KAFKA_CLIENT_METRICS = ("records-lag-max", "records-consumed-rate")
LONGEST_TEXT = 1200
CHUNK = 25


def main(url: str, out: str, job_names: list[str]) -> None:
    record = Recorder(url.rstrip("/"))
    listed = record.get("/jobs/overview")["jobs"]
    jobs = [job for job in listed if job["state"] != "CANCELED" and (not job_names or job["name"] in job_names)]
    record.answers["/jobs/overview"] = {"jobs": jobs}
    record.get("/jobs")  # makes Flink collect metrics
    time.sleep(11)
    for job in jobs:
        record.job(job["jid"], running=job["state"] == "RUNNING")
    overview = record.get("/overview")
    record.get("/jobmanager/config")
    for manager in record.get("/taskmanagers")["taskmanagers"]:
        record.values(f"/taskmanagers/{manager['id']}")
        record.get(f"/taskmanagers/{manager['id']}/logs")
    content = {
        "flink": overview["flink-version"],
        "answers": record.answers,
        "aggregates": record.aggregates,
        "values": record.single_values,
    }
    with open(out, "w", encoding="utf-8") as file:
        json.dump(scrubbed(content), file, indent=0, sort_keys=True)
        file.write("\n")
    sys.stdout.write(f"{out}: Flink {overview['flink-version']}, {len(jobs)} jobs, {len(record.answers)} answers\n")


class Recorder:
    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: dict[str, Any] = {}
        self.aggregates: dict[str, dict[str, Any]] = {}
        self.single_values: dict[str, dict[str, str]] = {}
        self._session = requests.Session()

    def get(self, path: str) -> Any:
        response = self._session.get(self.url + path, timeout=20)
        answer = response.json()
        if response.status_code == 200:
            self.answers[path] = answer
        else:
            first_lines = [text.splitlines()[0] for text in answer["errors"] if text]
            self.answers[path] = {"status": response.status_code, "errors": first_lines}
        return answer

    def job(self, jid: str, *, running: bool) -> None:
        path = f"/jobs/{jid}"
        job = self.get(path)
        for end in ("config", "plan", "exceptions", "checkpoints/config", "resource-requirements"):
            self.get(f"{path}/{end}")
        for end in ("overview", "history", "summary", "config"):
            self.get(f"{path}/rescales/{end}")
        history = self.get(f"{path}/checkpoints").get("history", [])
        self.values(path)
        over = [each for each in history if each["status"] != "IN_PROGRESS"]
        details = self.get(f"{path}/checkpoints/details/{over[0]['id']}") if over else {"tasks": {}}
        for vertex in details["tasks"]:
            self.get(f"{path}/checkpoints/details/{details['id']}/subtasks/{vertex}")
        for vertex in job["vertices"] if running else ():
            self.vertex(f"{path}/vertices/{vertex['id']}")

    def vertex(self, path: str) -> None:
        for end in ("", "/backpressure", "/watermarks", "/flamegraph?type=on_cpu"):
            self.get(path + end)
        names = [each["id"] for each in self._session.get(f"{self.url}{path}/subtasks/metrics", timeout=20).json()]
        self.aggregates[path] = {}
        for name in filter(kept, names):
            answer = self._session.get(f"{self.url}{path}/subtasks/metrics?get={quote(name)}", timeout=20).json()
            self.aggregates[path].update({each["id"]: each for each in answer})
        self.values(path, only=("Watermark",))

    def values(self, path: str, only: tuple[str, ...] = ()) -> None:
        """The metrics of an endpoint that does not aggregate."""
        names = [each["id"] for each in self._session.get(f"{self.url}{path}/metrics", timeout=20).json()]
        names = [name for name in names if kept(name) and (not only or name.endswith(only))]
        self.single_values[path] = {}
        for start in range(0, len(names), CHUNK):
            query = ",".join(map(quote, names[start : start + CHUNK]))
            answer = self._session.get(f"{self.url}{path}/metrics?get={query}", timeout=20).json()
            self.single_values[path].update({each["id"]: each["value"] for each in answer})


def kept(name: str) -> bool:
    """Not the hundreds of metrics that nobody here asks for."""
    if ".KafkaConsumer." in name or ".KafkaProducer." in name:
        return name.endswith(KEPT_KAFKA_CLIENT_METRICS)
    if name.startswith(("latency.", "mailboxLatencyMs")):
        return name.endswith(("_median", "_p99"))
    return "Shuffle.Netty" not in name


def scrubbed(value: Any) -> Any:
    """No folder, no user and no JVM option of the machine it was recorded on."""
    if isinstance(value, dict):
        return {scrubbed_text(key): scrubbed(each) for key, each in value.items()}
    if isinstance(value, list):
        return [
            scrubbed(each)
            for each in value
            if not (isinstance(each, dict) and str(each.get("key", "")).startswith(("env.", "python.", "web.tmpdir")))
        ]
    return scrubbed_text(value) if isinstance(value, str) else value


def scrubbed_text(text: str) -> str:
    text = re.sub(r"(file:/+)(?:tmp|work|root|home|var)/[\w.-]+", r"\1data", text)
    text = re.sub(r"(?<![\w:/])/(?:tmp|work|root|home|var|usr|opt)/[\w./-]*", "/data/flink", text)
    return re.sub(r"tmp_tm_[\w.-]*?_job_", "job_", text)[:LONGEST_TEXT]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
