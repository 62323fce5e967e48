"""Whether production still is as its caps want it and as the evaluation found it: alarms while sessions run.

Past the evaluation's p95 by more than the tolerance, either this is slower or what is replayed is no longer what people
say: the clip set is stale.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from vivavoce.contract.drift import DriftAlarm, DriftWindow
from vivavoce.ledger.usage import Work
from vivavoce.telemetry.observer import Passage, SessionLabels, Unobserved

Against = Literal["cap", "evaluation"]

LEAST_SLACK_MS: Final = 25.0
"""A stage of a few milliseconds may be so much slower than it was evaluated, whatever share that is."""
_EVALUATED_MS: Final = 3_600_000.0
_EVALUATED_COUNT: Final = 500
EVALUATED_LEAST: Final = 60
"""As many utterances as the evaluation wants for a p95 of its own."""
_CHANCE: Final = 1e-3
"""How improbable it must be that a p95 is within its limit: it is looked at after every utterance.

Of 300 simulated hours of 900 utterances, drawn from what was evaluated (log-normal with a sigma of 0.2 to 0.5, 60 to
300 utterances), at most four rang; of hours half as slow again 83 to 100 % did, of an evaluation of 150 over 91 %."""
_LEGS: Final[Mapping[str, tuple[str, ...]]] = {leg: (leg,) for leg in ("stt", "mt", "tts")} | {
    "heard": ("stt", "mt", "tts")
}
"""Whose engines a stage's latency is: a stage of no leg is only waited for."""


def limit_ms(evaluated_ms: float, *, tolerance: float) -> float:
    """Up to where a p95 is as it was evaluated."""
    return max(evaluated_ms * (1 + tolerance), evaluated_ms + LEAST_SLACK_MS)


@dataclass(frozen=True, slots=True)
class Drift:
    """A change of state, told once; `evaluated_ms` is the evaluation's p95 where it is held against that."""

    product: str
    alarm: DriftAlarm
    evaluated_ms: float | None = None

    @property
    def against(self) -> Against:
        return "cap" if self.evaluated_ms is None else "evaluation"

    def __str__(self) -> str:
        alarm = self.alarm
        p95 = f"{alarm.stage}: p95 of {alarm.p95_ms:.0f} ms"
        if self.evaluated_ms is None:
            return f"{p95} {'is over its cap' if alarm.raised else 'is within its cap again'} of {alarm.cap_ms:.0f}"
        if alarm.raised:
            return f"{p95} has drifted from the evaluation's {self.evaluated_ms:.0f}: the clip set is stale"
        return f"{p95} is near the evaluation's {self.evaluated_ms:.0f} again"


@dataclass(frozen=True, slots=True)
class DriftState:
    """`p95_ms` is None while there are not enough measurements, and nothing is `raised` then."""

    raised: bool
    p95_ms: float | None
    limit_ms: float


@dataclass(slots=True)
class _Watched:
    window: DriftWindow
    evaluated_ms: float | None
    limit_ms: float


class DriftWatch:
    """Holds the p95 of all sessions of a process against caps and an evaluation, both by product and stage.

    Against the evaluation go stages whose legs had the `engines` that it had. `tell` hears of each change, on the event
    loop of a session; `states` may be asked from any thread.
    """

    def __init__(
        self,
        *,
        caps_ms: Mapping[str, Mapping[str, float]],
        evaluated_ms: Mapping[str, Mapping[str, float]],
        tolerance: float,
        clock_ns: Callable[[], int],
        tell: Callable[[Drift], None],
        engines: Mapping[str, str] | None = None,
    ) -> None:
        self._tell, self._engines = tell, engines or {}
        self._lock = threading.Lock()
        self._untold: list[Drift] = []
        self._watched: dict[tuple[str, str], list[_Watched]] = {}
        for product, caps in caps_ms.items():
            for stage, cap_ms in caps.items():
                window = DriftWindow(stage, cap_ms, clock_ns=clock_ns)
                self._watched.setdefault((product, stage), []).append(_Watched(window, None, cap_ms))
        for product, evaluated in evaluated_ms.items():
            for stage, p95_ms in evaluated.items():
                most_ms = limit_ms(p95_ms, tolerance=tolerance)
                window = DriftWindow(
                    stage,
                    most_ms,
                    clock_ns=clock_ns,
                    window_ms=_EVALUATED_MS,
                    count=_EVALUATED_COUNT,
                    least=EVALUATED_LEAST,
                    chance=_CHANCE,
                )
                self._watched.setdefault((product, stage), []).append(_Watched(window, p95_ms, most_ms))

    def observe(
        self, product: str, durations_ms: Mapping[str, float], *, engines: Mapping[str, str] | None = None
    ) -> None:
        """Take what the stages of one utterance took with these engines, by leg."""
        with self._lock:
            for stage, ms in durations_ms.items():
                for each in self._watched.get((product, stage), ()):
                    if each.evaluated_ms is None or self._is_like(stage, engines or {}):
                        self._note(product, each, each.window.observe(ms))
            untold, self._untold = self._untold, []
        for drift in untold:
            self._tell(drift)

    def states(self) -> dict[tuple[str, str, Against], DriftState]:
        """As they are now: what is too old by now does not count."""
        states: dict[tuple[str, str, Against], DriftState] = {}
        with self._lock:
            for (product, stage), those in self._watched.items():
                for each in those:
                    self._note(product, each, each.window.poll())
                    p95_ms = each.window.p95_ms
                    raised = each.window.alarm is not None and p95_ms is not None
                    states[product, stage, _against(each)] = DriftState(raised, p95_ms, each.limit_ms)
        return states

    def _note(self, product: str, watched: _Watched, alarm: DriftAlarm | None) -> None:
        if alarm is not None:
            self._untold.append(Drift(product, alarm, watched.evaluated_ms))

    def _is_like(self, stage: str, engines: Mapping[str, str]) -> bool:
        """Whether a stage was done by the engines that were evaluated."""
        legs = (leg for leg in _LEGS.get(stage, ()) if leg in self._engines)
        return all(engines.get(leg) == self._engines[leg] for leg in legs)

    def session(self, labels: SessionLabels) -> WatchedSession:
        return WatchedSession(self, labels)


class WatchedSession(Unobserved):
    """Implements `Observer` by what its utterances took, where that means anything."""

    def __init__(self, watch: DriftWatch, labels: SessionLabels) -> None:
        self._watch, self._labels = watch, labels
        self._engines: dict[str, str] = {}

    def used(self, leg: str, engine: str, work: Work) -> None:
        self._engines[leg] = engine

    def moved(self, leg: str, engine: str, *, place: int, why: str) -> None:
        self._engines[leg] = engine

    def passed(self, passage: Passage) -> None:
        if self._labels.paced:
            self._watch.observe(self._labels.product, passage.durations_ms(), engines=self._engines)


def _against(watched: _Watched) -> Against:
    return "cap" if watched.evaluated_ms is None else "evaluation"
