"""Loads of a day, as published work on autoscaling draws them: name -> records a second at a time in seconds.

Each is a share of a base load; none goes below 2 % of it, but for outages. What is drawn by chance has its own seed.
"""

import math
import random
from collections.abc import Mapping
from functools import partial

from flinkops.autoscale.simulate import Load

DAY_SECONDS = 86_400.0
HOUR_SECONDS = 3600.0
MINUTE_SECONDS = 60.0


def _step(to: float, at_seconds: float, seconds: float) -> float:
    return to if seconds >= at_seconds else 1.0


def _stairs(share: float, every_seconds: float, seconds: float) -> float:
    return max(0.1, 1.0 + share * math.floor(seconds / every_seconds))


def _ramp(to: float, begin_seconds: float, end_seconds: float, seconds: float) -> float:
    done = min(1.0, max(0.0, (seconds - begin_seconds) / (end_seconds - begin_seconds)))
    return 1.0 + (to - 1.0) * done


def _wave(amplitude: float, period_seconds: float, seconds: float) -> float:
    return 1.0 + amplitude * math.sin(2 * math.pi * seconds / period_seconds)


def _two_peaks(seconds: float) -> float:
    """Mornings and evenings, as commuters make them."""
    hour = seconds / HOUR_SECONDS
    return 0.3 + 1.2 * math.exp(-(((hour - 8.5) / 1.8) ** 2)) + 1.5 * math.exp(-(((hour - 18.5) / 2.2) ** 2))


def _office(seconds: float) -> float:
    hour = seconds / HOUR_SECONDS
    return 1.5 if 8 <= hour < 18 else 0.2


def _spikes(factor: float, length_seconds: float, every_seconds: float, seconds: float) -> float:
    return factor if seconds % every_seconds >= every_seconds - length_seconds else 1.0


def _square(low: float, high: float, period_seconds: float, seconds: float) -> float:
    return high if seconds % period_seconds < period_seconds / 2 else low


def _sawtooth(low: float, high: float, period_seconds: float, seconds: float) -> float:
    return low + (high - low) * (seconds % period_seconds) / period_seconds


def _flash_crowd(factor: float, at_seconds: float, half_life_seconds: float, seconds: float) -> float:
    """Up within five minutes, then down by half each half-life (Ari et al., 2003; Wikipedia's news days)."""
    if seconds < at_seconds:
        return 1.0
    rising = min(1.0, (seconds - at_seconds) / 300.0)
    fading = math.pow(0.5, max(0.0, seconds - at_seconds - 300.0) / half_life_seconds)
    return 1.0 + (factor - 1.0) * rising * fading


def _outage(length_seconds: float, seconds: float) -> float:
    """Nothing comes for a while, then all of it within a quarter of an hour."""
    begin = 10 * HOUR_SECONDS
    if begin <= seconds < begin + length_seconds:
        return 0.0
    after = seconds - begin - length_seconds
    return 1.0 + length_seconds / 900.0 if 0 <= after < 900.0 else 1.0


def _dip(to: float, length_seconds: float, seconds: float) -> float:
    return to if 12 * HOUR_SECONDS <= seconds < 12 * HOUR_SECONDS + length_seconds else 1.0


