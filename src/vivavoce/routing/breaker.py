"""A circuit breaker: an engine that failed is left alone for a while, then tried by one stream at a time."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """Opens at the first failure for `retry_s`, doubled at each failure after that up to `longest_retry_s`.

    Then it is half-open: one stream at a time may try, the probe. Its success closes the breaker, its failure opens it
    again; one that ends without either lets the next try. Times are seconds of any monotonic clock.
    """

    __slots__ = ("_open_s", "_probe_until_s", "_retry_at_s", "longest_retry_s", "retry_s")

    def __init__(self, *, retry_s: float, longest_retry_s: float) -> None:
        self.retry_s = retry_s
        self.longest_retry_s = longest_retry_s
        self._open_s = 0.0
        self._retry_at_s: float | None = None
        self._probe_until_s: float | None = None

    def state(self, now_s: float) -> State:
        if self._retry_at_s is None:
            return State.CLOSED
        return State.OPEN if now_s < self._retry_at_s else State.HALF_OPEN

    def retry_in_s(self, now_s: float) -> float:
        """How long it stays open; 0 when it is not."""
        return 0.0 if self._retry_at_s is None else max(0.0, self._retry_at_s - now_s)

    def admits(self, now_s: float) -> bool:
        """Whether a stream may begin: closed, or half-open without a probe under way."""
        if self._retry_at_s is None:
            return True
        return now_s >= self._retry_at_s and not self._probing(now_s)

    def begin(self, now_s: float) -> None:
        """A stream begins; unless it is closed it is the probe, also one that had nowhere else to go while open."""
        if self._retry_at_s is not None:
            # bounded: a probe that is never heard of again does not keep the engine out for good
            self._probe_until_s = max(now_s, self._retry_at_s) + self._open_s

    def release(self) -> None:
        """A stream ended without a word on how the engine is."""
        self._probe_until_s = None

    def succeeded(self, now_s: float) -> None:
        """Closes it if a probe is under way: streams from before the failure prove nothing about new ones."""
        if self._retry_at_s is not None and self._probing(now_s):
            self._retry_at_s = self._probe_until_s = None
            self._open_s = 0.0

    def failed(self, now_s: float) -> None:
        """While it is open this is one of many streams that the same outage ended: the wait stays as it is."""
        if self.state(now_s) is not State.OPEN:
            self._open_s = min(self.longest_retry_s, self._open_s * 2 or self.retry_s)
            self._retry_at_s = now_s + self._open_s
        self._probe_until_s = None

    def _probing(self, now_s: float) -> bool:
        return self._probe_until_s is not None and now_s < self._probe_until_s
