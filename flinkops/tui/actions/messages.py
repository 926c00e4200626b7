"""What screens want of the actions, and what comes back from their threads, as typed messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from flinkops.model.assessment import JobAssessment
from flinkops.model.plan import Plan, Result
from flinkops.tui.actions.catalog import Kind, Planning, Running
from flinkops.tui.background import Outcome

if TYPE_CHECKING:
    from flinkops.act.executor import Progress


@dataclass
class ChooseAction(Message):
    """Offer everything that can be done to these jobs."""

    jobs: Sequence[JobAssessment]


@dataclass
class AskAction(Message):
    """Plan this action for these jobs; `text`: what would be typed for it, asked for where it is needed and empty."""

    kind: Kind
    jobs: Sequence[JobAssessment]
    text: str = ""


@dataclass
class Planned(Message):
    """A plan was made, or could not be."""

    planning: Planning
    outcome: Outcome[Plan]


@dataclass
class ActionProgressed(Message):
    """A step of a running action began, ended, or has something to tell."""

    running: Running
    progress: "Progress"


@dataclass
class ActionEnded(Message):
    """An action is over, one way or the other."""

    running: Running
    outcome: Outcome[Result]
