"""Token buckets: what one user may have at once, and how fast it comes back, whoever asks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from vivavoce.clock import Clock

_SWEPT_AT = 1024


@dataclass(frozen=True, slots=True)
class BucketSize:
    """Tokens that a full bucket holds, and those that come into it in a second."""

    capacity: float
    per_s: float


class Buckets(Protocol):
    """A bucket for each user, full at first. How large they are may change between calls."""

    async def take(self, user: str, amount: float, *, least: float = 0.0) -> float:
        """So many of the tokens as there are; 0 where there are not `least`."""
        ...

    async def give(self, user: str, amount: float) -> None:
        """Put back what was taken and not used. A full bucket takes no more."""
        ...

    async def aclose(self) -> None: ...


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_ns: int


class MemoryBuckets:
    """Implements `Buckets` for one process, by monotonic time. A full bucket takes no memory."""

    def __init__(self, size: Callable[[], BucketSize], *, clock: Clock) -> None:
        self._size, self._clock = size, clock
        self._buckets: dict[str, _Bucket] = {}
        self._sweep_at = _SWEPT_AT

    async def take(self, user: str, amount: float, *, least: float = 0.0) -> float:
        bucket = self._filled(user)
        granted = min(amount, bucket.tokens)
        if granted <= 0 or granted < least:
            return 0.0
        bucket.tokens -= granted
        return granted

    async def give(self, user: str, amount: float) -> None:
        bucket = self._filled(user)
        bucket.tokens = min(self._size().capacity, bucket.tokens + amount)

    async def aclose(self) -> None:
        self._buckets.clear()

    def _filled(self, user: str) -> _Bucket:
        """The user's bucket as it is now."""
        size, now_ns = self._size(), self._clock.now_ns()
        bucket = self._buckets.get(user)
        if bucket is None:
            if len(self._buckets) >= self._sweep_at:
                self._sweep(size, now_ns)
            bucket = self._buckets[user] = _Bucket(size.capacity, now_ns)
        _fill(bucket, size, now_ns)
        return bucket

    def _sweep(self, size: BucketSize, now_ns: int) -> None:
        for bucket in self._buckets.values():
            _fill(bucket, size, now_ns)
        self._buckets = {user: bucket for user, bucket in self._buckets.items() if bucket.tokens < size.capacity}
        self._sweep_at = max(_SWEPT_AT, 2 * len(self._buckets))


def _fill(bucket: _Bucket, size: BucketSize, now_ns: int) -> None:
    bucket.tokens = min(size.capacity, bucket.tokens + (now_ns - bucket.at_ns) / 1e9 * size.per_s)
    bucket.at_ns = now_ns
