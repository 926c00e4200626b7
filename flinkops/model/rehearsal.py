"""What a rehearsal found: whether a program can restore a state, operator by operator and state by state."""

from typing import Literal

from flinkops.model.assessment import Value

Verdict = Literal["restores", "fails", "loses-state", "cannot-tell"]
OperatorOutcome = Literal["restored", "new", "dropped", "kept"]
StateOutcome = Literal["compatible", "migrated", "incompatible", "unopened", "added"]


class RehearsedOperator(Value, frozen=True):
    """``kept``: of a sink that was replaced: its state was not opened. ``name`` is None when it is not known."""

    id: str
    name: str | None
    outcome: OperatorOutcome
    state_bytes: int | None = None


class RehearsedState(Value, frozen=True):
    """``operator`` is an id. ``keys_read`` of all subtasks; ``detail``: why it is incompatible, or what is dropped."""

    operator: str
    name: str
    kind: Literal["keyed", "operator"]
    outcome: StateOutcome
    type: str = ""
    serializer: str = ""
    bytes: int | None = None
    keys_read: int = 0
    detail: str | None = None


class RehearsedSample(Value, frozen=True):
    """So much of the keyed state was restored; state that is not keyed always is."""

    bytes: int
    of_bytes: int


class Rehearsal(Value, frozen=True):
    """``cause`` and ``remedy`` are one line each; None where it restores.

    ``lost`` are the operators whose state would not be there afterwards: what `--accept-loss` has to name. ``risks``
    are named and refuse nothing. ``outside``: what runs as it is, and may touch the outside. ``other_jobs``: names of
    further jobs that the program submits, which were not judged; the one that was is number ``job_number``, from 0 on.
    ``sample`` is None when all was restored.
    """

    job: str
    verdict: Verdict
    cause: str | None = None
    remedy: str | None = None
    against: str = ""
    seconds: float | None = None
    restore_seconds: float | None = None
    outside: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    operators: tuple[RehearsedOperator, ...] = ()
    states: tuple[RehearsedState, ...] = ()
    other_jobs: tuple[str, ...] = ()
    job_number: int = 0
    sample: RehearsedSample | None = None

    @property
    def refuses(self) -> bool:
        """Whether an upgrade stops here unless each loss is accepted by name."""
        return self.verdict in ("fails", "loses-state")
