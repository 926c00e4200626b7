"""A Lease is given back although it changed between the look-up and the deletion; what cannot be deleted runs out."""

from typing import Any, cast

import pytest

from flinkops.act.operator.lease import Lease
from flinkops.clock import FixedClock
from flinkops.errors import Unreachable
from flinkops.model.plan import Plan, Target
from flinkops.sources.kubernetes.verbs import Conflict, KubeVerbs
from tests.unit.builders import NOW_MS

PLAN = Plan("restart-1", "restart", Target("prod", "count", "a" * 32), NOW_MS)


class Server:
    """Holds one Lease; the first deletions fail as they are told to."""

    def __init__(self, *failures: Exception) -> None:
        self.kept: dict[str, Any] | None = None
        self.failures = list(failures)
        self.version = 0

    def lease(self, namespace: str, name: str) -> dict[str, Any] | None:
        return self.kept

    def create_lease(self, namespace: str, body: dict[str, Any]) -> None:
        self.kept = {**body, "metadata": {**body["metadata"], "resourceVersion": "0"}}

    def delete_lease(self, namespace: str, name: str, version: str) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.kept = None


@pytest.mark.parametrize(
    ("failures", "gone"),
    [
        ((), True),
        ((Conflict("it has changed"),), True),
        ((Conflict("it has changed"), Conflict("again")), True),
        ((Conflict("1"), Conflict("2"), Conflict("3")), False),
        ((Unreachable("no answer"),), False),
    ],
)
def test_given_back(failures: tuple[Exception, ...], gone: bool) -> None:
    server = Server(*failures)
    with Lease(cast(KubeVerbs, server), "default", "FlinkDeployment", "count", FixedClock(NOW_MS)).held(PLAN):
        assert server.kept is not None
    assert (server.kept is None) == gone
