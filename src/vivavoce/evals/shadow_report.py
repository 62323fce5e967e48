"""What shadows showed: the rows of their pairs, put together by primary and shadow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import Any

from vivavoce.contract.stats import Interval, bootstrap_interval, percentiles
from vivavoce.routing.shadow_rows import Row

LEAST_PAIRS = 30
MOST_VOID = 0.05
MOST_WER = 12.0
"""The gate's bar. The primary is no reference: a candidate may differ because it is right."""
_PROMISING = "promising"


@dataclass(frozen=True, slots=True)
class Spread:
    p50: float
    p95: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One shadow beside one primary. Latencies in ms, `wer_percent` of the shadow against the primary's finals.

    `difference_ms` is shadow minus primary, pair by pair, with the bootstrap's interval of its median. `chrf` and
    `length_ratio` are the mean and the median over pairs, `cost_ratio` the shadow's cost over the primary's, of the
    pairs for which both are known. What is unknown is None.
    """

    leg: str
    primary: str
    shadow: str
    n: int
    sessions: int
    void: dict[str, int]
    primary_ms: Spread | None
    shadow_ms: Spread | None
    difference_ms: Spread | None
    difference_interval_ms: Interval | None
    wer_percent: float | None
    chrf: float | None
    length_ratio: float | None
    primary_nano: int | None
    shadow_nano: int | None
    cost_ratio: float | None
    prices: tuple[str, ...]
    verdict: str

    @property
    def promising(self) -> bool:
        """Whether nothing speaks against running the gate on it."""
        return self.verdict.startswith(_PROMISING)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


Cap = Callable[[str, str], float | None]
"""The cap in ms of an engine's p95, from the names of leg and engine."""


def compare(rows: Iterable[Row], cap_ms: Cap) -> list[Comparison]:
    """By leg, primary and shadow."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.leg, row.primary_engine, row.shadow), []).append(row)
    return [_comparison(key, groups[key], cap_ms) for key in sorted(groups)]


def _comparison(key: tuple[str, str, str], rows: Sequence[Row], cap_ms: Cap) -> Comparison:
    leg, primary, shadow = key
    pairs = [row for row in rows if not row.void]
    void = dict(Counter(row.void for row in rows if row.void))
    mine = [row.primary_ms for row in pairs if row.primary_ms is not None]
    theirs = [row.shadow_ms for row in pairs if row.shadow_ms is not None]
    differences = [
        row.shadow_ms - row.primary_ms for row in pairs if row.primary_ms is not None and row.shadow_ms is not None
    ]
    errors, words = (sum(getattr(row, name) or 0 for row in pairs) for name in ("errors", "words"))
    chrfs = [row.chrf for row in pairs if row.chrf is not None]
    ratios = [row.length_ratio for row in pairs if row.length_ratio is not None]
    costs = [
        (row.primary_nano, row.shadow_nano)
        for row in pairs
        if row.primary_nano is not None and row.shadow_nano is not None
    ]
    cost, shadow_cost = sum(cost for cost, _ in costs), sum(cost for _, cost in costs)
    wer_percent = 100.0 * errors / words if words else None
    interval = bootstrap_interval(differences, 0.5) if differences else None
    return Comparison(
        leg=leg,
        primary=primary,
        shadow=shadow,
        n=len(pairs),
        sessions=len({row.session_id for row in rows}),
        void=void,
        primary_ms=_spread(mine),
        shadow_ms=_spread(theirs),
        difference_ms=_spread(differences),
        difference_interval_ms=interval,
        wer_percent=wer_percent,
        chrf=fmean(chrfs) if chrfs else None,
        length_ratio=median(ratios) if ratios else None,
        primary_nano=cost if costs else None,
        shadow_nano=shadow_cost if costs else None,
        cost_ratio=shadow_cost / cost if cost else None,
        prices=tuple(sorted({p for row in pairs for p in (row.primary_price, row.shadow_price) if p})),
        verdict=_verdict(len(pairs), sum(void.values()), _spread(theirs), interval, wer_percent, cap_ms(leg, shadow)),
    )


def _verdict(
    n: int,
    void: int,
    latency: Spread | None,
    interval: Interval | None,
    wer_percent: float | None,
    cap_ms: float | None,
) -> str:
    """One line: what speaks against the candidate, or that the gate may be run on it."""
    if n + void < LEAST_PAIRS or latency is None or interval is None:
        return f"undecided: {n} pairs, {LEAST_PAIRS} are needed"
    against = []
    if void > MOST_VOID * (n + void):
        against.append(f"{100 * void / (n + void):.0f} % void")
    if cap_ms is not None and latency.p95 > cap_ms:
        against.append(f"p95 {latency.p95:.0f} ms over the cap of {cap_ms:.0f}")
    if wer_percent is not None and wer_percent >= MOST_WER:
        against.append(f"{wer_percent:.1f} % of words differ")
    if against:
        return "no: " + ", ".join(against)
    pace = "as fast"
    if interval.low > 0:
        pace = "slower"
    elif interval.high < 0:
        pace = "faster"
    return f"{_PROMISING}: {pace}, within its bars; run the gate on it"


def _spread(values: Sequence[float]) -> Spread | None:
    if not values:
        return None
    found = percentiles(values)
    return Spread(found.p50, found.p95)
