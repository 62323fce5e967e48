"""Percentiles of latencies, with an interval that says how far to trust them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_BLOCK = 1_000_000


@dataclass(frozen=True, slots=True)
class Percentiles:
    """`n` values and the percentiles of them, in the unit of the values."""

    n: int
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class Interval:
    low: float
    high: float


def quantile(ordered: Sequence[float], q: float) -> float:
    """The `q`-quantile of ascending values by linear interpolation between the two nearest.

    The same definition as numpy's default (Hyndman and Fan's type 7). Raises ValueError without values.
    """
    if not ordered:
        raise ValueError("no values, no quantile")
    place = q * (len(ordered) - 1)
    below = math.floor(place)
    low, high = ordered[below], ordered[math.ceil(place)]
    return min(high, low + (high - low) * (place - below))


def percentiles(values: Sequence[float]) -> Percentiles:
    """p50, p95 and p99 by `quantile`. Raises ValueError without values."""
    ordered = sorted(values)
    return Percentiles(len(ordered), quantile(ordered, 0.50), quantile(ordered, 0.95), quantile(ordered, 0.99))


def bootstrap_interval(
    values: Sequence[float], q: float = 0.95, *, seed: int = 0, confidence: float = 0.95, resamples: int = 2000
) -> Interval:
    """The percentile bootstrap's interval for the `q`-quantile: the same seed gives the same interval.

    With few values a high quantile is close to the largest of them and the interval cannot reach beyond it: read it
    together with `n`. Raises ValueError without values.
    """
    if not values:
        raise ValueError("no values, no interval")
    data = np.asarray(values, dtype=np.float64)
    rng = np.random.default_rng(seed)
    rows = max(1, _BLOCK // len(data))  # bounds the memory of one block of resamples
    estimates = np.concatenate(
        [
            np.quantile(data[rng.integers(len(data), size=(min(rows, resamples - done), len(data)))], q, axis=1)
            for done in range(0, resamples, rows)
        ]
    )
    tail = (1 - confidence) / 2
    low, high = np.quantile(estimates, [tail, 1 - tail])
    return Interval(float(low), float(high))
