"""The card of a job whose results are delivered to somebody, such as alerts to webhooks: what its users would ask."""

from typing import NamedTuple

from flinkops.model.assessment import JobAssessment
from flinkops.render.cells import absent_sign
from flinkops.render.text import clean, human_rate, human_ratio, human_seconds, pad


class CardLine(NamedTuple):
    """One line: what, how much, and why that is not known."""

    label: str
    value: str
    why: str | None = None


def delivers(job: JobAssessment) -> bool:
    """Whether the job names what delivers its results, reached or not."""
    facts = job.facts
    return facts is not None and (facts.delivery is not None or "delivery" in facts.unknown)


def card_lines(job: JobAssessment) -> list[CardLine]:
    """The card, all of it measured."""
    points, pressure, delivery = job.checkpoints, job.backpressure, job.delivery_latency_seconds
    checkpoint: str | None = None if points is None else points.status
    if points is not None and points.age_seconds is not None:
        checkpoint = f"{points.status} {human_seconds(points.age_seconds)} ago"
    return [
        CardLine("name", clean(job.name)),
        _line(job, "uptime", "uptime_seconds", _known(job.uptime_seconds, human_seconds(job.uptime_seconds))),
        _line(
            job,
            "throughput",
            "records_in_per_second",
            _known(job.records_in_per_second, f"{human_rate(job.records_in_per_second)} records/s"),
        ),
        _line(
            job,
            "backpressure",
            "backpressure",
            f"{pressure.level} ({human_ratio(pressure.ratio)})" if pressure else None,
        ),
        _line(job, "checkpoint status", "checkpoints", checkpoint),
        _line(job, "late records", "late_ratio", _known(job.late_ratio, human_ratio(job.late_ratio))),
        _line(
            job,
            "delivery latency",
            "delivery_latency_seconds",
            f"{human_seconds(delivery.p50)} (p99 {human_seconds(delivery.p99)})" if delivery else None,
        ),
    ]


def _known(value: float | None, text: str) -> str | None:
    return None if value is None else text


def _line(job: JobAssessment, label: str, field: str, value: str | None) -> CardLine:
    missing = job.absent(field)
    return CardLine(label, value or absent_sign(job, field), missing.reason if missing and not value else None)


def card_text(job: JobAssessment) -> str:
    """The card for those that do not read it in the TUI."""
    rows = [
        f"{pad(line.label, 20)}{line.value}{f'  {clean(line.why)}' if line.why else ''}" for line in card_lines(job)
    ]
    return "\n".join(row.rstrip() for row in rows)
