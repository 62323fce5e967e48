"""Corrections in the store: kept once, found by name, and gone with their user."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace

import pytest

from vivavoce.errors import StoreRefused
from vivavoce.store.corrections import Correction, find_correction, keep_correction
from vivavoce.store.database import Database
from vivavoce.store.erasure import erase_session, erase_user

ROW = Correction(
    id="c1",
    session_id="s1",
    user_id="ann",
    at_ms=1_000,
    source="en",
    target="pt",
    source_text="Beat the boss.",
    hypothesis_text="Bata no patrão.",
    corrected_text="Vença o chefão.",
)


def on(url: str, work: Callable[[Database], Awaitable[None]]) -> None:
    async def main() -> None:
        async with aclosing(Database(url)) as database:
            await database.ready()
            await work(database)

    asyncio.run(main())


def test_a_correction_is_kept_once_and_found(database_url: str) -> None:
    async def work(database: Database) -> None:
        assert await keep_correction(database, ROW)
        assert not await keep_correction(database, ROW)
        assert await find_correction(database, "c1") == ROW
        with pytest.raises(StoreRefused, match="no correction 'c2'"):
            await find_correction(database, "c2")

    on(database_url, work)


def test_erasure_takes_corrections_and_keeps_them_out(database_url: str) -> None:
    async def work(database: Database) -> None:
        await keep_correction(database, ROW)
        assert (await erase_user(database, "ann", now_ms=2_000)).rows["corrections"] == 1
        assert not await keep_correction(database, ROW)
        await erase_session(database, "s2", now_ms=2_000)
        assert not await keep_correction(database, replace(ROW, id="c2", session_id="s2", user_id="", at_ms=3_000))
        assert await keep_correction(database, replace(ROW, id="c3", session_id="s3", at_ms=3_000))

    on(database_url, work)
