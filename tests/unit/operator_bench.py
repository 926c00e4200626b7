"""A fake operator, a control of its one job, and a journal: for tests of what is done to custom resources."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from flinkops.act.executor import Executor, Progress
from flinkops.act.journal import Journal
from flinkops.act.operator import startup
from flinkops.act.operator.control import open_control
from flinkops.act.operator.prepare import prepare_for_resource
from flinkops.clock import SystemClock
from flinkops.model.facts import JobFacts
from flinkops.model.plan import Plan, Result
from flinkops.model.request import ActionRequest, Change, Terms
from flinkops.plan.identity import Stamp
from flinkops.sources.kubernetes.access import KubeAccess, open_access
from flinkops.sources.kubernetes.operator_version import OperatorSeen
from flinkops.sources.kubernetes.plan_inputs import Read
from flinkops.sources.kubernetes.verbs import ResourceRef
from flinkops.sources.storage.stores import Stores
from tests.patience import polled_clock
from tests.unit.fake_operator import FakeOperator, operating
from tests.unit.kube_server import write_kubeconfig

SAVEPOINT = "s3://bucket/savepoint-1"
PATIENT_SECONDS = 60.0
QUICK = Terms(checkpoints=1, watch_seconds=0.0)


@functools.cache
def access_of(url: str) -> KubeAccess:
    """To read a kubeconfig takes longer than many an action here."""
    with TemporaryDirectory() as folder:
        return open_access(write_kubeconfig(url, Path(folder)))


class Killed(BaseException):
    """The process ends here: nothing of its own runs any more but what Python cannot help."""


class Bench:
    """A fake operator, a control of its one job, a journal."""

    def __init__(self, fake: FakeOperator, url: str, folder: Path, access: KubeAccess | None = None) -> None:
        self.fake = fake
        self.stores = Stores()
        self.clock = polled_clock()
        self.journal = Journal(folder / "journal", SystemClock())
        self.access = access_of(url) if access is None else access
        assert fake.resource is not None
        self.ref = ResourceRef(fake.resource["kind"], "default", fake.resource["metadata"]["name"])
        control = open_control(self.access, self.ref, self.clock)
        assert control is not None
        self.control = control

    def spec(self) -> dict[str, Any]:
        """Of the resource as it is now."""
        assert self.fake.resource is not None
        spec: dict[str, Any] = self.fake.resource["spec"]
        return spec

    def restored(self) -> Any:
        """What the job that runs now started from."""
        assert self.fake.job is not None
        return self.fake.job["restored"]

    def plan(self, request: ActionRequest, plan_id: str = "p1") -> Plan:
        job_id = self.fake.job_id
        stopped = JobFacts(id=job_id, name="count", cluster="prod", seen_ms=1, state="FINISHED")
        close = self.control.job(job_id) if self.fake.job is not None else stopped
        assert close is not None
        seen = self.fake.seen()
        read = Read(
            self.control.resource(),
            self.fake.crd(),
            seen.ha_metadata,
            seen.jobmanager_never_started,
            OperatorSeen(),
            {},
            self.control.session_cluster,
        )
        return prepare_for_resource(
            self.control, self.journal, close, read, request, Stamp(plan_id, 1), self.stores
        ).plan

    def upgrade(self, plan_id: str = "p1", **edit: Any) -> Plan:
        return self.plan(ActionRequest("upgrade", Change(**edit), QUICK, mode="savepoint"), plan_id)

    def executor(
        self, progress: Callable[[Progress], None] = lambda _: None, seconds: float = PATIENT_SECONDS
    ) -> Executor:
        """Whose time is short is to run out of it: a poll each millisecond would only cost."""
        poll_seconds = 0.001 if seconds >= PATIENT_SECONDS else seconds / 100
        return Executor(
            self.control,
            self.journal,
            self.clock,
            stores=self.stores,
            timeout_seconds=seconds,
            poll_seconds=poll_seconds,
            progress=progress,
        )

    def run(self, plan: Plan, seconds: float = PATIENT_SECONDS) -> Result:
        return self.executor(seconds=seconds).run(plan)

    def run_and_die_at(self, plan: Plan, step: str) -> bool:
        """Whether it died: it does not where the plan never comes to that step."""

        def die(progress: Progress) -> None:
            if (progress.kind, progress.step) == ("intent", step):
                raise Killed

        try:
            self.executor(die).run(plan)
        except Killed:
            return True
        return False


@contextmanager
def impatient_bench(fake: FakeOperator, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A bench on `fake` that takes an image for missing, a quota for used up at once, and lists pods at each poll."""
    monkeypatch.setattr(startup, "_STUCK_SECONDS", {"image": 0.0, "quota": 0.0})
    monkeypatch.setattr(startup, "_PODS_EVERY_SECONDS", 0.0)
    with operating(fake) as url:
        found = Bench(fake, url, folder)
        yield found
        found.control.close()
