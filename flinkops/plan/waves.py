"""Many jobs at once: who is changed together, in which order, and when it stops. Pure."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from flinkops.errors import UsageError
from flinkops.model.assessment import Value
from flinkops.model.plan import Outcome

Wave = tuple[str, ...]
Ended = Outcome | Literal["interrupted"]
_GOOD: frozenset[str] = frozenset({"verified"})


class Member(Value, frozen=True):
    """One job that is to be changed. ``parallelism`` is what it stands to lose, None where unknown."""

    key: str
    parallelism: int | None = None


class Summary(Value, frozen=True):
    """How it ended, each job in one of the lists, in the order of the waves."""

    verified: tuple[str, ...]
    failed: tuple[str, ...]  # also rolled back, timed out, refused, interrupted
    not_started: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether all were changed and verified."""
        return not self.failed and not self.not_started


def max_unavailable(text: str, jobs: int) -> int:
    """How many jobs may be down at once: a number, or a share of all such as ``25%`` (rounded down, at least 1).

    Raises UsageError on anything else.
    """
    share = text.endswith("%")
    digits = text.removesuffix("%")
    value = int(digits) if digits.isascii() and digits.isdigit() else 0
    if value < 1 or (share and value > 100):
        raise UsageError(f"--max-unavailable {text}: a number of jobs, or a share such as 25%, is expected")
    return max(1, math.floor(jobs * value / 100)) if share else value


def plan_waves(members: Sequence[Member], *, most_at_once: int, canary: bool) -> tuple[Wave, ...]:
    """The jobs in waves of at most `most_at_once`, smaller ones first; with `canary` the first goes alone.

    The order depends on parallelism and key alone, so that a plan that is shown is the plan that is carried out.
    """
    ordered = [one.key for one in sorted(members, key=_least_to_lose)]
    first = 1 if canary else 0
    rest = ordered[first:]
    waves = [tuple(ordered[:first])] if canary and ordered else []
    waves += [tuple(rest[at : at + most_at_once]) for at in range(0, len(rest), most_at_once)]
    return tuple(waves)


def next_wave(waves: Sequence[Wave], ended: Mapping[str, Ended]) -> Wave | None:
    """The wave to start now that all of `ended` have ended; None when there is none left, or one has not gone well."""
    if any(outcome not in _GOOD for outcome in ended.values()):
        return None
    return next((wave for wave in waves if any(key not in ended for key in wave)), None)


def summarise(waves: Sequence[Wave], ended: Mapping[str, Ended]) -> Summary:
    """Where every job stands."""
    keys = [key for wave in waves for key in wave]
    return Summary(
        verified=tuple(key for key in keys if ended.get(key) in _GOOD),
        failed=tuple(key for key in keys if key in ended and ended[key] not in _GOOD),
        not_started=tuple(key for key in keys if key not in ended),
    )


def _least_to_lose(member: Member) -> tuple[float, str]:
    return (math.inf if member.parallelism is None else member.parallelism), member.key
