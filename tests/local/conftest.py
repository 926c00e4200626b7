"""One embedded fleet for all the tests that only use it."""

from collections.abc import Iterator

import pytest

from flinkops.local import fleet
from flinkops.local.state import FleetInfo


@pytest.fixture(scope="session")
def embedded_fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FleetInfo]:
    """A fleet that runs: give topics, tables and jobs names of your own, and cancel your jobs."""
    home = tmp_path_factory.mktemp("fleet home")  # with a space, as users have them
    try:
        yield fleet.up(home)
    finally:
        fleet.down(home)
