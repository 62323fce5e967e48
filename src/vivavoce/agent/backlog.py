"""How busy recognition is, over all calls: what is waited for now, and how long was waited of late."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from vivavoce.clock import NS_PER_MS, Clock

_KEPT = 4096


class Backlog:
    """Whoever waits for a final does so inside `waiting`; `at_once` finals can be worked on at the same time."""

    def __init__(self, clock: Clock, *, at_once: int = 2) -> None:
        self._clock, self._at_once = clock, at_once
        self._waiting = 0
        self._waits: deque[tuple[int, float]] = deque(maxlen=_KEPT)

    @property
    def crowded(self) -> bool:
        """Whether one more would have to wait for its turn."""
        return self._waiting >= self._at_once

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """A final is waited for; who gives up is not counted."""
        begun_ns = self._clock.now_ns()
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
        now_ns = self._clock.now_ns()
        self._waits.append((now_ns, (now_ns - begun_ns) / NS_PER_MS))

    def waits_ms(self, within_ms: float) -> list[float]:
        """How long each of the last finals was waited for."""
        since_ns = self._clock.now_ns() - round(within_ms * NS_PER_MS)
        return [ms for at_ns, ms in self._waits if at_ns >= since_ns]
