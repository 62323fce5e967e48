"""Figures of the gate out of counts and values by clip, each with its bootstrap interval."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vivavoce.contract.stats import Floats, Interval, grouped_interval, quantile, ratio, sums_interval
from vivavoce.evals.scores import chrf_counts, chrf_of
from vivavoce.gate.metric import Metric, Owner


@dataclass(frozen=True, slots=True)
class Count:
    """`hits` of `of` events that there were in a clip."""

    clip: str
    hits: float
    of: float


@dataclass(frozen=True, slots=True)
class Value:
    """One event's value, in the unit of the figure."""

    clip: str
    value: float


@dataclass(frozen=True, slots=True)
class Rendered:
    """A clip's translation beside what a person made of it."""

    clip: str
    reference: str
    hypothesis: str


def rate(
    name: str,
    counts: Iterable[Count],
    *,
    what: str,
    owner: Owner,
    unit: str = "%",
    better: Literal["lower", "higher"] = "lower",
) -> Metric:
    """Hits over events, in percent where the unit is that, else as a ratio; `n` is the number of events."""
    scale = 100.0 if unit == "%" else 1.0
    sums = _by_clip(counts)
    hits, of = (sum(column) for column in zip(*sums.values(), strict=True)) if sums else (0.0, 0.0)
    return Metric(
        name=name,
        value=scale * hits / of if of else None,
        unit=unit,
        n=round(of),
        what=what,
        owner=owner,
        better=better,
        interval=_interval(sums, lambda rows: scale * ratio(rows)) if of else None,
        parts={clip: scale * part / whole for clip, (part, whole) in sums.items() if whole},
    )


def total(name: str, counts: Iterable[Count], *, what: str, owner: Owner, unit: str) -> Metric:
    """Hits of all clips together; `n` is the number of events among which they were looked for."""
    sums = _by_clip(counts)
    return Metric(
        name=name,
        value=sum(hits for hits, _ in sums.values()) if sums else None,
        unit=unit,
        n=round(sum(of for _, of in sums.values())),
        what=what,
        owner=owner,
        interval=_interval(sums, lambda rows: rows[:, 0]),
        parts={clip: hits for clip, (hits, _) in sums.items() if hits},
    )


def mean(name: str, values: Iterable[Value], *, what: str, owner: Owner, unit: str) -> Metric:
    return rate(name, [Count(each.clip, each.value, 1.0) for each in values], what=what, owner=owner, unit=unit)


def latency(name: str, values: Sequence[Value], q: float, *, what: str, owner: Owner) -> Metric:
    """The `q`-quantile in ms; `parts` are the same of each clip's own events."""
    of: dict[str, list[float]] = {}
    for each in values:
        of.setdefault(each.clip, []).append(each.value)
    flat = [each.value for each in values]
    return Metric(
        name=name,
        value=quantile(sorted(flat), q) if flat else None,
        unit="ms",
        n=len(flat),
        what=what,
        owner=owner,
        interval=grouped_interval(list(of.values()), q) if flat else None,
        parts={clip: quantile(sorted(own), q) for clip, own in of.items()},
    )


def chrf_plus_plus(name: str, rendered: Iterable[Rendered], *, owner: Owner) -> Metric:
    """Corpus chrF++ over clips that have a reference."""
    rows = {each.clip: chrf_counts(each.reference, each.hypothesis) for each in rendered if each.reference.strip()}
    score = chrf_of(np.array(list(rows.values()))) if rows else np.array([])
    return Metric(
        name=name,
        value=float(chrf_of(np.sum(list(rows.values()), axis=0)[None])[0]) if rows else None,
        unit="",
        n=len(rows),
        what="clips",
        owner=owner,
        better="higher",
        interval=_interval(rows, chrf_of),
        parts={clip: float(value) for clip, value in zip(rows, score, strict=True)},
    )


def chrf_cost(name: str, pairs: Iterable[tuple[Rendered, Rendered]], *, owner: Owner) -> Metric:
    """By how many points chrF++ is lower over the second translations of clips than over the first."""
    rows = {
        first.clip: [count for each in (first, second) for count in chrf_counts(each.reference, each.hypothesis)]
        for first, second in pairs
        if first.reference.strip()
    }

    def lower(sums: Floats) -> Floats:
        width = sums.shape[1] // 2
        return np.asarray(chrf_of(sums[:, :width]) - chrf_of(sums[:, width:]))

    each = lower(np.array(list(rows.values()))) if rows else np.array([])
    return Metric(
        name=name,
        value=float(lower(np.sum(list(rows.values()), axis=0)[None])[0]) if rows else None,
        unit="points",
        n=len(rows),
        what="clips",
        owner=owner,
        interval=_interval(rows, lower),
        parts={clip: float(value) for clip, value in zip(rows, each, strict=True)},
    )


def _by_clip(counts: Iterable[Count]) -> dict[str, tuple[float, float]]:
    sums: dict[str, tuple[float, float]] = {}
    for count in counts:
        hits, of = sums.get(count.clip, (0.0, 0.0))
        sums[count.clip] = hits + count.hits, of + count.of
    return sums


def _interval(rows: Mapping[str, Sequence[float]], figure: Callable[[Floats], Floats]) -> Interval | None:
    return sums_interval(list(rows.values()), figure) if rows else None
