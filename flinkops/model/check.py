"""What `flinkops doctor --self` found out about flinkops itself: one value a check."""

from typing import Literal

from flinkops.model.assessment import Value

CheckState = Literal["ok", "warning", "failed", "unknown"]


class Check(Value, frozen=True):
    """One thing that was checked. ``next`` is what to do about it, where something is to be done."""

    area: str  # flinkops, folder, or the name of a source
    subject: str  # version, reach, clock, permission, ...
    state: CheckState
    text: str
    next: str | None = None
