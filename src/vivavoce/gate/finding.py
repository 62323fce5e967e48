"""A metric beside what it is held to, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from vivavoce.gate.bars import Harness
from vivavoce.gate.metric import Metric, Owner

Status = Literal["pass", "held", "blocked", "not enough", "told", "new"]
STATUSES: Final[tuple[Status, ...]] = ("blocked", "not enough", "held", "new", "pass", "told")
"""In the order in which they want to be seen."""

_DIGITS: Final = frozenset({"%", "", "points", "a word"})
"""Units of what is no count and no latency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A metric beside what it is held to.

    - `pass`: reaches its bar, and is not worse than the baseline by its threshold
    - `held`: misses its bar as the baseline does, and is not worse by the threshold
    - `blocked`: worse than the baseline by the threshold, or misses a bar that the baseline reaches
    - `not enough`: too few events to say so, or none
    - `new`: the baseline does not have it; it reaches its bar, if there is one
    - `told`: nothing holds for it

    `baseline` is what it was compared with, another machine's speed reckoned in; `worse` is by how much it is worse
    than that (less than nothing: better), of which `threshold` is too much. `bar` is the absolute one, as it is
    written. `leg` is where what is wrong with it lies.
    """

    metric: Metric
    harness: Harness
    status: Status
    reason: str
    leg: Owner
    bar: str = ""
    least: int = 1
    baseline: float | None = None
    worse: float | None = None
    threshold: float | None = None

    @property
    def name(self) -> str:
        return self.metric.name

    @property
    def strain(self) -> float:
        """What it has used of its threshold: at 1 it blocks. Never less than 1 where it is blocked."""
        used = 0.0
        if self.worse is not None and self.threshold:
            used = max(0.0, self.worse / self.threshold)
        return max(1.0, used) if self.status == "blocked" else used

    def to_json(self) -> dict[str, Any]:
        interval = self.metric.interval
        return {
            "name": self.name,
            "harness": self.harness,
            "value": self.metric.value,
            "unit": self.metric.unit,
            "interval": None if interval is None else [interval.low, interval.high],
            "n": self.metric.n,
            "of": self.metric.what,
            "least_n": self.least,
            "bar": self.bar or None,
            "baseline": self.baseline,
            "worse": self.worse,
            "threshold": self.threshold,
            "status": self.status,
            "reason": self.reason,
            "leg": self.leg,
        }


def amount(value: float | None, unit: str = "") -> str:
    """A figure as it is shown: whole milliseconds and counts, everything else to two digits; "–" for None."""
    if value is None:
        return "–"
    text = f"{value:.2f}" if unit in _DIGITS else f"{value:.0f}"
    # Not less than nothing once it is rounded.
    text = text.replace("-", "−" if text.strip("-0.") else "")
    return f"{text} {unit}" if unit in ("ms", "%", "points") else text


def difference(value: float, unit: str) -> str:
    """An amount more or less, in words: what differs by percent of something differs by points."""
    return amount(value, "points" if unit in ("%", "") else unit)
