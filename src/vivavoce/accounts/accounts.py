"""Accounts: what each session may spend and did, from the legs' questions to rows on their way to the store.

async with open_accounts(holder) as accounts, accounts.open(SessionFacts("4f…", product="translate")) as account:
    RoutedStt(route, make, guard=account, meter=account)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from vivavoce.accounts.allowance import Allowances
from vivavoce.accounts.guard import SessionGuard
from vivavoce.accounts.spend import Interval, Verdict
from vivavoce.clock import Clock, SystemClock, time_of_day_ms
from vivavoce.config.settings import Settings
from vivavoce.errors import ConfigError
from vivavoce.ledger.prices import Prices, packaged_prices
from vivavoce.ledger.usage import UNMETERED, Meter, Row, UsageMeter, Work
from vivavoce.store.database import Database
from vivavoce.store.lifetimes import keep_swept
from vivavoce.store.outbox import Outbox, open_outbox
from vivavoce.store.tables import SESSION_ENDS, SESSIONS, USAGE
from vivavoce.store.works import keep_on, leave

DONE: Final = "done"
_DUE_EVERY_S: Final = 1.0
_LONGEST_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """Who a session is for, and what it is; `product` is translate or agent.

    Raises ConfigError for names that no store takes: of more than 200 characters, or none of Unicode's.
    """

    session_id: str
    product: str
    user_id: str = ""
    app_id: str = ""
    source: str = ""
    target: str = ""
    tier: str = ""

    def __post_init__(self) -> None:
        for name in (self.user_id, self.app_id):
            if len(name) > _LONGEST_NAME or not name.isprintable():
                raise ConfigError(
                    f"{name[:20]!r} is no name of a user or application",
                    hint=f"up to {_LONGEST_NAME} characters that can be printed",
                )


class SessionAccount:
    """Implements `Account` for one session. Made by `Accounts.open`.

    `codec` tells what its sound comes in, "" until that is known; then the session's own row is written, at its end at
    the latest. Without a `guard` everything goes. `watch` is told all that is metered.
    """

    def __init__(
        self,
        facts: SessionFacts,
        *,
        guard: SessionGuard | None,
        prices: Prices,
        outbox: Outbox,
        now_ms: Callable[[], int],
        codec: Callable[[], str],
        watch: Meter = UNMETERED,
    ) -> None:
        self.facts, self.outcome = facts, DONE
        self._watch = watch
        self.started_ms = now_ms()
        self._guard, self._prices, self._outbox, self._now_ms, self._codec = guard, prices, outbox, now_ms, codec
        self._meter = UsageMeter(prices=prices, now_ms=now_ms, write=self._write)
        self._begun = False

    @property
    def reason(self) -> str:
        return self._guard.reason if self._guard else ""

    def ask(self, interval: Interval) -> Verdict:
        return self._guard.ask(interval) if self._guard else Verdict.GO

    def done(self, interval: Interval) -> None:
        if self._guard:
            self._guard.done(interval)

    def used(self, leg: str, engine: str, work: Work) -> None:
        self._meter.used(leg, engine, work)
        self._watch.used(leg, engine, work)
        if self._guard:
            cost_nano = self._prices.cost(engine, work.quantities, at_ms=self._now_ms()).nano
            self._guard.used(leg, sound_ms=work.sound_ms or 0.0, cost_nano=cost_nano or 0)

    def moved(self, leg: str, engine: str, *, place: int, why: str) -> None:
        self._meter.moved(leg, engine, place=place, why=why)
        self._watch.moved(leg, engine, place=place, why=why)

    def close_due(self) -> None:
        if self._codec():
            self._begin()
        self._meter.close_due()

    def close(self) -> None:
        """Write what is left, and that the session is over."""
        self._meter.close()
        self._begin()
        self._outbox.put(
            SESSION_ENDS,
            {
                "session_id": self.facts.session_id,
                "user_id": self.facts.user_id,
                "started_ms": self.started_ms,
                "ended_ms": self._now_ms(),
                "outcome": self.outcome,
            },
        )

    def _write(self, row: Row) -> None:
        self._begin()
        facts = self.facts
        own = {"session_id": facts.session_id, "user_id": facts.user_id, "app_id": facts.app_id, "codec": self._codec()}
        self._outbox.put(USAGE, {**own, **row})

    def _begin(self) -> None:
        if self._begun:
            return
        self._begun = True
        facts = self.facts
        self._outbox.put(
            SESSIONS,
            {
                "session_id": facts.session_id,
                "user_id": facts.user_id,
                "product": facts.product,
                "app_id": facts.app_id,
                "codec": self._codec(),
                "source": facts.source,
                "target": facts.target,
                "tier": facts.tier,
                "started_ms": self.started_ms,
            },
        )


class Accounts:
    """The accounts of one process's sessions. Made by `open_accounts`."""

    def __init__(
        self, *, database: Database, outbox: Outbox, allowances: Allowances, prices: Prices, now_ms: Callable[[], int]
    ) -> None:
        self.database, self.outbox = database, outbox
        self._allowances, self._prices, self._now_ms = allowances, prices, now_ms
        self._open: set[SessionAccount] = set()

    @asynccontextmanager
    async def open(
        self,
        facts: SessionFacts,
        *,
        codec: Callable[[], str] = str,
        capped: bool = True,
        watch: Meter = UNMETERED,
    ) -> AsyncIterator[SessionAccount]:
        """A session's account. Its outcome is what `outcome` was set to, else an error's type, else "done"."""
        async with AsyncExitStack() as stack:
            guard = None
            if capped:
                session = self._allowances.session(user_id=facts.user_id, session_id=facts.session_id)
                guard = await stack.enter_async_context(session)
            account = SessionAccount(
                facts,
                guard=guard,
                prices=self._prices,
                outbox=self.outbox,
                now_ms=self._now_ms,
                codec=codec,
                watch=watch,
            )
            self._open.add(account)
            try:
                yield account
            except BaseException as error:
                if account.outcome == DONE:
                    account.outcome = type(error).__name__
                raise
            finally:
                self._open.discard(account)
                account.close()

    async def tick(self, clock: Clock) -> None:
        """Once a second write the rows that are old enough, of all sessions."""
        while True:
            await clock.sleep_until(clock.now_ns() + round(_DUE_EVERY_S * 1e9))
            for account in self._open:
                account.close_due()


