"""Durations as Prometheus writes them."""

from dataclasses import dataclass

_UNITS_MS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))


@dataclass(frozen=True)
class Timing:
    """Every duration of the rules passes through here. ``scale`` below 1 makes a rehearsal short."""

    scale: float = 1.0

    def __call__(self, seconds: float) -> str:
        """The duration, scaled, in the greatest unit that fits it.

        >>> Timing()(300), Timing()(90), Timing(1 / 60)(300)
        ('5m', '90s', '5s')
        """
        ms = max(1, round(seconds * self.scale * 1000))
        unit, size_ms = next((unit, size_ms) for unit, size_ms in _UNITS_MS if ms % size_ms == 0)
        return f"{ms // size_ms}{unit}"
