"""What the demo leaves behind in a fleet that stays: nothing, whatever became of its jobs."""

from typing import Any

import pytest

from flinkops.local import demo

NAMES = ("price-aggregation-demo_1", "price-alerts-demo_1")


class Flink:
    """Jobs by id; a cancelled one ends at the next request."""

    def __init__(self, **jobs: tuple[str, str]) -> None:
        self.jobs = dict(jobs)
        self.cancelled: list[str] = []
        self.stubborn: set[str] = set()
        self.appears: dict[str, tuple[str, str]] = {}

    def get_json(self, _url: str, path: str) -> Any:
        assert path == "/jobs/overview"
        return {"jobs": [{"jid": each, "name": name, "state": state} for each, (name, state) in self.jobs.items()]}

    def patch(self, _url: str, path: str) -> bool:
        job_id = path.removeprefix("/jobs/").removesuffix("?mode=cancel")
        self.cancelled.append(job_id)
        if job_id not in self.stubborn:
            self.jobs[job_id] = (self.jobs[job_id][0], "CANCELED")
            self.jobs |= self.appears
            self.appears = {}
        return True


def ended(flink: Flink, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(demo, "get_json", flink.get_json)
    monkeypatch.setattr(demo, "patch", flink.patch)
    monkeypatch.setattr(demo, "_POLL_SECONDS", 0.0)
    demo.end_jobs("http://flink", NAMES, said.append)
    return said


def test_a_job_that_an_upgrade_put_in_the_place_of_the_submitted_one_is_ended_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flink = Flink(
        old=(NAMES[0], "FINISHED"),
        new=(NAMES[0], "RESTARTING"),
        alerts=(NAMES[1], "RUNNING"),
        other=("orders", "RUNNING"),
    )
    assert ended(flink, monkeypatch) == []
    assert flink.cancelled == ["new", "alerts"]


def test_one_that_appears_meanwhile_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    flink = Flink(old=(NAMES[0], "RUNNING"))
    flink.appears = {"new": (NAMES[0], "CREATED")}
    ended(flink, monkeypatch)
    assert flink.cancelled == ["old", "new"]


def test_what_does_not_end_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    flink = Flink(old=(NAMES[0], "RUNNING"))
    flink.stubborn = {"old"}
    monkeypatch.setattr(demo, "_CANCEL_SECONDS", 0.0)
    assert ended(flink, monkeypatch) == [f"still there after 0 s, to be cancelled by hand: {NAMES[0]} (old)"]
