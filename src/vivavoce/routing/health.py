"""How an engine of a leg is: its breaker, how fast it answered lately, what went wrong."""

from __future__ import annotations

from collections import deque
from typing import Final

from vivavoce.contract.stats import quantile
from vivavoce.errors import LegError
from vivavoce.routing.breaker import Breaker

_MOST: Final = 512
"""Latencies that are kept: enough for a p95, few enough to sort at the start of a stream."""


class Health:
    """Times are seconds of any monotonic clock. What is told on every answer costs an addition to a queue."""

    __slots__ = ("_latencies", "_window_s", "breaker", "failures", "reason", "serving", "started")

    def __init__(self, *, window_s: float, retry_s: float, longest_retry_s: float) -> None:
        self._window_s = window_s
        self._latencies: deque[tuple[float, float]] = deque(maxlen=_MOST)
        self.breaker = Breaker(retry_s=retry_s, longest_retry_s=longest_retry_s)
        self.serving = self.started = self.failures = 0
        self.reason = ""

    def configure(self, *, window_s: float, retry_s: float, longest_retry_s: float) -> None:
        """New settings; what is known so far stays."""
        self._window_s = window_s
        self.breaker.retry_s, self.breaker.longest_retry_s = retry_s, longest_retry_s

    def begin(self, now_s: float) -> None:
        self.serving += 1
        self.started += 1
        self.breaker.begin(now_s)

    def end(self) -> None:
        self.serving -= 1
        self.breaker.release()

    def succeeded(self, now_s: float, latency_ms: float | None = None) -> None:
        if latency_ms is not None:
            self._latencies.append((now_s, latency_ms))
        self.breaker.succeeded(now_s)

    def failed(self, now_s: float, error: LegError) -> None:
        self.failures += 1
        self.reason = error.message
        self.breaker.failed(now_s)

    def latencies(self, now_s: float) -> list[float]:
        """Those of the window, ascending, for `quantile`."""
        kept, since_s = self._latencies, now_s - self._window_s
        while kept and kept[0][0] < since_s:
            kept.popleft()
        return sorted(latency_ms for _, latency_ms in kept)

    def slow(self, now_s: float, *, cap_ms: float | None, least: int) -> bool:
        """Whether the p95 of the window is over the cap; fewer than `least` latencies say nothing."""
        if cap_ms is None or len(self._latencies) < least:
            return False
        values = self.latencies(now_s)
        return len(values) >= least and quantile(values, 0.95) > cap_ms
