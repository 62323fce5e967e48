"""The dub's place in time: what is heard when, without overlap, and what is done when it falls behind."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from vivavoce.audio.pcm import Samples

MS_PER_CHARACTER = 60.0
"""About how long a character of text is spoken, spaces counted: what is not synthesised yet is reckoned with it."""


@dataclass(frozen=True, slots=True)
class DubSettings:
    """A clause heard `relaxed_ms` after its source ended is on time; beyond it pauses shrink and the voice speeds up,
    by `max_speed` from `hurried_ms` on."""

    pause_ms: float = 160.0
    short_pause_ms: float = 40.0
    relaxed_ms: float = 900.0
    hurried_ms: float = 1700.0
    max_speed: float = 1.25

    def speed(self, late_ms: float) -> float:
        """How fast to speak a clause that will begin `late_ms` after its source ended."""
        share = (late_ms - self.relaxed_ms) / (self.hurried_ms - self.relaxed_ms)
        return round(1.0 + (self.max_speed - 1.0) * min(1.0, max(0.0, share)), 2)

    def pause(self, late_ms: float) -> float:
        """The pause in ms before such a clause."""
        return self.short_pause_ms if late_ms > self.relaxed_ms else self.pause_ms


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a chunk is heard; `waited_ms` is how long it stands behind earlier words."""

    start_ms: float
    end_ms: float
    waited_ms: float


class DubTrack:
    """A timeline that is written ahead of the listener and read frame by frame.

    Sample 0 is the session's first sample. What was read is past: new sound begins at the read position at the
    earliest, and after everything that was placed before.
    """

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._read = 0
        self._end = 0
        self._line = -1
        self._queue: deque[tuple[int, Samples]] = deque()

    @property
    def position_ms(self) -> float:
        """The moment of the next sample to be heard."""
        return 1000.0 * self._read / self.rate_hz

    @property
    def behind_ms(self) -> float:
        """How much dub is placed and not heard yet."""
        return 1000.0 * max(0, self._end - self._read) / self.rate_hz

    def put(self, samples: Samples, *, line: int, pause_ms: float) -> Placement:
        """Place the next sound of a clause (`line`), `pause_ms` after the clause before when that is still heard."""
        start = self._read
        if self._end > self._read:
            pause = 0 if line == self._line else round(pause_ms * self.rate_hz / 1000)
            start = self._end + pause
        waited = start - self._read if line != self._line else 0
        self._line = line
        self._end = start + len(samples)
        if len(samples):
            self._queue.append((start, samples))
        ms = 1000.0 / self.rate_hz
        return Placement(start * ms, self._end * ms, waited * ms)

    def read(self, count: int) -> Samples:
        """The next `count` samples as the listener hears them."""
        out = np.zeros(count, np.int16)
        until = self._read + count
        while self._queue and self._queue[0][0] < until:
            start, samples = self._queue.popleft()
            at = start - self._read
            part = samples[: count - at]
            out[at : at + len(part)] = part
            if len(part) < len(samples):
                self._queue.appendleft((until, samples[len(part) :]))
                break
        self._read = until
        return out
