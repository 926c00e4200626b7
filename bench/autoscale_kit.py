"""The same load on the same job of the Flink operator, scaled by flinkops or by the operator's own autoscaler.

    python -m bench.autoscale_kit FOLDER [flinkops|operator]

On the Kubernetes test kit, as root. The job of bench.autoscale, whose keyed operator waits 20 ms for each record, runs
under the adaptive scheduler; both scale it in place, both with the same windows, target and bounds, each with its own
defaults otherwise. Without a name both run at the same time, a job each, so that both have the same machine: the jobs
wait, they do not compute. Observers, which are neither, poll each second. A line of JSON for each on stdout; charts in
FOLDER.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bench._autoscale_chart import draw
from bench.autoscale import RATE_EACH, TARGET, Phase, judged, schedule, totals, watch
from flinkops.act.operator.control import KubeControl
from flinkops.clock import SystemClock
from flinkops.errors import FlinkopsError
from flinkops.sources.kubernetes.access import open_access
from flinkops.sources.kubernetes.verbs import ResourceRef
from tests.cluster.kit import Cluster, Kit, kit_folder, state_of
from tests.cluster.wait_bound import SLOTS, build_image, manifest

WAYS = ("flinkops", "operator")
STARTS_IN_SECONDS = 60.0
"""From the manifest to the first record: a JobManager and a TaskManager come up meanwhile: 25 to 40 s on two cores."""
PHASES = (
    Phase("start", 40, 35),
    Phase("up", 165, 200),
    Phase("down", 290, 80),
)
SETTINGS = {
    "metrics.window": "1m",
    "stabilization.interval": "10s",
    "target.utilization": str(TARGET),
    "target.utilization.boundary": "0.15",
    "scale-up.grace-period": "40s",  # operator 1.7: no scale-down so soon after a scale-up; later scale-down.interval
    "restart.time": "5s",
    "catch-up.duration": "2m",
    "backlog-processing.lag-threshold": "30s",
    "observed-true-processing-rate.lag-threshold": "5s",
    "vertex.max-parallelism": str(SLOTS),
}


class Observer:
    """Polls at the job by its REST API."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        ref = ResourceRef("FlinkDeployment", "default", name)
        access = open_access(cluster.kubeconfig, None)
        self._control = KubeControl(access, ref, cluster.deployment(name), SystemClock())

    def poll(self) -> tuple[int | None, float | None]:
        """The waiting operator's parallelism while all of it runs, and the source's lag."""
        with suppress(FlinkopsError):
            short = self._control.newest()
            job = self._control.job(short.id) if short else None
            if short is None or job is None:
                return None, None
            wait = next((one for one in job.vertices if one.name.startswith("wait")), None)
            pending = self._control.load(short.id).pending
            return wait.parallelism if wait and wait.status == "RUNNING" else None, pending
        return None, None

    def close(self) -> None:
        """Close the connections."""
        self._control.close()


@contextmanager
def loop(cluster: Cluster, name: str, seconds: float, folder: Path) -> Iterator[Path]:
    """`flinkops autoscale run`, as a user starts it; the file of its words."""
    command = [sys.executable, "-m", "flinkops", "autoscale", "run", name, "--kubeconfig", cluster.kubeconfig, "--yes"]
    command += ["--no-throughput", "--interval", "5s", "-o", "jsonl", "--seconds", str(round(seconds))]
    command += ["--journal", str(folder / "journal")]
    command += [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")]
    words = folder / "decisions.err"
    with (folder / "decisions.jsonl").open("wb") as out, words.open("wb") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    try:
        yield words
    finally:
        process.terminate()
        process.wait(30)


def events(cluster: Cluster, name: str) -> list[str]:
    """What the operator said of the job, oldest first."""
    found = json.loads(cluster.kubectl("get", "events", "-o", "json"))["items"]
    mine = [one for one in found if one["involvedObject"]["name"] == name]
    mine.sort(key=lambda one: str(one.get("lastTimestamp") or one.get("eventTime") or ""))
    return [
        f"{one.get('lastTimestamp')} {one.get('count') or 1}x {one['reason']}: {one.get('message')}" for one in mine
    ]


def started(cluster: Cluster, by: str, begins: float) -> str:
    """The name of the job, STABLE; its load begins at `begins`."""
    name = f"wait-by-{by}"
    own = {f"job.autoscaler.{key}": value for key, value in SETTINGS.items()} | {"job.autoscaler.enabled": "true"}
    cluster.delete_deployment(name)
    cluster.apply(manifest(cluster.kit, name, begins, schedule(PHASES), **(own if by == "operator" else {})))
    while state_of(cluster.deployment(name)) != ("RUNNING", "STABLE"):
        if time.time() > begins:
            raise SystemExit(f"{name} was not STABLE within {STARTS_IN_SECONDS:g} s")
        time.sleep(1.0)
    print(f"{name}: STABLE {begins - time.time():.0f} s before the load begins", file=sys.stderr, flush=True)
    return name


def measure(cluster: Cluster, by: str, begins: float, folder: Path) -> dict[str, Any]:
    """One run, from the manifest to its deletion."""
    try:
        name = started(cluster, by, begins)
        observer = Observer(cluster, name)
        try:
            if by == "flinkops":
                left = begins - time.time() + PHASES[-1].until_seconds
                with loop(cluster, name, left, folder) as words:
                    seen = watch(observer.poll, begins, PHASES)
                said = words.read_text(encoding="utf-8").splitlines()
            else:
                seen = watch(observer.poll, begins, PHASES)
                said = []
        finally:
            observer.close()
        said += events(cluster, name)
    finally:
        cluster.delete_deployment(f"wait-by-{by}")
    return {"by": by, "totals": totals(seen), "phases": judged(PHASES, seen), "said": said, "seen": seen}


def main(folder_name: str, *ways: str) -> None:
    folder = kit_folder()
    if not set(ways) <= set(WAYS) or folder is None:
        raise SystemExit(__doc__)
    kit = Kit(folder)
    was_down = not kit.is_up()
    if was_down:
        kit.run("up", seconds=900)
    try:
        with tempfile.TemporaryDirectory(prefix="flinkops-autoscale-") as scratch, ThreadPoolExecutor() as pool:
            cluster = Cluster(kit)
            build_image(cluster, Path(scratch))
            begins = time.time() + STARTS_IN_SECONDS
            runs = [pool.submit(measure, cluster, by, begins, Path(scratch)) for by in ways or WAYS]
            for run in runs:
                if run.exception() is None:  # what one of them has seen is not lost with the other
                    report(run.result(), Path(folder_name))
            for run in runs:
                run.result()
    finally:
        if was_down:
            kit.run("down")


def report(found: dict[str, Any], folder: Path) -> None:
    """A line on stdout, and the chart."""
    around = {"settings": SETTINGS, "rate_each": RATE_EACH, "load_average": os.getloadavg()}
    print(json.dumps({**around, **found}), flush=True)
    draw(folder / f"autoscaling-kit-{found['by']}.svg", f"scaled by {found['by']}", found["seen"])


if __name__ == "__main__":
    main(*sys.argv[1:])
