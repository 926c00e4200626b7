"""What is said of a run: the share killed with its interval, and every survivor."""

import math
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

OF_EVERY_NUMBER = "tests/unit/test_numbers_that_are_set.py::test_every_number_is_the_one_that_was_meant"
"""Holds what is set, not what it does: the last test that is asked of a line at the import."""
REASONS = Path("devtools/mutation/reasons.toml")
"""Why a survivor stays, by hand: `[[survivor]]` with `path`, `change` (its line after the change) and `reason`."""


@dataclass(frozen=True)
class Result:
    """What became of one mutant. `tests` of the `covering` ones were run.

    `end`: killed, timeout, refused (by the type checker) or survived.
    """

    path: str
    line: int
    operator: str
    key: str
    change: tuple[str, ...]
    end: str
    killed_by: str
    tests: int
    covering: int

    @property
    def killed(self) -> bool:
        """Also by the clock, or by the type checker alone: it would not have passed."""
        return self.end in {"killed", "timeout", "refused"}


def wilson(killed: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's interval of a share, 95 % by default.

    >>> [round(bound, 3) for bound in wilson(95, 100)]
    [0.888, 0.978]
    """
    if not total:
        return 0.0, 1.0
    share, spread = killed / total, z * z / total
    middle = share + spread / 2
    half = z * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    return (middle - half) / (1 + spread), (middle + half) / (1 + spread)


def text(results: list[Result], head: str, reasons: dict[tuple[str, str], str]) -> str:
    """The whole report."""
    survivors = [result for result in results if not result.killed]
    lines = [head, "", _share("all", results)]
    lines += [
        _share(f"flinkops/{name}", [r for r in results if r.path.split("/")[1] == name]) for name in _names(results)
    ]
    ends = Counter(result.end for result in results)
    by_tests = f"killed by a failing test {ends['killed']}, by the time limit {ends['timeout']}"
    lines += ["", f"{by_tests}; no test fails, but mypy --strict does: {ends['refused']}"]
    by_value = sum(result.killed_by == OF_EVERY_NUMBER for result in results)
    lines += [f"of these by the list of all that is set at the import alone, not by what it does: {by_value}"]
    lines += [
        f"survivors: {len(survivors)}, of these {sum(_reason(r, reasons) != '' for r in survivors)} with a reason",
        "",
    ]
    for result in survivors:
        lines += [f"{result.path}:{result.line} {result.operator} ({result.tests} of {result.covering} covering tests)"]
        lines += [f"  {change}" for change in result.change]
        lines += [f"  reason: {reason}"] if (reason := _reason(result, reasons)) else []
    return "\n".join(lines)


def read_reasons(root: Path) -> dict[tuple[str, str], str]:
    """The reasons, by path and changed line."""
    if not (root / REASONS).is_file():
        return {}
    document = tomllib.loads((root / REASONS).read_text(encoding="utf-8"))
    return {(each["path"], each["change"].strip()): each["reason"] for each in document.get("survivor", [])}


def _reason(result: Result, reasons: dict[tuple[str, str], str]) -> str:
    return next((reasons[key] for line in result.change if (key := (result.path, line[1:].strip())) in reasons), "")


def _names(results: list[Result]) -> list[str]:
    return sorted({result.path.split("/")[1] for result in results})


def _share(name: str, results: list[Result]) -> str:
    killed = sum(result.killed for result in results)
    low, high = wilson(killed, len(results))
    share = 100 * killed / max(1, len(results))
    interval = f"95 % interval {100 * low:.1f} to {100 * high:.1f}"
    return f"{name:24} {killed:4} of {len(results):4} killed: {share:.1f} % ({interval})"