@asynccontextmanager
async def open_accounts(settings: Callable[[], Settings], *, clock: Clock | None = None) -> AsyncIterator[Accounts]:
    """Accounts over the store of the settings, which need not be there. Left, what was written is on disk.

    Caps that change while this is open hold at once; another store takes a new start. Raises ConfigError for a store's
    address that is none.
    """
    clock = clock or SystemClock()
    chosen = settings()
    # Steps of the machine's clock make no interval longer or negative.
    now_ms, prices = time_of_day_ms(clock), packaged_prices()
    database = Database(chosen.store.url)
    try:
        async with (
            open_outbox(database, clock=clock) as outbox,
            Allowances(database, lambda: settings().spend, prices=prices, clock=clock, now_ms=now_ms) as allowances,
        ):
            accounts = Accounts(
                database=database,
                outbox=outbox,
                allowances=allowances,
                prices=prices,
                now_ms=now_ms,
            )
            days = chosen.store.lifetime_days.model_dump()
            # The sweep connects at once, which imports and migrates: not while somebody speaks.
            works = {
                "writing of usage": lambda: accounts.tick(clock),
                "the sweep": lambda: keep_swept(database, days, clock=clock),
            }
            tasks = [asyncio.create_task(keep_on(what, work, clock=clock)) for what, work in works.items()]
            try:
                yield accounts
            finally:
                await leave(*tasks)
    finally:
        await database.aclose()
