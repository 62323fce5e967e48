"""Drift: the p95 of a sliding window held against its cap, with alarms that are raised once and cleared once."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from vivavoce.clock import NS_PER_MS
from vivavoce.contract.stats import quantile


@dataclass(frozen=True, slots=True)
class DriftAlarm:
    """A change of state: `raised` when the p95 went past the cap, not `raised` when it came back."""

    stage: str
    raised: bool
    p95_ms: float
    cap_ms: float
    n: int
    at_ns: int


class DriftWindow:
    """The latest measurements of one stage or other figure: at most `count` of them, none older than `window_ms`.

    An alarm is raised when the p95 exceeds `cap_ms` and cleared when it is at most `clear_at` of it, so that a figure
    that hovers about its cap does not ring at every measurement. Below `least` measurements nothing is decided: an
    alarm stays as it is, also through a time in which nothing was measured.

    With a `chance` it takes more than that to raise it: more measurements over the cap than would come with that
    probability where the p95 is the cap.
    """

    def __init__(
        self,
        stage: str,
        cap_ms: float,
        *,
        clock_ns: Callable[[], int],
        window_ms: float = 300_000.0,
        count: int = 200,
        least: int = 20,
        clear_at: float = 0.95,
        chance: float | None = None,
    ) -> None:
        if not (0 < least <= count and 0 < clear_at <= 1 and (chance is None or 0 < chance < 1)):
            raise ValueError("a window needs 0 < least <= count, 0 < clear_at <= 1 and 0 < chance < 1")
        self._stage = stage
        self._cap_ms = cap_ms
        self._clock_ns = clock_ns
        self._window_ns = window_ms * NS_PER_MS
        self._count = count
        self._least = least
        self._clear_ms = cap_ms * clear_at
        self._chance = chance
        self._arrived: deque[tuple[int, float]] = deque()
        self._ordered: list[float] = []
        self._alarm: DriftAlarm | None = None

    @property
    def alarm(self) -> DriftAlarm | None:
        """The alarm that is on, as it was when it was raised."""
        return self._alarm

    @property
    def p95_ms(self) -> float | None:
        """Of what is in it now; None while nothing can be decided by it."""
        return quantile(self._ordered, 0.95) if len(self._ordered) >= self._least else None

    def observe(self, duration_ms: float) -> DriftAlarm | None:
        """Take one measurement; returns what it changed, if anything."""
        now_ns = self._clock_ns()
        self._arrived.append((now_ns, duration_ms))
        insort(self._ordered, duration_ms)
        return self._judge(now_ns)

    def poll(self) -> DriftAlarm | None:
        """Let old measurements go; returns what their going changed, if anything."""
        return self._judge(self._clock_ns())

    def _judge(self, now_ns: int) -> DriftAlarm | None:
        while self._arrived and (len(self._arrived) > self._count or now_ns - self._arrived[0][0] > self._window_ns):
            _, gone_ms = self._arrived.popleft()
            del self._ordered[bisect_left(self._ordered, gone_ms)]
        n = len(self._ordered)
        if n < self._least:
            return None
        p95_ms = quantile(self._ordered, 0.95)
        raised = p95_ms > self._clear_ms if self._alarm else self._is_over(p95_ms)
        if raised == (self._alarm is not None):
            return None
        change = DriftAlarm(self._stage, raised, p95_ms, self._cap_ms, n, now_ns)
        self._alarm = change if raised else None
        return change

    def _is_over(self, p95_ms: float) -> bool:
        if self._chance is None:
            return p95_ms > self._cap_ms
        n = len(self._ordered)
        return n - bisect_right(self._ordered, self._cap_ms) >= improbable(n, self._chance)


@cache
def improbable(n: int, chance: float) -> int:
    """How many of `n` values are over their true p95, or more, with at most this probability."""
    count, one, fewer = 0, 0.95**n, 0.0
    while 1.0 - fewer > chance:
        fewer += one
        one *= (n - count) / (count + 1) * 0.05 / 0.95
        count += 1
    return count
