"""What a guard lets the engines of a stream do, asked ahead of the work an interval at a time."""

from __future__ import annotations

import asyncio
from typing import Final

from vivavoce.accounts.spend import Interval, SpendGuard, Verdict

INTERVAL_S: Final = 10.0
_LEFT_OUT_S = 60.0
_NOTHING_S = 1e-6


class Grants:
    """Seconds of sound that each engine may recognise, for one stream.

    Who was refused is left out for a minute: a leg does not go to and fro between two who may do little. `reason` is
    the guard's, of the last refusal.
    """

    def __init__(self, guard: SpendGuard | None, leg: str) -> None:
        self._guard, self._leg = guard, leg
        self.reason = ""
        self._loop = asyncio.get_running_loop()
        self._left_s: dict[str, float] = {}
        self._out_until_s: dict[str, float] = {}

    @property
    def refused(self) -> bool:
        """Whether somebody was, less than a minute ago."""
        return any(self.out(name) for name in self._out_until_s)

    def out(self, engine: str) -> bool:
        return self._loop.time() < self._out_until_s.get(engine, 0.0)

    def admit(self, engine: str) -> bool:
        """Whether the engine may do anything: what it was granted and has not done lasts."""
        if self._guard is None or self._left_s.get(engine, 0.0) > _NOTHING_S:
            return True
        if self.out(engine):
            return False
        interval = Interval(self._leg, engine, INTERVAL_S, "seconds")
        if engine in self._left_s:
            self._guard.done(interval)
        if self._guard.ask(interval) is Verdict.GO:
            self._left_s[engine] = self._left_s.get(engine, 0.0) + INTERVAL_S
            return True
        self._out_until_s[engine] = self._loop.time() + _LEFT_OUT_S
        self.reason = self._guard.reason
        return False

    def spend(self, engine: str, seconds: float) -> bool:
        """Whether the engine may do this much, which counts as done then."""
        if not self.admit(engine):
            return False
        self._left_s[engine] = self._left_s.get(engine, 0.0) - seconds
        return True
