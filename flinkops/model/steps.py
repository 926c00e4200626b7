"""What a step of a plan is told, and what it found: the bases of the structs that each action has of its own.

A step's input is written into the plan, its outcomes into the journal, each under the tag of its struct. Which actions
there are is known where they are carried out (flinkops.act); the shared ones and those of the operator have their
inputs in flinkops.plan.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal, TypeVar

import msgspec

from flinkops.model.assessment import Value
from flinkops.model.tagged import Family

F = TypeVar("F")

Effect = Literal["stopping", "stopped", "submitted", "handed-over"]
"""What has been done to the job; ``handed-over``: the operator stops and starts it."""


class StepInput(Family):
    """All that one step is told.

    ``BEGUN``: what it may have done to the job once it has begun; ``DONE``: what it has done for certain once it has
    ended well.
    """

    __slots__ = ()

    TAG_KEY = "action"
    BEGUN: ClassVar[Effect | None] = None
    DONE: ClassVar[Effect | None] = None

    @classmethod
    def unknown(cls, tag: str, fields: Mapping[str, Any]) -> "UnknownInput":
        """A step of a newer flinkops, or of a back end that is not here."""
        return UnknownInput(tag, dict(fields))


class UnknownInput(StepInput, Value, frozen=True):
    """A step that this flinkops cannot carry out."""

    action: str
    fields: dict[str, Any]

    @property
    def tag(self) -> str:
        """As it was written."""
        return self.action


class StepOutcome(Family):
    """What one step found, or one thing that it noted on the way, also when it failed.

    The fields are shown to people and scripts under their names, but those in ``FOR_STEPS``: they are for later steps.
    """

    __slots__ = ()

    TAG_KEY = "found"
    FOR_STEPS: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def unknown(cls, tag: str, fields: Mapping[str, Any]) -> "UnknownOutcome":
        """Of a step that is not known here."""
        texts = {key: str(value) for key, value in fields.items() if key != cls.TAG_KEY and value is not None}
        return UnknownOutcome(tag, texts)


class UnknownOutcome(StepOutcome, Value, frozen=True):
    """What a step found that this flinkops does not know; only to be shown."""

    found: str
    fields: dict[str, str]

    @property
    def tag(self) -> str:
        """As it was written."""
        return self.found


class NamesSavepoint(StepOutcome):
    """Says from which savepoint or checkpoint the job is to start; None: it says nothing of that."""

    __slots__ = ()

    savepoint: str | None


class SetsSavepointAside(StepOutcome):
    """The savepoint that was named before it is not the one to start from."""

    __slots__ = ()


class NamesNewJob(StepOutcome):
    """Says which job runs after the change."""

    __slots__ = ()

    new_job_id: str


class SaysStopped(StepOutcome):
    """Says when the job was stopped, milliseconds since the epoch; None: that is not known."""

    __slots__ = ()

    stopped_ms: int | None


class SaysStopping(StepOutcome):
    """From here on nothing may run the job: each second counts."""

    __slots__ = ()


class SaysRunning(StepOutcome):
    """All tasks of the job run again."""

    __slots__ = ()


class SaysSize(StepOutcome):
    """Says how large the job's state is; None: that is not known."""

    __slots__ = ()

    state_bytes: int | None


class BeginsSavepoint(StepOutcome):
    """Says after which of Flink's numbers of checkpoints the savepoint comes; None: that was not known."""

    __slots__ = ()

    after_checkpoint: int | None


class Findings:
    """What the steps of one action have found so far, oldest first."""

    def __init__(self, outcomes: Iterable[StepOutcome] = ()) -> None:
        self._outcomes = list(outcomes)

    @property
    def outcomes(self) -> tuple[StepOutcome, ...]:
        """All of them."""
        return tuple(self._outcomes)

    def add(self, outcome: StepOutcome) -> None:
        """One more."""
        self._outcomes.append(outcome)

    def last(self, kind: type[F]) -> F | None:
        """The newest of this kind; None when no step found any."""
        return next((one for one in reversed(self._outcomes) if isinstance(one, kind)), None)

    @property
    def savepoint(self) -> str | None:
        """From which the job is to start."""
        for outcome in reversed(self._outcomes):
            if isinstance(outcome, SetsSavepointAside):
                return None
            if isinstance(outcome, NamesSavepoint) and outcome.savepoint:
                return outcome.savepoint
        return None

    @property
    def new_job_id(self) -> str | None:
        """The job that runs after the change."""
        found = self.last(NamesNewJob)
        return found.new_job_id if found is not None else None

    @property
    def stopped_ms(self) -> int | None:
        """When the job was stopped."""
        known = (one.stopped_ms for one in reversed(self._outcomes) if isinstance(one, SaysStopped))
        return next((one for one in known if one is not None), None)

    @property
    def is_down(self) -> bool:
        """Whether nothing may run the job now."""
        told = (one for one in reversed(self._outcomes) if isinstance(one, (SaysStopping, SaysRunning)))
        return isinstance(next(told, None), SaysStopping)

    @property
    def state_bytes(self) -> int | None:
        """The size of its state."""
        known = (one.state_bytes for one in reversed(self._outcomes) if isinstance(one, SaysSize))
        return next((one for one in known if one is not None), None)

    def by_name(self) -> dict[str, Any]:
        """Every known value by the name of its field; the newest of each name."""
        values: dict[str, Any] = {}
        for outcome in self._outcomes:
            if isinstance(outcome, SetsSavepointAside):
                values.pop("savepoint", None)
            values.update(_known_fields(outcome))
        return values

    def as_text(self) -> dict[str, str]:
        """The same as texts, as documents show them (``seen``)."""
        return {name: str(value) for name, value in self.by_name().items()}

    def for_people(self) -> dict[str, str]:
        """Without what only later steps need."""
        hidden = {name for outcome in self._outcomes for name in outcome.FOR_STEPS}
        return {name: text for name, text in self.as_text().items() if name not in hidden}


def described(outcomes: Iterable[StepOutcome]) -> str:
    """What a step found, in one line, for people."""
    found = Findings(outcomes).for_people()
    return ", ".join(f"{name.replace('_', ' ')} {text}" for name, text in found.items() if text)


def _known_fields(outcome: StepOutcome) -> dict[str, Any]:
    if isinstance(outcome, UnknownOutcome):
        return dict(outcome.fields)
    values = msgspec.structs.asdict(outcome)  # type: ignore[arg-type]
    return {name: value for name, value in values.items() if value is not None and value != ""}
