"""What one `vivavoce translate` leaves in the user's own store: usage, and signals where they are wanted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from vivavoce.accounts.accounts import SessionAccount, SessionFacts, open_accounts
from vivavoce.accounts.glossaries import load, merged
from vivavoce.accounts.glossary_file import read_glossary
from vivavoce.audio.devices import MicSource
from vivavoce.audio.files import FileSource
from vivavoce.config.holder import ConfigHolder
from vivavoce.config.settings import Settings
from vivavoce.errors import StoreError
from vivavoce.ledger.usage import UNMETERED, Meter
from vivavoce.prompts import CURRENT
from vivavoce.prompts.session import session_prompt
from vivavoce.store.database import Database
from vivavoce.store.outbox import Outbox
from vivavoce.telemetry.keeping import Telemetry, wanted
from vivavoce.telemetry.signals import SessionSignals
from vivavoce.translate.assembly import AUTO


async def prompt_for(settings: Settings, database: Database, *, away: Callable[[str], None]) -> str:
    """The version of the prompt for a session that begins now; `away` is told where the store cannot say.

    Raises ConfigError where the store says one that is not in this program.
    """
    try:
        return await session_prompt(settings, database)
    except StoreError as error:
        away(f"{error.message}; translators take the prompt {CURRENT}, the newest of this program")
        return CURRENT


@dataclass(frozen=True, slots=True)
class SessionGlossary:
    """Renderings by term: `by_source` language, and those `of_others`."""

    of_others: Mapping[str, str]
    by_source: Mapping[str, Mapping[str, str]]


async def glossary_for(
    file: Path | None, database: Database, *, user: str, source: str, target: str, away: Callable[[str], None]
) -> SessionGlossary:
    """What a session that begins now locks: everybody's glossary, over it the user's, over that the file's.

    The file's terms are of the source language, from "auto" of every one. `away` is told where the store cannot say.
    Raises ConfigError for the file.
    """
    own = read_glossary(file) if file is not None else {}
    loaded: dict[str, dict[str, str]] = {}
    try:
        loaded = await load(database, user, source, target)
    except StoreError as error:
        away(f"{error.message}; no glossary of it is locked")
    if source == AUTO:
        return SessionGlossary(own, {language: merged(stored, own) for language, stored in loaded.items()})
    return SessionGlossary({}, {source: merged(loaded.get(source, {}), own)})


@dataclass(frozen=True, slots=True)
class Accounted:
    account: SessionAccount
    signals: SessionSignals
    outbox: Outbox
    database: Database


@asynccontextmanager
async def accounted(
    holder: ConfigHolder,
    facts: SessionFacts,
    source: MicSource | FileSource,
    *,
    duration_ms: Callable[[], float],
    watch: Meter = UNMETERED,
) -> AsyncIterator[Accounted]:
    """A session's account and signals, written when this is left; `duration_ms` is asked then.

    `watch` is told all that is metered.
    """
    async with open_accounts(lambda: holder.settings) as accounts:
        telemetry = Telemetry(accounts.outbox.put, wanted=lambda: wanted(holder.settings.telemetry))
        async with accounts.open(facts, codec=lambda: source.codec, watch=watch) as account:
            signals = SessionSignals()
            try:
                yield Accounted(account, signals, accounts.outbox, accounts.database)
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
