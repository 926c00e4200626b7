"""Completion of JOB with live names: quick, from a small cache, never an error."""

import hashlib
import json
import sys
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from flinkops.errors import FlinkopsError, UsageError
from flinkops.user_folders import cache_folder

if TYPE_CHECKING:
    from flinkops.config.settings import Settings

FRESH_SECONDS = 10.0
PATIENCE_SECONDS = 0.15
"""For all sources together: a Tab that hangs is worse than no suggestion."""
MAX_SOURCES = 4


def complete_job(incomplete: str) -> list[str]:
    """Names of jobs that begin so; what is remembered of the last poll when nobody answers in time."""
    try:
        names = _names()
    except (FlinkopsError, OSError, ValueError):
        return []
    # A shell would take what is in a hostile name for its own: such a job is named by its id.
    return [name for name in names if name.startswith(incomplete) and name.isprintable()]


def remember_names(settings: "Settings", names: Iterable[str]) -> None:
    """Keep what a poll found for completions to come. Not being able to is no error."""
    from flinkops.clock import SystemClock
    from flinkops.ownership import make_private
    from flinkops.private_file import write_private

    try:
        path = _cache_file(settings)
        make_private(path.parent)
        write_private(path, json.dumps([SystemClock().now_ms(), sorted(set(names))]).encode())
    except (OSError, UsageError):
        return


def _names() -> list[str]:
    from flinkops.clock import SystemClock
    from flinkops.config.load import load_settings

    settings = load_settings({"rest": _rest_on_the_line() or None})
    known = _remembered(settings)
    if known and 0 <= SystemClock().now_ms() - known[0] < FRESH_SECONDS * 1000:
        return known[1]
    names = _ask(settings)
    if names is None:
        return known[1] if known else []
    remember_names(settings, names)
    return names


def _ask(settings: "Settings") -> list[str] | None:
    """What the REST sources say now; None when none of them does, in time."""
    from flinkops.act.rest.embedded import embedded_endpoint
    from flinkops.sources.flink.endpoints import rest_endpoints
    from flinkops.sources.flink.job_names import job_names

    fleet = embedded_endpoint()
    endpoints = (rest_endpoints(settings) or ([fleet] if fleet else []))[:MAX_SOURCES]
    answers = [job_names(each, timeout_seconds=PATIENCE_SECONDS / len(endpoints)) for each in endpoints]
    known = [names for names in answers if names is not None]
    return [name for names in known for name in names] if known else None


def _rest_on_the_line() -> list[str]:
    """--rest of the command line that is being completed."""
    import os

    words = os.environ.get("COMP_WORDS", "").split() or sys.argv
    return [word for before, word in pairwise(words) if before == "--rest"]


def _remembered(settings: "Settings") -> tuple[int, list[str]] | None:
    try:
        at_ms, names = json.loads(_cache_file(settings).read_text(encoding="utf-8"))
        return int(at_ms), [str(name) for name in names]
    except (OSError, UsageError, ValueError, TypeError, RecursionError):
        return None


def _cache_file(settings: "Settings") -> Path:
    """One file for each set of targets."""
    sources = tuple(source.name for source in settings.sources)
    target = repr((settings.rest, sources, settings.contexts, settings.kubeconfigs, settings.namespaces))
    return cache_folder() / f"jobs-{hashlib.sha256(target.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}.json"
