"""Accounts: what each session may spend and did, from the legs' questions to rows on their way to the store.

async with open_accounts(holder) as accounts, accounts.open(SessionFacts("4f…", product="translate")) as account:
    RoutedStt(route, make, guard=account, meter=account)
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from vivavoce.clock import NS_PER_MS, Clock, SystemClock
from vivavoce.config.settings import Settings
from vivavoce.errors import StoreAway
from vivavoce.ledger.allowance import Allowances
from vivavoce.ledger.guard import SessionGuard
from vivavoce.ledger.prices import Prices, packaged_prices
from vivavoce.ledger.spend import Interval, Verdict
from vivavoce.ledger.usage import Row, UsageMeter
from vivavoce.store.database import Database
from vivavoce.store.lifetimes import keep_swept
from vivavoce.store.outbox import Outbox, open_outbox
from vivavoce.store.tables import SESSION_ENDS, SESSIONS, USAGE

DONE: Final = "done"
_DUE_EVERY_S: Final = 1.0
_CONNECT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """Who a session is for, and what it is; `product` is translate or agent."""

    session_id: str
    product: str
    user_id: str = ""
    app_id: str = ""
    source: str = ""
    target: str = ""
    tier: str = ""


class Account:
    """Implements `spend.Account` for one session. Made by `Accounts.open`.

    `codec` tells what its sound comes in, which may be known only once it does; the session's own row is written with
    its first usage, or at its end.
    """

    def __init__(
        self,
        facts: SessionFacts,
        *,
        guard: SessionGuard,
        prices: Prices,
        outbox: Outbox,
        now_ms: Callable[[], int],
        codec: Callable[[], str],
    ) -> None:
        self.facts, self.outcome = facts, DONE
        self.started_ms = now_ms()
        self._guard, self._prices, self._outbox, self._now_ms, self._codec = guard, prices, outbox, now_ms, codec
        self._meter = UsageMeter(prices=prices, now_ms=now_ms, write=self._write)
        self._begun = False

    def ask(self, interval: Interval) -> Verdict:
        return self._guard.ask(interval)

    def done(self, interval: Interval) -> None:
        self._guard.done(interval)

    def used(
        self,
        leg: str,
        engine: str,
        *,
        sound_ms: float | None = None,
        characters: int | None = None,
        tokens_in: int | None = None,
        tokens_out: int | None = None,
        latency_ms: float | None = None,
        prompt_version: str = "",
    ) -> None:
        self._meter.used(
            leg,
            engine,
            sound_ms=sound_ms,
            characters=characters,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            latency_ms=latency_ms,
            prompt_version=prompt_version,
        )
        known = {
            "seconds": None if sound_ms is None else sound_ms / 1000,
            "characters": characters,
            "tokens_in": tokens_in,
            "tokens_out": tokens_out,
        }
        quantities = {unit: quantity for unit, quantity in known.items() if quantity is not None}
        self._guard.used(leg, sound_ms=sound_ms or 0.0, cost_nano=self._prices.cost(engine, quantities).nano or 0)

    def moved(self, leg: str, engine: str, *, place: int, why: str) -> None:
        self._meter.moved(leg, engine, place=place, why=why)

    def close_due(self) -> None:
        self._meter.close_due()

    def close(self) -> None:
        """Write what is left, and that the session is over."""
        self._meter.close()
        self._begin()
        ended = {"session_id": self.facts.session_id, "ended_ms": self._now_ms(), "outcome": self.outcome}
        self._outbox.put(SESSION_ENDS, ended)

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
        self._open: set[Account] = set()

    @asynccontextmanager
    async def open(self, facts: SessionFacts, *, codec: Callable[[], str] = str) -> AsyncIterator[Account]:
        """A session's account. Its outcome is what `outcome` was set to, else an error's type, else "done"."""
        async with self._allowances.session(user_id=facts.user_id, session_id=facts.session_id) as guard:
            account = Account(
                facts, guard=guard, prices=self._prices, outbox=self.outbox, now_ms=self._now_ms, codec=codec
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

    def close_due(self) -> None:
        """Write the rows that are old enough, of all sessions."""
        for account in self._open:
            account.close_due()


@asynccontextmanager
async def open_accounts(
    settings: Callable[[], Settings], *, clock: Clock | None = None, prices: Prices | None = None
) -> AsyncIterator[Accounts]:
    """Accounts over the store of the settings, which need not be there. Left, what was written is on disk.

    Caps that change while this is open hold at once; another store takes a new start. Raises ConfigError for a store's
    address that is none, StoreRefused for a store of a newer program.
    """
    clock = clock or SystemClock()
    chosen = settings()
    # Steps of the machine's clock make no interval longer or negative.
    origin_ms = round(time.time() * 1000) - clock.now_ns() // NS_PER_MS

    def now_ms() -> int:
        return origin_ms + clock.now_ns() // NS_PER_MS

    database = Database(chosen.store.url)
    try:
        # Connecting imports and migrates: not while somebody speaks.
        with suppress(StoreAway, TimeoutError):
            async with asyncio.timeout(_CONNECT_S):
                await database.ready()
        async with (
            open_outbox(database, clock=clock) as outbox,
            Allowances(database, lambda: settings().spend, clock=clock) as allowances,
        ):
            accounts = Accounts(
                database=database,
                outbox=outbox,
                allowances=allowances,
                prices=prices or packaged_prices(),
                now_ms=now_ms,
            )
            days = chosen.store.lifetime_days.model_dump()
            tasks = [
                asyncio.create_task(_tick(accounts, clock)),
                asyncio.create_task(keep_swept(database, days, clock=clock)),
            ]
            try:
                yield accounts
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
    finally:
        await database.aclose()


async def _tick(accounts: Accounts, clock: Clock) -> None:
    while True:
        await clock.sleep_until(clock.now_ns() + round(_DUE_EVERY_S * 1e9))
        accounts.close_due()
