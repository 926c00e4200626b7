"""How long nothing runs: `flinkops upgrade --savepoint` beside a bare `kubectl patch`, on a cluster with the operator.

    python -m bench.upgrade_downtime KUBECONFIG NAME ROUNDS

Both make the same change in turn (parallelism 1, 2, 1, …; upgradeMode savepoint), now the one first and now the other,
once the operator sees the job RUNNING (else it would take no savepoint). One observer, which is neither, asks
the job's REST API every 0.2 s: downtime is from the last answer in which all tasks of the old job ran to the first in
which all tasks of the new one do. Names, addresses and figures only are printed.
"""

import argparse
import json
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
from flinkops.plan.preconditions import operator_sees_it_run
from flinkops.sources.kubernetes.access import open_access
from flinkops.sources.kubernetes.resources import Json
from flinkops.sources.kubernetes.verbs import KubeVerbs, ResourceRef

_EVERY_SECONDS = 0.2
_RUNS_SECONDS = 10.0  # so long the new job is watched before the next change
_PATIENCE_SECONDS = 240.0
_WAYS = ("kubectl patch", "flinkops upgrade")


class Seen(NamedTuple):
    """One poll: when (monotonic), and the start time of the job whose tasks all ran; None: no such job."""

    at: float
    started_ms: int | None


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
            started = None
            try:
                short = self._control.newest()
                job = self._control.job(short.id) if short is not None else None
                if job is not None and all_running(job) and job.vertices:
                    started = job.started_ms
            except FlinkopsError:
                started = None
            self.polls.append(Seen(time.monotonic(), started))

    def downtime_seconds(self) -> float | None:
        """Of the change from the first job seen to the next one; None while there is no next one."""
        old = next((one.started_ms for one in self.polls if one.started_ms is not None), None)
        new = next((one.at for one in self.polls if one.started_ms not in (None, old)), None)
        last = max((one.at for one in self.polls if one.started_ms == old), default=None)
        return None if new is None or last is None else new - last

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


def main() -> None:
    """Prints one line a change, and the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kubeconfig")
    parser.add_argument("name")
    parser.add_argument("rounds", type=int)
    given = parser.parse_args()
    access = open_access(given.kubeconfig)
    ref = ResourceRef("FlinkDeployment", "default", given.name)
    verbs = KubeVerbs(access)
    found: dict[str, list[float]] = {way: [] for way in _WAYS}
    for order in (_WAYS[:: 1 if round_ % 2 == 0 else -1] for round_ in range(given.rounds)):
        for way in order:
            resource = _settled(verbs, ref)
            parallelism = 1 if resource["spec"]["job"]["parallelism"] == 2 else 2
            observer = Observer(KubeControl(access, ref, resource, SystemClock()))
            time.sleep(3.0)
            _change(way, given.kubeconfig, given.name, parallelism)
            ends = time.monotonic() + _PATIENCE_SECONDS
            while observer.downtime_seconds() is None and time.monotonic() < ends:
                time.sleep(_EVERY_SECONDS)
            time.sleep(_RUNS_SECONDS)
            observer.stop()
            seconds = observer.downtime_seconds()
            print(f"{way:<17} parallelism -> {parallelism}: downtime {seconds or float('nan'):.1f} s", flush=True)
            found[way] += [] if seconds is None else [seconds]
    for way, values in found.items():
        if values:
            print(f"{way:<17} mean of {len(values)}: {sum(values) / len(values):.1f} s")


def _settled(verbs: KubeVerbs, ref: ResourceRef) -> Json:
    """The resource, once the operator has taken it up and sees its job RUNNING."""
    ends = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < ends:
        resource = verbs.resource(ref)
        if resource is not None and acted_on(resource) and operator_sees_it_run(resource) is None:
            return resource
        time.sleep(1.0)
    sys.exit(f"{ref.name} does not run")


def _change(way: str, kubeconfig: str, name: str, parallelism: int) -> None:
    if way == "kubectl patch":
        patch = json.dumps({"spec": {"job": {"parallelism": parallelism, "upgradeMode": "savepoint"}}})
        command = ["kubectl", "--kubeconfig", kubeconfig, "patch", "flinkdeployment", name, "--type=merge", "-p", patch]
    else:
        options = ["--savepoint", "--parallelism", str(parallelism), "--yes", "--watch-for", "5s"]
        command = [sys.executable, "-m", "flinkops", "upgrade", name, *options, "--kubeconfig", kubeconfig]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{way}: {done.stderr[-1000:]}")


if __name__ == "__main__":
    main()
