"""How long nothing runs: flinkops' ways beside a bare `kubectl patch`, on a cluster with the operator.

    python -m bench.upgrade_downtime KUBECONFIG NAME ROUNDS

All make the same change in turn (parallelism 1, 2, 1, …; the patch with upgradeMode savepoint), in an order that turns
with each round, once the operator sees the job RUNNING (else it would take no savepoint). One observer, which is none
of them, asks the job's REST API every 0.2 s: downtime is from the last answer in which all tasks ran as before to the
first in which all tasks of the new job, or of the new parallelism, do. Under flinkops' line is where it saw the seconds
go. `rescale` needs the adaptive scheduler (else leave it out with --ways). Names and figures only are printed.
"""

import argparse
import json
import statistics
import subprocess
import sys
import threading
import time
from typing import NamedTuple

from flinkops.act.operator.control import KubeControl
from flinkops.act.operator.spec_steps import acted_on
from flinkops.act.stability_steps import all_running
from flinkops.clock import SystemClock
from flinkops.errors import FlinkopsError
from flinkops.model.json_reading import Json
from flinkops.plan.preconditions import operator_sees_it_run
from flinkops.sources.kubernetes.access import open_access
from flinkops.sources.kubernetes.verbs import KubeVerbs, ResourceRef

_EVERY_SECONDS = 0.2
_RUNS_SECONDS = 10.0  # so long the new job is watched before the next change
_PATIENCE_SECONDS = 240.0
_WAYS = {
    "kubectl patch": (),
    "upgrade, savepoint": ("upgrade", "--savepoint"),
    "upgrade, last-state": ("upgrade", "--last-state"),
    "rescale": ("rescale",),
}
"""flinkops' own by their first words."""

Running = tuple[int | None, int | None]
"""The job's start, and its greatest parallelism."""


class Seen(NamedTuple):
    """One poll: when (monotonic), and which job's tasks all ran; None: of none."""

    at: float
    running: Running | None


class Observer:
    """Polls until it is stopped."""

    def __init__(self, control: KubeControl) -> None:
        self._control = control
        self._stop = threading.Event()
        self.polls: list[Seen] = []
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(_EVERY_SECONDS):
            running = None
            try:
                short = self._control.newest()
                job = self._control.job(short.id) if short is not None else None
                if job is not None and all_running(job) and job.vertices:
                    running = (job.started_ms, max(one.parallelism or 0 for one in job.vertices))
            except FlinkopsError:
                running = None
            self.polls.append(Seen(time.monotonic(), running))

    def downtime_seconds(self) -> float | None:
        """Of the change from the first job seen to the next one; None while there is no next one."""
        old = next((one.running for one in self.polls if one.running is not None), None)
        new = next((one.at for one in self.polls if one.running not in (None, old)), None)
        last = max((one.at for one in self.polls if one.running == old), default=None)
        return None if new is None or last is None else new - last

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


def main() -> None:
    """Prints one line a change, and the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kubeconfig")
    parser.add_argument("name")
    parser.add_argument("rounds", type=int)
    parser.add_argument("--ways", nargs="+", choices=list(_WAYS), default=list(_WAYS))
    given = parser.parse_args()
    access = open_access(given.kubeconfig)
    ref = ResourceRef("FlinkDeployment", "default", given.name)
    verbs = KubeVerbs(access)
    found: dict[str, list[float]] = {way: [] for way in given.ways}
    for turn in range(given.rounds):
        first = turn % len(given.ways)
        for way in (*given.ways[first:], *given.ways[:first]):
            resource = _settled(verbs, ref)
            parallelism = 1 if resource["spec"]["job"]["parallelism"] == 2 else 2
            observer = Observer(KubeControl(access, ref, resource, SystemClock()))
            time.sleep(3.0)
            trace = _change(way, given.kubeconfig, given.name, parallelism)
            ends = time.monotonic() + _PATIENCE_SECONDS
            while observer.downtime_seconds() is None and time.monotonic() < ends:
                time.sleep(_EVERY_SECONDS)
            time.sleep(_RUNS_SECONDS)
            observer.stop()
            seconds = observer.downtime_seconds()
            print(f"{way:<19} parallelism -> {parallelism}: downtime {seconds or float('nan'):.1f} s", flush=True)
            if trace:
                print(f"  {trace}", flush=True)
            found[way] += [] if seconds is None else [seconds]
    beside = statistics.median(found[given.ways[0]] or [float("nan")])
    for way, values in found.items():
        if values:
            median = statistics.median(values)
            print(f"{way:<19} median of {len(values)}: {median:.1f} s, {median / beside:.2f} of {given.ways[0]}")


def _settled(verbs: KubeVerbs, ref: ResourceRef) -> Json:
    """The resource, once the operator has taken it up and sees its job RUNNING."""
    ends = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < ends:
        resource = verbs.resource(ref)
        if resource is not None and acted_on(resource) and operator_sees_it_run(resource) is None:
            return resource
        time.sleep(1.0)
    sys.exit(f"{ref.name} does not run")


def _change(way: str, kubeconfig: str, name: str, parallelism: int) -> str:
    """Where flinkops saw the seconds go."""
    if way == "kubectl patch":
        patch = json.dumps({"spec": {"job": {"parallelism": parallelism, "upgradeMode": "savepoint"}}})
        command = ["kubectl", "--kubeconfig", kubeconfig, "patch", "flinkdeployment", name, "--type=merge", "-p", patch]
    else:
        verb, *mode = _WAYS[way]
        options = [name, *mode, "--parallelism", str(parallelism), "--yes", "--watch-for", "5s", "-o", "json"]
        command = [sys.executable, "-m", "flinkops", verb, *options, "--kubeconfig", kubeconfig]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{way}: {done.stderr[-1000:]} {done.stdout[-1000:]}")
    if way == "kubectl patch":
        return ""
    result = json.loads(done.stdout)["result"]
    steps = ", ".join(f"{one['name']} {one['seconds']:.1f}" for one in result["steps"])
    trace = ", ".join(f"{one['phase']} {one['seconds']:.1f}" for one in result["downtime_phases"])
    return f"steps: {steps}" + (f"\n  trace: {trace}" if trace else "")


if __name__ == "__main__":
    main()
