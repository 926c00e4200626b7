"""Where key groups or partitions are dealt out to subtasks, not every parallelism is worth having."""

from flinkops.autoscale.settings import Alignment

TOLERANCE = 1.1
"""The fullest subtask may have a tenth more than the mean: the utilization target leaves room for that."""


def aligned(parallelism: int, groups: int | None, lower: int, upper: int, mode: Alignment) -> int:
    """A parallelism in [lower, upper] that deals `groups` out well; `parallelism`, which lies there, without groups.

    `balanced`: the least one from which the fullest subtask has no more groups than the decision counted on
    (groups / parallelism), but for the tolerance; never less than asked. `evenly-spread`: as flink-autoscaler does by
    default up to 1.15: a divisor of the groups, upwards at most to half or all of them, else the least parallelism
    whose subtasks have as few whole groups as asked, which may be less than asked.
    """
    if groups is None or groups <= 0 or mode == "off":
        return parallelism
    if mode == "balanced":
        return _balanced(parallelism, groups, upper)
    return _evenly_spread(parallelism, groups, lower, upper)


def _balanced(parallelism: int, groups: int, upper: int) -> int:
    for candidate in range(parallelism, min(upper, groups) + 1):
        if -(-groups // candidate) * parallelism <= groups * TOLERANCE:
            return candidate
    return parallelism


def _evenly_spread(parallelism: int, groups: int, lower: int, upper: int) -> int:
    half = groups // 2
    last = min(groups if parallelism > half else half, upper)
    for candidate in range(parallelism, last + 1):
        if not groups % candidate:
            return candidate
    whole = groups // parallelism
    below = next((less for less in range(parallelism, 0, -1) if groups // less > whole), None)
    if below is None:
        return max(1, lower)
    return max(below if groups % below == 0 else below + 1, lower)
