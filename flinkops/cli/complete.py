"""Completion with live names (jobs, sources, contexts): quick, from a small cache, never an error."""

import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from flinkops.errors import UsageError
from flinkops.user_folders import cache_folder

if TYPE_CHECKING:
    from flinkops.config.settings import Settings

FRESH_SECONDS = 10.0
PATIENCE_SECONDS = 0.15
"""For all sources together: a Tab that hangs is worse than no suggestion."""
MAX_SOURCES = 4
_ONE_WORD = re.compile(r"[\w.@][\w.@/+=,-]*(?::[\w.@/+=,-]+)*", re.ASCII)


def complete_job(incomplete: str) -> list[str]:
    """Names of jobs that begin so; what is remembered of the last poll when nobody answers in time."""
    return _beginning(incomplete, _names)


def complete_context(incomplete: str) -> list[str]:
    """Contexts of the kubeconfig that begin so. Nobody is asked."""
    return _beginning(incomplete, _contexts)


def complete_source(incomplete: str) -> list[str]:
    """Names of [[sources]] that begin so, for --rest. Nobody is asked."""
    return _beginning(incomplete, _sources)


def _beginning(incomplete: str, names: Callable[[], Iterable[str]]) -> list[str]:
    """Those that a shell takes for one word as they are.

    It would take what is in another name for its own, and zsh evaluates it: a job of such a name is named by its id.
    """
    try:
        return [name for name in names() if name.startswith(incomplete) and _ONE_WORD.fullmatch(name)]
    except Exception:  # noqa: BLE001 - a Tab never prints an error
        return []


def _contexts() -> Iterable[str]:
    """Read as YAML alone: the kubernetes package takes too long for a Tab, and would log in."""
    from flinkops.sources.kubernetes.access import context_names

    return context_names(_given("--kubeconfig") or [None])


def _sources() -> Iterable[str]:
    from flinkops.config.load import load_settings

    return [source.name for source in load_settings({}).sources]


def remember_names(settings: "Settings", names: Iterable[str]) -> None:
    """Keep what a poll found, if it found any, for completions to come. Not being able to is no error."""
    from flinkops.clock import SystemClock
    from flinkops.ownership import make_private
    from flinkops.private_file import write_private

    found = sorted(set(names))
    if not found:
        return
    try:
        path = _cache_file(settings)
        make_private(path.parent)
        write_private(path, json.dumps([SystemClock().now_ms(), found]).encode())
    except (OSError, UsageError):
        return


def _names() -> list[str]:
    from flinkops.clock import SystemClock
    from flinkops.config.load import load_settings

    flags = {option: _given(f"--{option}") or None for option in ("rest", "context", "kubeconfig", "namespace")}
    settings = load_settings(flags)
    known = _remembered(settings)
    if known and 0 <= SystemClock().now_ms() - known[0] < FRESH_SECONDS * 1000:
        return known[1]
    names = _ask(settings)
    if names is None:
        return known[1] if known else []
    remember_names(settings, names)
    return names


def _ask(settings: "Settings") -> list[str] | None:
    """What the REST sources say now; None when none of them does, in time.

    No API server is asked: to log in takes longer than a Tab may, and may open a browser that nobody asked for. Of
    Kubernetes the names are those that the last `status`, screen or `doctor` of the same targets found.
    """
    from flinkops.act.rest.embedded import embedded_endpoint
    from flinkops.sources.flink.endpoints import rest_endpoints
    from flinkops.sources.flink.job_names import job_names

    fleet = embedded_endpoint()
    endpoints = (rest_endpoints(settings) or ([fleet] if fleet else []))[:MAX_SOURCES]
    answers = [job_names(each, timeout_seconds=PATIENCE_SECONDS / len(endpoints)) for each in endpoints]
    known = [names for names in answers if names is not None]
    return [name for names in known for name in names] if known else None


def _given(option: str) -> list[str]:
    """What the command line that is being completed gives for an option: in bash's words, or in zsh's and fish's."""
    import os
    import shlex

    line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", "")
    try:
        words = shlex.split(line) or sys.argv
    except ValueError:  # a quote that is still open
        words = line.split()
    short = {"--namespace": "-n"}.get(option)
    spaced = [word for before, word in pairwise(words) if before in (option, short)]
    return spaced + [word.partition("=")[2] for word in words if word.startswith(f"{option}=")]


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
