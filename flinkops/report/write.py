"""A report as one page of HTML, or as Markdown. Jinja escapes every value; the drawings alone are marked as safe.

The page loads nothing and runs nothing: its policy forbids both.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from flinkops.clock import iso_utc
from flinkops.model.quantities import UNKNOWN, human_ratio, human_seconds, human_value
from flinkops.outside.text import clean
from flinkops.report.plot import describe, plot
from flinkops.report.rows import ROWS, marks, rows
from flinkops.report.values import JobReport, Report

if TYPE_CHECKING:
    from jinja2 import Environment

_MARKDOWN = re.compile(r"[\\`*_\[\]<>|~&]|^[#+\-=]")
LONGEST = 1_000
"""Characters of one text that a page shows."""


def html(report: Report) -> str:
    """One self-contained file."""
    from markupsafe import Markup

    def plots(job: JobReport, found: list[Any]) -> list[Any]:
        happened = marks(found, job)
        draw = partial(plot, since_ms=report.since_ms, until_ms=report.until_ms, periods=job.periods, marks=happened)
        return [(signal, Markup(draw(signal)) if signal.known else None) for signal in job.signals]  # noqa: S704

    environment = _environment(autoescape=True, finalize=_text)
    environment.globals["plots"] = plots
    return _rendered(environment, "report.html.jinja", report)


def markdown(report: Report) -> str:
    """The same in words, for a ticket or a wiki."""
    environment = _environment(autoescape=False, finalize=_markdown_text)
    text = _rendered(environment, "report.md.jinja", report)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _rendered(environment: "Environment", template: str, report: Report) -> str:
    found = rows(report)
    return environment.get_template(template).render(
        report=report, rows=found[:ROWS], all_rows=found, left_out=max(0, len(found) - ROWS)
    )


def _environment(*, autoescape: bool, finalize: Callable[[Any], Any]) -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("flinkops.report"),
        autoescape=autoescape,  # noqa: S701 - Markdown has its own escapes, in `finalize`
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters: dict[str, Callable[[Any], str]] = {
        "moment": _moment,
        "clock": lambda at_ms: _moment(at_ms)[11:],
        "seconds": lambda seconds: human_seconds(seconds) if seconds else "0 s",
        "ratio": human_ratio,
        "evidence": _evidence,
        "describe": describe,
    }
    environment.filters |= filters
    return environment


def _moment(at_ms: int | None) -> str:
    """To the second, UTC."""
    text = iso_utc(at_ms)
    return UNKNOWN if text is None else f"{text[:10]} {text[11:19]}Z"


def _evidence(line: Any) -> str:
    """What was observed, and the limit that it crossed."""
    if line.value is None or line.limit is None or line.unit is None:
        return str(line.text)
    return f"{line.text} ({human_value(line.value, line.unit)}, limit {human_value(line.limit, line.unit)})"


def _text(value: Any) -> Any:
    """Every value on its way into the page: text without escapes and overrides, masked, cut; drawings as they are."""
    if type(value) is not str:
        return value
    shown = clean(value)
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"


def _markdown_text(value: Any) -> Any:
    """The same, and nothing in it is read as Markdown or as HTML."""
    return _MARKDOWN.sub(r"\\\g<0>", _text(value)) if type(value) is str else value
