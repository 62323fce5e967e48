"""One figure of the gate, with how far to trust it and whose it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from vivavoce.contract.stats import Interval

Owner = Literal["stt", "mt", "tts", "session"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """`name` is dotted: `heard.p95`, `wer.en`, `stt.wer.en` (that leg alone), `chrf.en-pt`, `hallucination`.

    `n` events it rests on, of `what` kind; `interval` is the bootstrap's at 95 %. `value` None: nothing to measure.
    `owner` is the leg to which a change of it points, "session" where it may be any. `parts` are the values of clips
    or events that it was made of, by clip, to show where it comes from.
    """

    name: str
    value: float | None
    unit: str
    n: int
    what: str
    owner: Owner
    better: Literal["lower", "higher"] = "lower"
    interval: Interval | None = None
    parts: Mapping[str, float] | None = None


def named(metrics: Sequence[Metric]) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}
