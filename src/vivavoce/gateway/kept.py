"""What is remembered for a time."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

from vivavoce.clock import NS_PER_MS, Clock

T = TypeVar("T")


class Kept(Generic[T]):
    """Values by name for `lifetime_s`; of more than `most` the oldest are forgotten."""

    def __init__(self, clock: Clock, *, lifetime_s: float, most: int) -> None:
        self._clock, self._lifetime_ns, self._most = clock, round(lifetime_s * 1000) * NS_PER_MS, most
        # All live equally long, so those whose time is over are the first.
        self._values: OrderedDict[str, tuple[int, T]] = OrderedDict()

    def keep(self, name: str, value: T) -> bool:
        """False where the name is known already: then nothing changes."""
        now_ns = self._clock.now_ns()
        self._forget(now_ns)
        if name in self._values:
            return False
        if len(self._values) == self._most:
            self._values.popitem(last=False)
        self._values[name] = (now_ns + self._lifetime_ns, value)
        return True

    def take(self, name: str) -> T | None:
        """Its value, for the only time."""
        self._forget(self._clock.now_ns())
        _, value = self._values.pop(name, (0, None))
        return value

    def __len__(self) -> int:
        self._forget(self._clock.now_ns())
        return len(self._values)

    def _forget(self, now_ns: int) -> None:
        while self._values and next(iter(self._values.values()))[0] <= now_ns:
            self._values.popitem(last=False)
