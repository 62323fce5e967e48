"""How busy recognition is, over all calls of an agent."""

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
        self._since_ns: list[int] = []
        self._waits_ns: deque[tuple[int, int]] = deque(maxlen=_KEPT)

    @property
    def crowded(self) -> bool:
        """Whether one more would have to wait for its turn."""
        return len(self._since_ns) >= self._at_once

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """A final is waited for, or given up."""
        begun_ns = self._clock.now_ns()
        self._since_ns.append(begun_ns)
        try:
            yield
        finally:
            self._since_ns.remove(begun_ns)
            self._waits_ns.append((begun_ns, self._clock.now_ns()))

    def share(self, within_ms: float) -> float:
        """Of the last so many ms, how much was waited for finals: over 1 where several were at the same time."""
        within_ns = round(within_ms * NS_PER_MS)
        since_ns = self._clock.now_ns() - within_ns
        spans_ns = [*self._waits_ns, *((begun_ns, since_ns + within_ns) for begun_ns in self._since_ns)]
        return sum(max(0, until_ns - max(begun_ns, since_ns)) for begun_ns, until_ns in spans_ns) / within_ns

    def waits_ms(self, within_ms: float) -> list[float]:
        """How long each final was waited for, or until it was given up, that ended in the last so many ms."""
        since_ns = self._clock.now_ns() - round(within_ms * NS_PER_MS)
        return [(until_ns - begun_ns) / NS_PER_MS for begun_ns, until_ns in self._waits_ns if until_ns >= since_ns]
