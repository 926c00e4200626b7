"""What a soak measures of a process, and what it concludes from it."""

import os
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

WARM_UP_RATIO = 1 / 3
"""Of the samples: caches fill, the allocator finds its size, every fault comes for the first time."""
MEMORY_LIMIT_RATIO_PER_HOUR = 0.05
"""Growth is above this, and over all that was judged more than the samples scatter around their trend."""
GROWTH_LIMIT_PER_HOUR = 1.0
"""Of threads, descriptors and sockets: below one that is left over in an hour."""
COUNTED = ("threads", "descriptors", "sockets")


class Sample(NamedTuple):
    """Of one process at one time, ``at_seconds`` after the start of the soak."""

    at_seconds: float
    name: str
    resident_kib: int
    peak_kib: int
    threads: int
    descriptors: int
    sockets: int
    cpu_seconds: float


def sample(name: str, pid: int, at_seconds: float) -> Sample:
    """As the kernel tells it now. Raises OSError when the process has gone."""
    proc = Path("/proc", str(pid))
    status = dict(line.split(":", 1) for line in (proc / "status").read_text("ascii", "replace").splitlines())
    fields = (proc / "stat").read_text("ascii", "replace").rsplit(")", 1)[1].split()
    targets = [_target(path) for path in (proc / "fd").iterdir()]
    return Sample(
        at_seconds=round(at_seconds, 1),
        name=name,
        resident_kib=int(status["VmRSS"].split()[0]),
        peak_kib=int(status["VmHWM"].split()[0]),
        threads=int(status["Threads"]),
        descriptors=len(targets),
        sockets=sum(target.startswith("socket:") for target in targets),
        cpu_seconds=(int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
    )


def _target(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:  # closed since
        return ""


class Verdict(NamedTuple):
    """Of one process: figures after the warm-up, and what grew."""

    name: str
    samples: int
    resident_mib: tuple[float, float, float]  # first, median, last
    peak_mib: float
    memory_ratio_per_hour: float
    scatter_mib: float
    judged_seconds: float
    counts: tuple[tuple[int, int, float], ...]  # of each of COUNTED: least, most, growth in an hour
    cpu_ratio: float
    grew: tuple[str, ...]


def judge(samples: Sequence[Sample]) -> Verdict:
    """Of one process's samples in order. Raises ValueError when there are too few for a slope."""
    steady = samples[int(len(samples) * WARM_UP_RATIO) :]
    if len(steady) < 4:
        raise ValueError(f"{len(samples)} samples of {samples[0].name if samples else 'nothing'} are too few")
    middle = statistics.median(one.resident_kib for one in steady)
    slope = slope_per_hour([(one.at_seconds, one.resident_kib) for one in steady])
    memory, seconds = slope / middle, steady[-1].at_seconds - steady[0].at_seconds
    scatter = _scatter([one.resident_kib - slope * one.at_seconds / 3600 for one in steady])
    above = memory > MEMORY_LIMIT_RATIO_PER_HOUR and slope * seconds / 3600 > scatter
    grew = [f"memory {memory:+.1%} an hour"] if above else []
    counts = []
    for what in COUNTED:
        values = [getattr(one, what) for one in steady]
        growth = slope_per_hour([(one.at_seconds, value) for one, value in zip(steady, values, strict=True)])
        counts.append((min(values), max(values), growth))
        if growth >= GROWTH_LIMIT_PER_HOUR:
            grew.append(f"{what} {growth:+.1f} an hour")
    first, last = steady[0], steady[-1]
    return Verdict(
        name=first.name,
        samples=len(steady),
        resident_mib=(first.resident_kib / 1024, middle / 1024, last.resident_kib / 1024),
        peak_mib=max(one.peak_kib for one in samples) / 1024,
        memory_ratio_per_hour=memory,
        scatter_mib=scatter / 1024,
        judged_seconds=seconds,
        counts=tuple(counts),
        cpu_ratio=(last.cpu_seconds - first.cpu_seconds) / (last.at_seconds - first.at_seconds),
        grew=tuple(grew),
    )


def _scatter(rest: Sequence[float]) -> float:
    """How far apart the middle four fifths of what the trend leaves are."""
    deciles = statistics.quantiles(rest, n=10)
    return deciles[-1] - deciles[0]


def slope_per_hour(points: Sequence[tuple[float, float]]) -> float:
    """The median of the slopes between all pairs (Theil-Sen), of (seconds, value): a few outliers do not turn it."""
    slopes = [
        (later - value) / (then - at)
        for index, (at, value) in enumerate(points)
        for then, later in points[index + 1 :]
        if then > at
    ]
    return statistics.median(slopes) * 3600


def table(verdicts: Sequence[Verdict]) -> str:
    """A row a process."""
    rows: list[tuple[str, ...]] = [
        (
            "process",
            "samples",
            "RSS MiB first/median/last",
            "peak",
            "RSS an hour",
            "scatter",
            *COUNTED,
            "CPU",
            "verdict",
        )
    ]
    rows += [_row(one) for one in verdicts]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _row(one: Verdict) -> tuple[str, ...]:
    return (
        one.name,
        str(one.samples),
        "/".join(f"{value:.1f}" for value in one.resident_mib),
        f"{one.peak_mib:.1f}",
        f"{one.memory_ratio_per_hour:+.2%}",
        f"{one.scatter_mib:.1f} MiB",
        *(f"{least}..{most} {growth:+.1f}/h" for least, most, growth in one.counts),
        f"{one.cpu_ratio:.1%}",
        "; ".join(one.grew) or "flat",
    )
