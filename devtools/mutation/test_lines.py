"""A pytest plugin: which lines each test runs, and its processor seconds."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from coverage import Coverage
from hypothesis import Phase, settings

FOLDER_VARIABLE = "FLINKOPS_TEST_LINES"
"""The folder that the plugin writes into: a file of coverage and one of seconds for each process."""
SOURCES_VARIABLE = "FLINKOPS_TEST_LINES_SOURCES"
"""The folders whose lines count, separated by colons."""

# The same examples each time, so that a mutant killed once is killed again; none is made smaller: it only has to fail.
settings.register_profile(
    "mutation", deadline=None, max_examples=25, derandomize=True, database=None, phases=(Phase.explicit, Phase.generate)
)


class TestLines:
    """One coverage context for each test, named by its node id; what runs at import has the context ""."""

    __test__ = False

    def __init__(self, folder: Path, sources: list[str]) -> None:
        self._folder = folder
        self._seconds: dict[str, float] = {}
        self._coverage = Coverage(
            data_file=str(folder / ".coverage"), data_suffix=str(os.getpid()), source=sources, config_file=False
        )
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """What runs in this test, its fixtures included, counts for it."""
        self._coverage.switch_context(item.nodeid)
        started = time.process_time()
        try:
            return (yield)
        finally:
            self._seconds[item.nodeid] = time.process_time() - started
            self._coverage.switch_context("")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write both files."""
        self._coverage.stop()
        self._coverage.save()
        (self._folder / f"seconds.{os.getpid()}.json").write_text(json.dumps(self._seconds), encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    """Count in every process that runs tests: the workers of xdist, or the only one."""
    if hasattr(config, "workerinput") or not getattr(config.option, "numprocesses", None):
        folder, sources = os.environ[FOLDER_VARIABLE], os.environ[SOURCES_VARIABLE].split(":")
        config.pluginmanager.register(TestLines(Path(folder), sources), "flinkops-test-lines")
