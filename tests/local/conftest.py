"""One embedded fleet for all the tests that only use it."""

from collections.abc import Iterator

import pytest

from flinkops.local import fleet
from flinkops.local.state import FleetInfo
from tests.local.guard import guarded


@pytest.fixture(scope="session")
def embedded_fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FleetInfo]:
    """A fleet that runs: give topics, tables and jobs names of your own, and cancel your jobs."""
    with guarded(tmp_path_factory.mktemp("fleet home")) as home:  # with a space, as users have them
        yield fleet.up(home)
