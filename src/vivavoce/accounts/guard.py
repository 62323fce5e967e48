"""What one session may still have done: dub of its user's month, money of the day, and the user's bucket."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from vivavoce.accounts.lease import Lease
from vivavoce.accounts.quotas import DUB_LEG, MS_PER_MINUTE, Stored, Used
from vivavoce.accounts.spend import Interval, Verdict
from vivavoce.clock import Clock
from vivavoce.config.settings import SpendSettings
from vivavoce.ledger.prices import NANO_PER_DOLLAR, Prices, nano_dollars

SECONDS_PER_CHARACTER: Final = 0.06
"""Speech of a text that is still to be spoken, where an engine charges by its length: a usual pace."""
CHARACTERS_PER_TOKEN: Final = 4.0
"""Of a text that is still to be translated, and of its translation: a usual count."""


@dataclass(frozen=True, slots=True)
class Caps:
    """`[spend]` in whole units; 0 is no cap. `bucket` is whether users have one."""

    session_dub_nano: int
    user_dub_ms: float
    user_day_nano: int
    day_nano: int
    bucket: bool

    @classmethod
    def of(cls, spend: SpendSettings) -> Self:
        return cls(
            session_dub_nano=nano_dollars(str(spend.dub_cap_usd)),
            user_dub_ms=spend.user_dub_minutes * MS_PER_MINUTE,
            user_day_nano=nano_dollars(str(spend.user_day_cap_usd)),
            day_nano=nano_dollars(str(spend.day_cap_usd)),
            bucket=spend.bucket_dub_s > 0,
        )


@dataclass(slots=True)
class User:
    """One user of this process. `stored` is None until the store was read once.

    `here` is what sessions of this process used that is not counted in `stored`, with what was let go and is not done.
    """

    name: str
    stored: Stored | None = None
    here: Used = field(default_factory=Used)

    def dub_left_ms(self, caps: Caps) -> float | None:
        """None for no cap, and while nothing is known."""
        allowed_ms = None if self.stored is None else self.stored.allowed_ms(caps.user_dub_ms)
        if self.stored is None or allowed_ms is None:
            return None
        return allowed_ms - self.stored.used.dub_ms - self.here.dub_ms

    @property
    def day_nano(self) -> float:
        return self.here.cost_nano + (self.stored.used.cost_nano if self.stored else 0)


@dataclass(slots=True)
class Everyone:
    """What all together cost today: by the store, and by sessions of this process that are not counted there."""

    stored_nano: int = 0
    here: Used = field(default_factory=Used)

    @property
    def day_nano(self) -> float:
        return self.stored_nano + self.here.cost_nano


@dataclass(slots=True, eq=False)
class _Held:
    interval: Interval
    used: Used


class SessionGuard:
    """Implements `SpendGuard` for one session; made by `Allowances.session`, and open while the session runs.

    What is let go is held by an estimate until it is `done`, or `used` tells what it came to. An engine that costs
    nothing reaches no cap of money; one whose price nobody knows adds nothing to it, and stops where it is reached. Dub
    is counted by its time, whoever speaks it.
    """

    def __init__(
        self,
        session_id: str,
        user: User,
        everyone: Everyone,
        *,
        caps: Callable[[], Caps],
        turn: Callable[[], None],
        lease: Lease | None,
        prices: Prices,
        clock: Clock,
    ) -> None:
        self.session_id, self.user, self.used_here = session_id, user, Used()
        self.ended_ns: int | None = None
        self.in_store = False
        self.reason = ""
        self._everyone, self._caps, self._turn = everyone, caps, turn
        self._lease, self._prices, self._clock = lease, prices, clock
        self._dub_nano = 0.0
        self._held: deque[_Held] = deque()

    @property
    def dub_left_ms(self) -> float | None:
        """What its user may still have this month; None for no cap, and while nothing is known."""
        left_ms = self.user.dub_left_ms(self._caps())
        return None if left_ms is None else max(0.0, left_ms)

    def ask(self, interval: Interval) -> Verdict:
        self._turn()
        work = _quantities(interval)
        known_nano = self._prices.cost(interval.engine, work).nano
        cost_nano, paid = known_nano or 0, known_nano != 0  # what nobody knows is not for nothing
        dub_ms = 1000.0 * work.get("seconds", 0.0) if interval.leg == DUB_LEG else 0.0
        if reached := self._reached(dub_ms, paid=paid):
            self.reason = reached
            return Verdict.DEGRADE
        if dub_ms or cost_nano:
            self._held.append(_Held(interval, Used(dub_ms, cost_nano)))
            self._add(interval.leg, dub_ms, cost_nano)
        return Verdict.GO

    def done(self, interval: Interval) -> None:
        held = next((held for held in self._held if held.interval == interval), None)
        if held is not None:
            self._held.remove(held)
            self._add(interval.leg, -held.used.dub_ms, -held.used.cost_nano)

    def used(self, leg: str, *, sound_ms: float = 0.0, cost_nano: float = 0.0) -> None:
        """So much was done now; of the leg `tts` sound is dub. In place of what was held for it."""
        self._turn()
        dub_ms = sound_ms if leg == DUB_LEG else 0.0
        if dub_ms or cost_nano:
            self._release(leg, Used(dub_ms, cost_nano))
            self.used_here.add(dub_ms, cost_nano)
            self._add(leg, dub_ms, cost_nano)

    def let_go(self) -> None:
        """Nothing is under way any more."""
        for held in tuple(self._held):
            self.done(held.interval)

    async def __aenter__(self) -> Self:
        if self._lease is not None and self._caps().bucket:
            self._lease.covers(0.0)  # begins to take the first portion
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.let_go()
        self.ended_ns = self._clock.now_ns()
        if self._lease is not None:
            await self._lease.aclose()

    def _reached(self, dub_ms: float, *, paid: bool) -> str:
        """The cap in the way, in words that name nobody; "" where it goes."""
        caps = self._caps()
        if paid:
            if 0 < caps.user_day_nano <= self.user.day_nano:
                return f"today's {_dollars(caps.user_day_nano)} is spent; again at 00:00 UTC"
            if 0 < caps.day_nano <= self._everyone.day_nano:
                return "what all may spend today is spent; again at 00:00 UTC"
            if dub_ms and 0 < caps.session_dub_nano <= self._dub_nano:
                return f"this session's {_dollars(caps.session_dub_nano)} of dub is spent"
        if not dub_ms:
            return ""
        left_ms = self.user.dub_left_ms(caps)
        if left_ms is not None and left_ms <= 0:
            allowed_ms = self.user.stored.allowed_ms(caps.user_dub_ms) if self.user.stored else None
            minutes = (allowed_ms or 0.0) / MS_PER_MINUTE
            return f"this month's {minutes:.1f} minutes of dub are used; again on the 1st, 00:00 UTC"
        if caps.bucket and self._lease is not None and not self._lease.covers(dub_ms / 1000):
            return "no more dub at once: the bucket is empty, and fills again"
        return ""

    def _release(self, leg: str, done: Used) -> None:
        """Of what was held for a leg, the oldest first."""
        left = Used(done.dub_ms, done.cost_nano)
        for held in self._held:
            if held.interval.leg == leg and (left.dub_ms or left.cost_nano):
                dub_ms, cost_nano = min(left.dub_ms, held.used.dub_ms), min(left.cost_nano, held.used.cost_nano)
                held.used.add(-dub_ms, -cost_nano)
                left.add(-dub_ms, -cost_nano)
                self._add(leg, -dub_ms, -cost_nano)

    def _add(self, leg: str, dub_ms: float, cost_nano: float) -> None:
        self.user.here.add(dub_ms, cost_nano)
        self._everyone.here.add(dub_ms, cost_nano)
        if leg == DUB_LEG:
            self._dub_nano += cost_nano
            if self._lease is not None:
                self._lease.spend(dub_ms / 1000)


def _dollars(nano: int) -> str:
    """Whole cents with two places, what is less with what it has."""
    dollars = nano / NANO_PER_DOLLAR
    return f"${dollars:,.2f}" if nano % (NANO_PER_DOLLAR // 100) == 0 else f"${dollars:g}"


def _quantities(interval: Interval) -> dict[str, float]:
    """What the work comes to by unit, as far as it can be told before it is done."""
    found = {interval.unit: interval.quantity}
    if interval.unit == "characters":
        found["seconds"] = interval.quantity * SECONDS_PER_CHARACTER
        found["tokens_in"] = found["tokens_out"] = interval.quantity / CHARACTERS_PER_TOKEN
    return found