def _walk(stride: float, seed: int) -> Load:
    """A random walk with a step every ten minutes, between a fifth and three times the base load."""
    chance = random.Random(seed)
    levels = [1.0]
    for _ in range(round(DAY_SECONDS / 600)):
        levels.append(min(3.0, max(0.2, levels[-1] * (1 + chance.uniform(-stride, stride)))))
    return lambda seconds: levels[min(len(levels) - 1, int(seconds // 600))]


def _bursts(rate_an_hour: float, seed: int) -> Load:
    """Bursts at random times, their heights by Pareto's law, five minutes each."""
    chance = random.Random(seed)
    bursts, at = [], 0.0
    while at < DAY_SECONDS:
        at += chance.expovariate(rate_an_hour / HOUR_SECONDS)
        bursts.append((at, min(4.0, chance.paretovariate(1.8))))
    return lambda seconds: 1.0 + max((high for at, high in bursts if at <= seconds < at + 300), default=0.0)


def _noisy(share: float, seed: int) -> Load:
    """Each minute another one, by so much around the base load."""
    return lambda seconds: 1.0 + share * random.Random(seed * 100_000 + int(seconds // 60)).uniform(-1, 1)


def _product(*loads: Load) -> Load:
    return lambda seconds: math.prod(load(seconds) for load in loads)


SHAPES: Mapping[str, Load] = {
    "steady": lambda _: 1.0,
    "steady, noise 10 %": _noisy(0.1, 1),
    "steady, noise 30 %": _noisy(0.3, 2),
    "step x2": partial(_step, 2.0, 8 * HOUR_SECONDS),
    "step x4": partial(_step, 4.0, 8 * HOUR_SECONDS),
    "step /2": partial(_step, 0.5, 8 * HOUR_SECONDS),
    "step /4": partial(_step, 0.25, 8 * HOUR_SECONDS),
    "stairs up": partial(_stairs, 0.35, 3 * HOUR_SECONDS),
    "stairs down": partial(_stairs, -0.11, 3 * HOUR_SECONDS),
    "ramp x3 in 20 min": partial(_ramp, 3.0, 8 * HOUR_SECONDS, 8 * HOUR_SECONDS + 1200),
    "ramp x3 in 4 h": partial(_ramp, 3.0, 8 * HOUR_SECONDS, 12 * HOUR_SECONDS),
    "ramp /3 in 4 h": partial(_ramp, 1 / 3, 8 * HOUR_SECONDS, 12 * HOUR_SECONDS),
    "drift x2 in a day": partial(_ramp, 2.0, 0.0, DAY_SECONDS),
    "drift /2 in a day": partial(_ramp, 0.5, 0.0, DAY_SECONDS),
    "daily 30 %": partial(_wave, 0.3, DAY_SECONDS),
    "daily 60 %": partial(_wave, 0.6, DAY_SECONDS),
    "daily 90 %": partial(_wave, 0.9, DAY_SECONDS),
    "daily 60 %, noise 20 %": _product(partial(_wave, 0.6, DAY_SECONDS), _noisy(0.2, 3)),
    "two peaks": _two_peaks,
    "office hours": _office,
    "wave of 4 h": partial(_wave, 0.5, 4 * HOUR_SECONDS),
    "wave of 1 h": partial(_wave, 0.5, HOUR_SECONDS),
    "wave of 20 min": partial(_wave, 0.5, 20 * MINUTE_SECONDS),
    "square of 4 h": partial(_square, 0.5, 1.5, 4 * HOUR_SECONDS),
    "square of 1 h": partial(_square, 0.5, 1.5, HOUR_SECONDS),
    "square of 20 min": partial(_square, 0.5, 1.5, 20 * MINUTE_SECONDS),
    "sawtooth of 6 h": partial(_sawtooth, 0.5, 2.0, 6 * HOUR_SECONDS),
    "spikes x3, 2 min an hour": partial(_spikes, 3.0, 120.0, HOUR_SECONDS),
    "spikes x3, 10 min in 4 h": partial(_spikes, 3.0, 600.0, 4 * HOUR_SECONDS),
    "bursts by Pareto": _bursts(1.0, 4),
    "flash crowd x5": partial(_flash_crowd, 5.0, 9 * HOUR_SECONDS, 1800.0),
    "flash crowd x10": partial(_flash_crowd, 10.0, 9 * HOUR_SECONDS, HOUR_SECONDS),
    "outage of 30 min": partial(_outage, 1800.0),
    "outage of 2 h": partial(_outage, 7200.0),
    "dip to a tenth for 15 min": partial(_dip, 0.1, 900.0),
    "random walk 10 %": _walk(0.1, 5),
    "random walk 25 %": _walk(0.25, 6),
}
