"""120 jobs on twelve recorded clusters whose answers go wrong in turn: `python -m bench._soak_fleet`.

Prints the URLs and serves until its input ends. Each few seconds another cluster is slow, hangs up, answers without
end, with half of the answer, with 500 or with nonsense, and some jobs go while others come.
"""

import json
import random
import sys
import threading

from bench.poller import SAMPLES, ManyJobs
from tests.fake_flink import Fault, serving

CLUSTERS, JOBS_A_CLUSTER = 12, 10
SPARE = 2
FAULT_SECONDS = 7.0
FAULTS = ("slow", "hang-up", "huge", "cut-json", "500", "truncated", "wrong-types", "trickle", "302", "headers")


class Changing(ManyJobs):
    """Jobs that go and come again, under `SPARE` more names than there are at a time."""

    def __init__(self, sample: str, jobs: int) -> None:
        super().__init__(sample, jobs)
        self._made = jobs

    def change(self, rng: random.Random) -> None:
        """One job goes, another takes its place: its name was there before, its id was not."""
        self._made += 1
        name = f"{self.row['name']}-{self._made % (len(self.rows) + SPARE):03d}"
        row = {**self.row, "jid": f"{self._made:032x}", "name": name}
        rows = list(self.rows)
        same = next((index for index, one in enumerate(rows) if one["name"] == name), rng.randrange(len(rows)))
        rows[same] = row
        self.rows = rows
        self.recording.answers["/jobs/overview"] = {"jobs": rows}
        self._known = {}


def main() -> None:
    fakes = [Changing(SAMPLES[index % len(SAMPLES)], JOBS_A_CLUSTER) for index in range(CLUSTERS)]
    ended = threading.Event()
    with serving(*fakes):
        print(json.dumps([fake.url for fake in fakes]), flush=True)
        threading.Thread(target=_go_wrong, args=(fakes, ended), daemon=True).start()
        sys.stdin.read()
        ended.set()


def _go_wrong(fakes: list[Changing], ended: threading.Event) -> None:
    rng = random.Random(16)
    number = 0
    while not ended.wait(FAULT_SECONDS):
        for fake in fakes:
            fake.faults = []
        kind = FAULTS[number % len(FAULTS)]
        where = rng.choice(("", "/jobs/overview", "/metrics", "/checkpoints"))
        rng.choice(fakes).faults = [Fault(kind, where, seconds=2.0)]
        rng.choice(fakes).change(rng)
        number += 1


if __name__ == "__main__":
    main()
