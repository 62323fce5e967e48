"""What the users of this process may still have: read from the store every few seconds, and counted here meanwhile.

Used time is never a counter of its own: it is the sum of the ledger's rows, which are written once however often they
are sent. Sessions of this process are left out of that sum and counted here, until the store has their rows.

    async with Allowances(database, lambda: settings.spend) as allowances:
        async with allowances.session(user_id="ana", session_id="4f…") as guard:
            guard.ask(Interval("tts", "cartesia", 42, "characters"))
            guard.used("tts", sound_ms=2400, cost_nano=240_000)
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self

from vivavoce.accounts.bucket import Buckets, BucketSize, MemoryBuckets
from vivavoce.accounts.bucket_redis import RedisBuckets
from vivavoce.accounts.guard import Caps, Everyone, SessionGuard, User
from vivavoce.accounts.lease import PORTION_S, Lease
from vivavoce.accounts.periods import day_of, month_of
from vivavoce.accounts.quotas import Reading, Used, read
from vivavoce.clock import Clock, SystemClock, time_of_day_ms
from vivavoce.config.settings import SpendSettings
from vivavoce.errors import StoreError
from vivavoce.ledger.prices import Prices, packaged_prices
from vivavoce.store.database import Database
from vivavoce.store.works import keep_on, leave, to_its_end

_log = logging.getLogger(__name__)
_KEPT_USERS = 10_000
"""Of so many users without a session the last known is kept, for when the store is away as they come back."""
_ROWS_WITHIN_S = 3600.0
"""An ended session whose rows are not all in the store by then is counted by those that are."""
_APART_S = 0.2
_SHARE = 0.02
"""Of the time, sums are read for so much of it at most."""
MEMORY = "memory"


class Allowances:
    """One a process, open as long as it has sessions. Raises ConfigError for `buckets` that cannot be had.

    A store that is away leaves what was known last; where nothing was, everything goes.
    """

    def __init__(
        self,
        database: Database,
        spend: Callable[[], SpendSettings],
        *,
        prices: Prices | None = None,
        clock: Clock | None = None,
        now_ms: Callable[[], int] | None = None,
    ) -> None:
        """`now_ms` is the time of day, which must not go back."""
        self._database, self._spend = database, spend
        self._prices = prices or packaged_prices()
        self._clock: Clock = clock or SystemClock()
        self._now_ms = now_ms or time_of_day_ms(self._clock)
        self._known = spend()
        self._caps = Caps.of(self._known)
        self._buckets = self._make_buckets(self._known.buckets)
        self._users: dict[str, User] = {}
        self._sessions: set[SessionGuard] = set()
        self._everyone = Everyone()
        self._sums_due_ns = self._clock.now_ns()
        self._month_ends_ms, self._day_ends_ms = self._period()
        self._wanted = asyncio.Event()
        self._away = False
        self._refreshing: asyncio.Task[None] | None = None

    def session(self, *, user_id: str, session_id: str) -> SessionGuard:
        """A guard, to be entered; the rows of the ledger must carry the same `session_id`."""
        user = self._users.pop(user_id, None) or User(user_id)
        self._users[user_id] = user
        portion_s = min(PORTION_S, self._spend().bucket_dub_s / 2)
        guard = SessionGuard(
            session_id,
            user,
            self._everyone,
            caps=self._caps_now,
            turn=self._turn,
            lease=Lease(self._buckets, user_id, clock=self._clock, portion_s=portion_s) if portion_s else None,
            prices=self._prices,
            clock=self._clock,
        )
        self._sessions.add(guard)
        self._wanted.set()
        return guard

    async def refresh(self) -> None:
        """Read the store now. Raises StoreError, and leaves what was known.

        Sums over many users' months take their time: those of users that are known are read less often then.
        """
        self._turn()
        begun_ns, period = self._clock.now_ns(), (self._month_ends_ms, self._day_ends_ms)
        everything = begun_ns >= self._sums_due_ns
        stored = {guard for guard in self._sessions if guard.in_store and everything}
        others = self._sessions - stored
        users = {guard.user.name: guard.user for guard in self._sessions}
        summed = set(users) if everything else {name for name, user in users.items() if user.stored is None}
        try:
            async with self._database.begin(read_only=True) as connection:
                reading = await read(
                    connection,
                    now_ms=self._now_ms(),
                    users=users,
                    summed=summed,
                    without=[guard.session_id for guard in others],
                    sessions=[guard.session_id for guard in others if guard.ended_ns is not None],
                    total=everything and self._caps_now().day_nano > 0,
                )
        finally:
            if everything:
                ended_ns = self._clock.now_ns()
                self._sums_due_ns = ended_ns + round((ended_ns - begun_ns) / _SHARE)
        self._turn()
        if period == (self._month_ends_ms, self._day_ends_ms):
            self._take(reading, summed, stored)

    async def __aenter__(self) -> Self:
        self._refreshing = asyncio.create_task(
            keep_on("reading of allowances", self._refresh_always, clock=self._clock)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._refreshing is not None:
            await leave(self._refreshing)
        await self._buckets.aclose()

    async def _refresh_always(self) -> None:
        while True:
            self._wanted.clear()
            if self._sessions:
                await self._refresh_or_note()
            await asyncio.sleep(_APART_S)
            try:
                async with asyncio.timeout(self._spend().refresh_s - _APART_S):
                    await self._wanted.wait()
            except TimeoutError:
                pass

    async def _refresh_or_note(self) -> None:
        try:
            await to_its_end(self.refresh())
        except StoreError as error:
            if not self._away:
                _log.warning("%s; what users may still have stays as it was known last", error)
            self._away = True
            return
        if self._away:
            _log.warning("the store is back: what users may still have is read again")
        self._away = False

    def _take(self, reading: Reading, summed: set[str], stored: set[SessionGuard]) -> None:
        """Put what was read in the place of what was, in one step with the sessions that it counts now."""
        for guard in stored:
            guard.user.here.add(-guard.used_here.dub_ms, -guard.used_here.cost_nano)
            self._everyone.here.add(-guard.used_here.dub_ms, -guard.used_here.cost_nano)
            self._sessions.discard(guard)
        for name, found in reading.users.items():
            before = self._users[name].stored
            self._users[name].stored = found if name in summed or before is None else replace(found, used=before.used)
        if reading.total_nano is not None:
            self._everyone.stored_nano = reading.total_nano
        now_ns = self._clock.now_ns()
        for guard in self._sessions:
            if guard.ended_ns is not None:
                late = now_ns > guard.ended_ns + round(_ROWS_WITHIN_S * 1e9)
                guard.in_store = late or _covers(reading.sessions.get(guard.session_id), guard.used_here)
        for name in list(self._users)[: max(0, len(self._users) - _KEPT_USERS)]:
            if name not in {guard.user.name for guard in self._sessions}:
                del self._users[name]

    def _turn(self) -> None:
        """At midnight the day's money is counted anew, and the month's dub at its end."""
        now_ms = self._now_ms()
        if now_ms < self._day_ends_ms:
            return
        month = now_ms >= self._month_ends_ms
        self._month_ends_ms, self._day_ends_ms = self._period()
        for guard in self._sessions:
            guard.let_go()  # it is counted when it is done
            _clear(guard.used_here, month=month)
        for user in self._users.values():
            _clear(user.here, month=month)
            if user.stored is not None:
                _clear(user.stored.used, month=month)
                user.stored.top_up_ms = 0 if month else user.stored.top_up_ms
        _clear(self._everyone.here, month=month)
        self._everyone.stored_nano = 0

    def _period(self) -> tuple[int, int]:
        now_ms = self._now_ms()
        return month_of(now_ms)[1], day_of(now_ms)[1]

    def _caps_now(self) -> Caps:
        spend = self._spend()
        if spend is not self._known:
            self._known, self._caps = spend, Caps.of(spend)
        return self._caps

    def _make_buckets(self, where: str) -> Buckets:
        if where == MEMORY:
            return MemoryBuckets(self._size, clock=self._clock)
        return RedisBuckets(where, self._size, clock=self._clock)

    def _size(self) -> BucketSize:
        spend = self._spend()
        return BucketSize(spend.bucket_dub_s, spend.bucket_dub_s_per_hour / 3600)


def _covers(stored: Used | None, here: Used) -> bool:
    """Whether the rows of a session are in the store; they are rounded, each of them."""
    if stored is None:
        return False
    return stored.dub_ms >= 0.99 * here.dub_ms - 20 and stored.cost_nano >= 0.99 * here.cost_nano - 1000


def _clear(used: Used, *, month: bool) -> None:
    used.cost_nano = 0
    used.dub_ms = 0.0 if month else used.dub_ms
