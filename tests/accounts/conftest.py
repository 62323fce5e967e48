"""A store on virtual time, and what is written to it as a session's rows are."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import insert

from vivavoce.config.load import default_settings
from vivavoce.config.settings import SpendSettings
from vivavoce.ledger.prices import Charge, Price, Prices
from vivavoce.store.database import Database
from vivavoce.store.tables import USAGE

NOON_MS = 1_789_300_800_000
"""2026-09-13 12:00 UTC."""


def row(session: str, number: int, user: str, **more: Any) -> dict[str, Any]:
    """A row of the ledger: a second of dub for a million nano-dollars at noon, where nothing else is said."""
    plain = {
        "session_id": session,
        "number": number,
        "user_id": user,
        "app_id": "",
        "codec": "",
        "at_ms": NOON_MS,
        "interval_ms": 10_000,
        "leg": "tts",
        "engine": "paid",
        "prompt_version": "",
        "sound_ms": 1000,
        "price": "paid@2026-05",
        "cost_nano": 1_000_000,
        "asked": 0,
        "place": 1,
        "why": "",
    }
    return plain | more


async def write(database: Database, *rows: dict[str, Any]) -> None:
    async with database.begin() as connection:
        await connection.execute(insert(USAGE), list(rows))


def spend(**more: Any) -> Callable[[], SpendSettings]:
    chosen = SpendSettings.model_validate(default_settings().spend.model_dump() | more)
    return lambda: chosen


@pytest.fixture(scope="session")
def kit(held_database: type[Database]) -> Any:
    """As a fixture, since tests import no test modules. `SECOND_NANO` is what a second costs with `paid`."""
    prices = Prices(
        {
            "paid": Price("paid", "", "2026-05", "", (Charge("seconds", 60_000_000, 60),)),
            "free": Price("free", "", "", "", ()),
        }
    )
    return SimpleNamespace(
        Database=held_database, NOON_MS=NOON_MS, SECOND_NANO=1_000_000, prices=prices, row=row, write=write, spend=spend
    )
