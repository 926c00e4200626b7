"""What the finder (`:`) offers: every key of the place, every action, job and theme, each under its name."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from textual.message import Message

from flinkops.model.assessment import JobAssessment
from flinkops.tui.actions.catalog import KINDS
from flinkops.tui.actions.messages import AskAction
from flinkops.tui.keys import Where, at
from flinkops.tui.messages import OpenJob
from flinkops.tui.view import View


@dataclass(frozen=True)
class Command:
    """One line of the finder; what `run` returns is awaited where it can be."""

    label: str
    hint: str
    run: Callable[[], object]


def key_commands(places: Sequence[Where], run: Callable[[str], object]) -> Iterator[Command]:
    """What the keys of these places do; `run` gets the name of the action."""
    for key in at(*places, "everywhere"):
        if key.action not in ("app.find", "goto_tab") and not key.action.startswith("move"):
            yield Command(key.help, f"key {key.shown}", partial(run, key.action))


def action_commands(jobs: Sequence[JobAssessment], post: Callable[[Message], object]) -> Iterator[Command]:
    """What can be done to these jobs."""
    for kind in KINDS:
        yield Command(f"act: {kind.title}", kind.says, partial(post, AskAction(kind, jobs)))


def job_commands(view: View | None, post: Callable[[Message], object]) -> Iterator[Command]:
    """Every job, by its whole name."""
    for job in view.jobs if view else ():
        name = "/".join(part for part in job.key if part)
        yield Command(f"open {name}", job.health.level, partial(post, OpenJob(job.key)))


def theme_commands(themes: Iterable[str], use: Callable[[str], object]) -> Iterator[Command]:
    """Every theme."""
    for theme in sorted(themes):
        yield Command(f"theme {theme}", "colours", partial(use, theme))
