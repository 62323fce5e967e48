"""Percentiles of latencies, with an interval that says how far to trust them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

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


def grouped_interval(
    groups: Sequence[Sequence[float]],
    q: float = 0.95,
    *,
    seed: int = 0,
    confidence: float = 0.95,
    resamples: int = 2000,
) -> Interval:
    """The percentile bootstrap's interval for the `q`-quantile of the values of all groups, which are drawn whole.

    For values that are alike within a group, as those of one clip are. The same seed gives the same interval; with one
    group it has no width. Raises ValueError without values.
    """
    sizes = [len(values) for values in groups if values]
    if not sizes:
        raise ValueError("no values, no interval")
    values = np.concatenate([np.asarray(values, dtype=np.float64) for values in groups if values])
    order = np.argsort(values, kind="stable")
    values, group_of = values[order], np.repeat(np.arange(len(sizes)), sizes)[order]
    share = np.full(len(sizes), 1.0 / len(sizes))
    times_drawn = np.random.default_rng(seed).multinomial(len(sizes), share, size=resamples)
    rows = max(1, _BLOCK // len(values))  # bounds the memory of one block of resamples
    estimates = np.concatenate(
        [
            _weighted_quantiles(values, times_drawn[done : done + rows][:, group_of], q)
            for done in range(0, resamples, rows)
        ]
    )
    tail = (1 - confidence) / 2
    low, high = np.quantile(estimates, [tail, 1 - tail])
    return Interval(float(low), float(high))


def _weighted_quantiles(ordered: Floats, times: NDArray[np.int64], q: float) -> Floats:
    """`quantile` of ascending values, each so many times as a row of `times` says; one for each row."""
    until = np.cumsum(times, axis=1)
    place = q * (until[:, -1] - 1)
    below, above = (ordered[(until <= whole[:, None]).sum(axis=1)] for whole in (np.floor(place), np.ceil(place)))
    return np.asarray(below + (above - below) * (place - np.floor(place)))


def sums_interval(
    parts: Sequence[Sequence[float]],
    figure: Callable[[Floats], Floats],
    *,
    seed: int = 0,
    confidence: float = 0.95,
    resamples: int = 2000,
) -> Interval | None:
    """The percentile bootstrap's interval of a figure of sums: an error rate, a mean, chrF.

    `parts` holds one row of counts for each unit that is drawn again, a clip or a clause; `figure` makes one value of
    each row of sums, (resamples, counts) to (resamples,), NaN where it has nothing to rest on. Units and not events are
    drawn, because what lies within a clip is alike. The same seed gives the same interval. None where no draw has a
    value. Raises ValueError without parts.
    """
    if not parts:
        raise ValueError("no parts, no interval")
    data = np.asarray(parts, dtype=np.float64)
    share = np.full(len(data), 1.0 / len(data))
    times_drawn = np.random.default_rng(seed).multinomial(len(data), share, size=resamples)
    estimates = figure(times_drawn @ data)
    estimates = estimates[~np.isnan(estimates)]
    if not len(estimates):
        return None
    tail = (1 - confidence) / 2
    low, high = np.quantile(estimates, [tail, 1 - tail])
    return Interval(float(low), float(high))


def ratio(sums: Floats) -> Floats:
    """The first column by the second, for `sums_interval`; NaN by nothing."""
    return np.asarray(sums[:, 0] / np.where(sums[:, 1] > 0, sums[:, 1], np.nan))
