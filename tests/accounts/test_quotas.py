"""Top-ups are payments: each counts once, and none is taken for another."""

from __future__ import annotations

import asyncio

import pytest

from vivavoce.accounts.quotas import read, top_up
from vivavoce.errors import ConfigError
from vivavoce.store.database import Database

NOW_MS = 1_782_000_000_000


@pytest.mark.parametrize(("user", "dub_ms"), [("eve", 60_000), ("bob", 90_000)])
def test_a_top_up_under_the_id_of_another_is_refused(database_url: str, user: str, dub_ms: int) -> None:
    async def main() -> None:
        database = Database(database_url)
        try:
            assert await top_up(database, "bob", 60_000, id="inv-1", now_ms=NOW_MS)
            assert not await top_up(database, "bob", 60_000, id="inv-1", now_ms=NOW_MS + 1)
            with pytest.raises(ConfigError, match="inv-1 is a top-up of"):
                await top_up(database, user, dub_ms, id="inv-1", now_ms=NOW_MS)
            async with database.begin(read_only=True) as connection:
                found = await read(connection, now_ms=NOW_MS, users=["bob", "eve"])
            assert {name: stored.top_up_ms for name, stored in found.users.items()} == {"bob": 60_000, "eve": 0}
        finally:
            await database.aclose()

    asyncio.run(main())
