"""Time as a parameter: a real clock, one that is stepped by hand, and an event loop that runs on virtual time."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

NS_PER_MS = 1_000_000
_ON_THE_WAY_S = 0.005
"""Real time that the kernel of a busy machine may take from one socket of this process to another."""
T = TypeVar("T")


class Clock(Protocol):
    """Monotonic time in nanoseconds, and a way to wait for a moment of it."""

    def now_ns(self) -> int: ...

    async def sleep_until(self, moment_ns: int) -> None: ...


class SystemClock:
    """The machine's monotonic clock. On a `VirtualTimeLoop` it is virtual, like everything else there."""

    def now_ns(self) -> int:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return time.monotonic_ns()
        return loop.now_ns() if isinstance(loop, VirtualTimeLoop) else time.monotonic_ns()

    async def sleep_until(self, moment_ns: int) -> None:
        await asyncio.sleep(max(0, moment_ns - self.now_ns()) / 1e9)


def time_of_day_ms(clock: Clock) -> Callable[[], int]:
    """Tells ms since 1970 in UTC by a clock: as it is now, and then without the steps of the machine's own."""
    origin_ms = round(time.time() * 1000) - clock.now_ns() // NS_PER_MS
    return lambda: origin_ms + clock.now_ns() // NS_PER_MS


class SteppedClock:
    """A clock that its owner moves: for sources that are read as fast as they can be processed."""

    def __init__(self) -> None:
        self._now_ns = 0

    def now_ns(self) -> int:
        return self._now_ns

    async def sleep_until(self, moment_ns: int) -> None:
        self._now_ns = max(self._now_ns, moment_ns)
        await asyncio.sleep(0)


class _JumpingSelector(selectors.SelectSelector):
    """Polls the real file descriptors and, instead of waiting, moves virtual time on."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed_ns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            return super().select(1.0)
        if not ready and timeout is not None and timeout > 0:
            if len(self.get_map()) > 1:  # one is the loop's own
                ready = super().select(_ON_THE_WAY_S)
            if not ready:
                self.elapsed_ns += round(timeout * 1e9)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop in which waiting costs nothing: time jumps to the next timer when nothing else is ready.

    Work in other threads and processes takes no virtual time, so use it with legs that wait on timers, or on sockets
    whose other ends are in the same loop.
    """

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def now_ns(self) -> int:
        return self._jumping.elapsed_ns

    def time(self) -> float:
        return self._jumping.elapsed_ns / 1e9


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
