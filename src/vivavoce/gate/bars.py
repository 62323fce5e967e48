"""What each figure of the gate must reach, and how much worse than its baseline it may be.

The absolute bars are REQUIREMENTS §7's, and the contract's caps for its stages. A threshold is larger than what the
same thing measured twice differs by; `vivavoce eval spread` holds them to that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from vivavoce.gate.metric import Metric
from vivavoce.gate.run import Run

Harness = Literal["latency", "quality"]
Reached = Literal["<", ">", "≤"]

SHORT: Final = "short"
"""Plans whose name begins so hold a few clips: less is enough for them, and what they show is less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What holds for the metric `name`, and for all whose name goes on after it with a dot.

    `limit` is the absolute bar, reached when the value is `reached` it. A run is a regression where it is worse than
    its baseline by `points` (in the metric's unit), or by `ratio` of the baseline, or by as much as `events` of its
    events weigh, whichever is most; with none of the three it is only told. `least` events it takes to pass, and
    `least_short` in a short plan. A run without a `required` one is undecided; `optional` ones may be missing though
    the baseline has them.
    """

    name: str
    harness: Harness = "quality"
    limit: float | None = None
    reached: Reached = "<"
    points: float | None = None
    ratio: float | None = None
    events: int = 0
    least: int = 1
    least_short: int = 1
    required: bool = False
    optional: bool = False

    @property
    def blocks(self) -> bool:
        """Whether anything may be blocked by it."""
        return self.limit is not None or self.points is not None or self.ratio is not None

    def holds(self, value: float) -> bool:
        """Whether the absolute bar is reached, as it is where there is none."""
        if self.limit is None:
            return True
        return {"<": value < self.limit, ">": value > self.limit, "≤": value <= self.limit}[self.reached]

    def threshold(self, baseline: float, *, n: int, unit: str) -> float | None:
        """How much worse than `baseline` is a regression, in the metric's unit; None where nothing is."""
        if self.points is None and self.ratio is None:
            return None
        by_events = 100.0 * self.events / n if unit == "%" and n else 0.0
        return max(self.points or 0.0, (self.ratio or 0.0) * abs(baseline), by_events)

    def enough(self, plan: str) -> int:
        return self.least_short if plan.startswith(SHORT) else self.least


_WAITS: Final = ("endpoint", "trigger", "route")
"""Stages that wait for silence or for a frame."""

BARS: Final = (
    Bar(
        name="heard.p95", harness="latency", limit=700, ratio=0.15, points=50, least=60, least_short=10, required=True,
    ),
    Bar(name="heard.p50", harness="latency", ratio=0.15, points=50, least=60, least_short=10),
    Bar(name="heard.p99", harness="latency"),
    Bar(name="heard.long", harness="latency"),
    Bar(name="heard", harness="latency", ratio=0.20, points=75, least=20, least_short=5),
    *(
        Bar(name=f"stage.{stage}", harness="latency", ratio=0.15, points=25, least=60, least_short=10)
        for stage in _WAITS
    ),
    Bar(name="stage", harness="latency", ratio=0.20, points=25, least=60, least_short=10),
    Bar(name="stream_laal", harness="latency", ratio=0.15, points=250, least=5, least_short=2),
    Bar(name="unheard", harness="latency", points=3, events=4, least=60, least_short=10),
    Bar(name="unspoken", harness="latency", points=2, events=3, least=200, least_short=20),
    *(
        bar
        for alone in ("", "mt.")
        for bar in (
            Bar(name=f"{alone}chrf", points=2, least=5, least_short=2, required=True),
            Bar(name=f"{alone}hallucination."),
            Bar(
                name=f"{alone}glossary.success", limit=95, reached=">", points=2, events=2, least=40, least_short=5,
                required=True,
            ),
            Bar(name=f"{alone}glossary.consistency", points=3, events=2, least=10, least_short=3),
        )
    ),
    *(
        bar
        for alone in ("", "stt.")
        for bar in (
            Bar(name=f"{alone}wer", limit=12, points=1.5, least=500, least_short=50, required=True),
            Bar(name=f"{alone}wer.", limit=12, points=3, least=100, least_short=20),
        )
    ),
    Bar(name="hallucination", limit=2, points=1, events=2, least=200, least_short=20, required=True),
    Bar(name="mt.hallucination", limit=2, points=1, events=2, least=100, least_short=20, required=True),
    Bar(
        name="hallucination.judged", limit=2, points=1, events=2, least=200, least_short=20, optional=True,
    ),
    Bar(name="mt.glossary.unaided", points=5, events=3, least=40, least_short=5),
    Bar(name="mt.glossary.chrf_cost", limit=1, points=0.5, least=5, least_short=2),
    Bar(name="erasure.committed", limit=0, reached="≤", points=1, required=True),
    Bar(name="erasure.visible", points=0.1, least=200, least_short=50),
    *(
        Bar(name=f"{alone}failed", limit=0, reached="≤", points=1, required=True) for alone in ("", "stt.", "mt.")
    ),
)  # fmt: skip
"""Of those that fit, the one with the longest name counts. One that ends in a dot is for the parts of a figure only."""

_TOLD: Final = Bar(name="")


def bar_of(metric: Metric) -> Bar:
    """What holds for a metric; something that is only told, of quality, where nothing is known of it."""
    fitting = [
        bar for bar in BARS if metric.name == bar.name or metric.name.startswith(bar.name.removesuffix(".") + ".")
    ]
    return max(fitting, key=lambda bar: len(bar.name), default=_TOLD)


def cap_of(metric: Metric, run: Run) -> float | None:
    """The contract's cap of a stage's p95: told beside it, and no bar of §7."""
    room, _, rest = metric.name.partition(".")
    stage, _, figure = rest.rpartition(".")
    return run.caps_ms.get(stage) if room == "stage" and figure == "p95" else None
