"""Whether one more call would hurt those that talk: told by what is measured, not by their number.

Two things make callers wait: sound that leaves late, and recognition that is asked for more than it can do. Each call
brings its share of the latter; where those under way and one more would pass the limit, no more is let in.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Protocol

from vivavoce.agent.backlog import Backlog
from vivavoce.clock import NS_PER_MS, Clock


class Plane(Protocol):
    """The media plane, as `vivavoce.media.Engine` is one."""

    def stats(self) -> dict[str, Any]: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """`late` is the share of frames over 20 ms late, `waiting` that of time in which finals are waited for.

    `each` is what a call is taken to bring of the latter until it is known.
    """

    late: float = 0.01
    waiting: float = 0.7
    each: float = 0.05
    within_ms: float = 15_000.0


@dataclass(frozen=True, slots=True)
class _Sample:
    at_ns: int
    calls: int
    frames: int
    late: int


class Admission:
    """Implements the gateway's `Doorkeeper` while `watch` runs."""

    def __init__(self, plane: Plane, backlog: Backlog, *, clock: Clock, limits: Limits | None = None) -> None:
        self._plane, self._backlog, self._clock, self._limits = plane, backlog, clock, limits or Limits()
        self._samples: deque[_Sample] = deque()
        self._each = self._limits.each

    async def watch(self, *, every_ms: float = 1000.0) -> None:
        """Take a sample of the plane from time to time, until cancelled."""
        while True:
            self._look()
            await self._clock.sleep_until(self._clock.now_ns() + round(every_ms * NS_PER_MS))

    def refusal(self, under_way: int) -> str | None:
        """What would be hurt by one more call than those under way, which are expected or talk; None for nothing."""
        self._look()
        limits, first, last = self._limits, self._samples[0], self._samples[-1]
        sent = last.frames - first.frames
        if sent and (late := (last.late - first.late) / sent) > limits.late:
            return f"{late:.1%} of what is sent is late"
        waiting, talked = self._backlog.share(limits.within_ms), self._talked()
        if talked >= 1:
            self._each = waiting / talked
        # Those who were not there all the time have not shown yet what they bring.
        expected = waiting + self._each * (max(0.0, under_way - talked) + 1)
        if under_way and expected > limits.waiting:
            return f"recognition would be waited for {expected:.0%} of the time"
        return None

    def _talked(self) -> float:
        """How many calls there were, on average."""
        return sum(sample.calls for sample in self._samples) / len(self._samples)

    def _look(self) -> None:
        stats, now_ns = self._plane.stats(), self._clock.now_ns()
        self._samples.append(_Sample(now_ns, stats["calls"], stats["frames_out"], stats["frames_late"]))
        since_ns = now_ns - round(self._limits.within_ms * NS_PER_MS)
        while len(self._samples) > 1 and self._samples[0].at_ns < since_ns:
            self._samples.popleft()
