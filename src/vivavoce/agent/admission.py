"""Whether one more call would hurt those that talk: told by what is measured, not by their number.

Two things make callers wait: sound that leaves late, and recognition that is asked for more than it can do. Each call
brings its share of that; where those under way and one more would pass the limit, no more is let in.
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
    """`late` is the share of frames over 20 ms late, `waiting` that of time in which finals are waited for."""

    late: float = 0.01
    waiting: float = 0.35
    within_ms: float = 15_000.0


@dataclass(frozen=True, slots=True)
class _Sample:
    at_ns: int
    frames: int
    late: int


class Admission:
    """Implements the gateway's `Admission` while `watch` runs."""

    def __init__(self, plane: Plane, backlog: Backlog, *, clock: Clock, limits: Limits | None = None) -> None:
        self._plane, self._backlog, self._clock, self._limits = plane, backlog, clock, limits or Limits()
        self._samples: deque[_Sample] = deque()

    async def watch(self, *, every_ms: float = 1000.0) -> None:
        """Take a sample of the plane from time to time, until cancelled."""
        while True:
            self._look(self._plane.stats())
            await self._clock.sleep_until(self._clock.now_ns() + round(every_ms * NS_PER_MS))

    def refusal(self) -> str | None:
        """What would be hurt by one more call; None where nothing would."""
        stats, limits = self._plane.stats(), self._limits
        self._look(stats)
        first, last = self._samples[0], self._samples[-1]
        sent = last.frames - first.frames
        if sent and (late := (last.late - first.late) / sent) > limits.late:
            return f"{late:.1%} of what is sent is late"
        calls = stats["calls"]
        if calls and (waiting := self._backlog.share(limits.within_ms) * (calls + 1) / calls) > limits.waiting:
            return f"recognition would be waited for {waiting:.0%} of the time"
        return None

    def _look(self, stats: dict[str, Any]) -> None:
        now_ns = self._clock.now_ns()
        self._samples.append(_Sample(now_ns, stats["frames_out"], stats["frames_late"]))
        since_ns = now_ns - round(self._limits.within_ms * NS_PER_MS)
        while len(self._samples) > 1 and self._samples[0].at_ns < since_ns:
            self._samples.popleft()
