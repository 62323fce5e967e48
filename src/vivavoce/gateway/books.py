"""What calls leave in the store: sessions and usage, and signals where they are wanted."""

from __future__ import annotations

import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from vivavoce.accounts.accounts import DONE, Accounts, SessionFacts
from vivavoce.clock import NS_PER_MS, Clock
from vivavoce.ledger.usage import UNMETERED, Meter
from vivavoce.media import Call
from vivavoce.telemetry.keeping import Telemetry
from vivavoce.telemetry.monitor import Monitor
from vivavoce.telemetry.observer import UNOBSERVED, Observer, SessionLabels
from vivavoce.telemetry.signals import SessionSignals

NEVER_CAME = "never came"
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Page:
    """Where one call is counted; `failure` is to be set to the kind of what broke it off."""

    meter: Meter = UNMETERED
    signals: SessionSignals = field(default_factory=SessionSignals)
    observer: Observer = UNOBSERVED
    failure: str = ""


class Bookkeeper(Protocol):
    def page(self, call: Call, *, name: str, app: str) -> AbstractAsyncContextManager[Page]:
        """A call's page, as long as the call lasts. `name` is its exchange's, `app` the exchange."""
        ...


class Forgetful:
    """Implements `Bookkeeper` and keeps nothing."""

    @asynccontextmanager
    async def page(self, call: Call, *, name: str, app: str) -> AsyncIterator[Page]:
        yield Page()


class Books:
    """Implements `Bookkeeper` over a process's accounts. A call's session has a name of its own, told in the log.

    `monitor` traces and counts calls of the script of this name.
    """

    def __init__(
        self,
        accounts: Accounts,
        telemetry: Telemetry,
        *,
        language: str,
        tier: str = "",
        clock: Clock,
        monitor: Monitor | None = None,
        script: str = "",
    ) -> None:
        self._accounts, self._telemetry, self._language = accounts, telemetry, language
        self._tier, self._clock, self._monitor, self._script = tier, clock, monitor, script

    @asynccontextmanager
    async def page(self, call: Call, *, name: str, app: str) -> AsyncIterator[Page]:
        facts = SessionFacts(
            uuid.uuid4().hex, "agent", app_id=app, source=self._language, target=self._language, tier=self._tier
        )
        _LOG.info("call %s is session %s", name, facts.session_id)

        def codec() -> str:
            return call.format.codec if call.format else ""

        begun_ns, signals, outcome = self._clock.now_ns(), SessionSignals(), DONE
        async with AsyncExitStack() as stack:
            observer: Observer = UNOBSERVED
            if self._monitor is not None:
                observer = stack.enter_context(
                    self._monitor.session(self._labels(facts), clock=self._clock, outcome=lambda: outcome)
                )
            account = await stack.enter_async_context(
                self._accounts.open(facts, codec=codec, capped=False, watch=observer)
            )
            page = Page(account, signals, observer)
            try:
                yield page
            finally:
                if call.format is None:
                    account.outcome = outcome = NEVER_CAME
                else:
                    if page.failure:
                        account.outcome = outcome = page.failure
                    self._telemetry.session(
                        signals,
                        session_id=facts.session_id,
                        user_id=facts.user_id,
                        app_id=app,
                        codec=codec(),
                        at_ms=account.started_ms,
                        duration_ms=(self._clock.now_ns() - begun_ns) / NS_PER_MS,
                    )

    def _labels(self, facts: SessionFacts) -> SessionLabels:
        return SessionLabels(
            session_id=facts.session_id,
            product=facts.product,
            app_id=facts.app_id,
            source=facts.source,
            target=facts.target,
            tier=facts.tier,
            name=self._script,
        )
