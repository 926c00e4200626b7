"""A pytest plugin: names what was skipped, and why; in CI an unlisted reason fails the run."""

import fnmatch
import os
from collections import Counter
from pathlib import Path

import pytest

ALLOWED = Path(__file__).resolve().parent.parent / "tests" / "allowed_skips.txt"


class Skips:
    """Counts the reasons of skipped tests and modules, over all workers."""

    def __init__(self, allowed: list[str], *, strict: bool) -> None:
        self.reasons: Counter[str] = Counter()
        self._allowed = allowed
        self._strict = strict

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test that ran, or did not."""
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module that skips itself."""
        self._note(report)

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self.reasons[reason.removeprefix("Skipped: ")] += 1

    def unlisted(self) -> list[str]:
        """The reasons that tests/allowed_skips.txt does not list."""
        return [
            reason
            for reason in sorted(self.reasons)
            if not any(fnmatch.fnmatchcase(reason, pattern) for pattern in self._allowed)
        ]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """In CI a skip that nobody agreed to is a failure."""
        if self._strict and self.unlisted() and exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The reasons, which say how to enable the test, before pytest's own last line."""
        for reason, count in sorted(self.reasons.items()):
            terminalreporter.write_line(f"skipped {count}: {reason}")
        if self._strict:
            for reason in self.unlisted():
                terminalreporter.write_line(f"FAILED: not in tests/allowed_skips.txt: {reason}")


def allowed_reasons(path: Path) -> list[str]:
    """The patterns of the file: one a line, `*` stands for anything, `#` begins a comment."""
    if not path.is_file():
        return []
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def pytest_configure(config: pytest.Config) -> None:
    """Take part, in the process that sees every report."""
    if not hasattr(config, "workerinput"):
        strict = os.environ.get("CI", "").lower() in {"1", "true"}
        config.pluginmanager.register(Skips(allowed_reasons(ALLOWED), strict=strict), "flinkops-skips")
