"""What one `vivavoce translate` leaves in the user's own store: usage, and signals where they are wanted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from vivavoce.accounts.accounts import SessionAccount, SessionFacts, open_accounts
from vivavoce.audio.devices import MicSource
from vivavoce.audio.files import FileSource
from vivavoce.config.holder import ConfigHolder
from vivavoce.store.outbox import Outbox
from vivavoce.telemetry.keeping import Telemetry, wanted
from vivavoce.telemetry.signals import SessionSignals


@dataclass(frozen=True, slots=True)
class Accounted:
    account: SessionAccount
    signals: SessionSignals
    outbox: Outbox


@asynccontextmanager
async def accounted(
    holder: ConfigHolder, facts: SessionFacts, source: MicSource | FileSource, *, duration_ms: Callable[[], float]
) -> AsyncIterator[Accounted]:
    """A session's account and signals, written when this is left; `duration_ms` is asked then."""
    async with open_accounts(lambda: holder.settings) as accounts:
        telemetry = Telemetry(accounts.outbox.put, wanted=lambda: wanted(holder.settings.telemetry))
        async with accounts.open(facts, codec=lambda: source.codec) as account:
            signals = SessionSignals()
            try:
                yield Accounted(account, signals, accounts.outbox)
            finally:
                if length_ms := duration_ms():
                    telemetry.session(
                        signals,
                        session_id=facts.session_id,
                        user_id=facts.user_id,
                        app_id=facts.app_id,
                        codec=source.codec,
                        at_ms=account.started_ms,
                        duration_ms=length_ms,
                    )
