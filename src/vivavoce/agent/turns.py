"""When a caller's turn is over: how long its silence must last, by what was heard and understood so far.

Every clue adds to the log-odds that the turn is complete: how it sounds (a turn detector's probability), how its text
ends, and how well the script can go on with it. The surer, the shorter the wait; however unsure, it ends at `most_ms`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from dataclasses import dataclass

from vivavoce.agent.check import normalised
from vivavoce.errors import ConfigError

# Log-odds, by logistic regression on 263 cuts of 42 recorded sentences, at ends and between words (ADR 22).
_BIAS = -1.2
_SOUND = 0.5  # for each of the turn detector's own log-odds
_FULL_STOP = 1.4
_BROKEN_OFF = -1.0
_OPEN = -2.3
_LIKENESS = 28.0  # for each 1.0 of likeness
_NEUTRAL_LIKENESS = 0.92
"""Of what can mean anything, as a name or a message."""


@dataclass(frozen=True, slots=True)
class Clues:
    """`probability` is a turn detector's, None without one; `likeness` as a `Choice` has it."""

    text: str
    probability: float | None = None
    likeness: float | None = None


@dataclass(frozen=True, slots=True)
class OpenEnds:
    """Words, without case, that sentences `never` end with, and such that `seldom` do: a full stop tells of them."""

    never: Set[str] = frozenset()
    seldom: Set[str] = frozenset()


def certainty(clues: Clues, *, open_ends: OpenEnds) -> float:
    """Log-odds that the turn is complete."""
    text = clues.text.strip()
    broken_off = text.endswith(("...", "…", "-", "—", ","))
    full_stop = text.endswith((".", "?", "!")) and not broken_off
    last = normalised(text).rpartition(" ")[2]
    likeness = _NEUTRAL_LIKENESS if clues.likeness is None else clues.likeness
    return (
        _BIAS
        + (_SOUND * _log_odds(clues.probability) if clues.probability is not None else 0.0)
        + _FULL_STOP * full_stop
        + _BROKEN_OFF * broken_off
        + _OPEN * (last in open_ends.never or (last in open_ends.seldom and not full_stop))
        + _LIKENESS * (likeness - _NEUTRAL_LIKENESS)
    )


def _log_odds(probability: float) -> float:
    within = min(max(probability, 1e-4), 1.0 - 1e-4)
    return math.log(within / (1.0 - within))


@dataclass(frozen=True, kw_only=True, slots=True)
class TurnSettings:
    """Silence that ends a turn: `sure_ms` from a certainty of `sure_at` on, `likely_ms` from `likely_at` on, else
    `most_ms`; `spelled_ms` at least where something is spelled or a state asks for patience.

    A caller who goes on within `regret_ms` of a decision takes it back. What is typed ends with `key`, or when no more
    comes for `key_ms`.
    """

    sure_at: float
    sure_ms: float
    likely_at: float
    likely_ms: float
    most_ms: float
    spelled_ms: float = 1300.0
    regret_ms: float = 600.0
    key: str = "#"
    key_ms: float = 2500.0

    def __post_init__(self) -> None:
        if not self.sure_ms <= self.likely_ms <= self.most_ms:
            raise ConfigError("sure_ms, likely_ms and most_ms must not fall", hint="correct [agent.turns]")
        if self.likely_at > self.sure_at:
            raise ConfigError("likely_at is above sure_at", hint="correct [agent.turns]")

    def wait_ms(self, certainty: float, *, spelled: bool) -> float:
        if spelled:
            return max(self.spelled_ms, self.most_ms)
        if certainty >= self.sure_at:
            return self.sure_ms
        return self.likely_ms if certainty >= self.likely_at else self.most_ms


PRESETS: Mapping[str, TurnSettings] = {
    "quick": TurnSettings(sure_at=0.75, sure_ms=200.0, likely_at=-1.5, likely_ms=600.0, most_ms=900.0),
    "usual": TurnSettings(sure_at=2.0, sure_ms=200.0, likely_at=0.5, likely_ms=600.0, most_ms=950.0),
    "patient": TurnSettings(sure_at=3.5, sure_ms=300.0, likely_at=2.5, likely_ms=750.0, most_ms=1100.0),
}


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn of the caller's that was answered, in ns of the clock; `fixed` tells that the answer's first line was made
    ahead. `certainty` is what it was decided with."""

    text: str
    state: str
    silent_ns: int
    decided_ns: int
    fixed: bool
    certainty: float


@dataclass(frozen=True, slots=True)
class Cut:
    """An interruption, and what was heard of the reply until then."""

    at_ns: int
    heard_ms: float
