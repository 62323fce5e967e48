from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from vivavoce.clock import SystemClock, run_virtual
from vivavoce.config.load import default_settings
from vivavoce.errors import ConfigError
from vivavoce.store.database import Database
from vivavoce.store.lifetimes import TOMBSTONE_DAYS, keep_swept, sweep
from vivavoce.store.tables import ERASED, NUDGES, SESSION_ENDS, STATES

DAY_MS = 86_400_000
NOW_MS = 1000 * DAY_MS


def run(url: str, work: Callable[[Database], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with aclosing(Database(url)) as database:
            return await work(database)

    return asyncio.run(main())


async def nudge(database: Database, *ages_days: float) -> None:
    rows = [
        {"id": f"{n}", "session_id": "s", "user_id": "u", "at_ms": NOW_MS - round(age * DAY_MS), "kind": "late"}
        for n, age in enumerate(ages_days)
    ]
    async with database.begin() as connection:
        await connection.execute(insert(NUDGES), rows)


async def ids(database: Database) -> list[str]:
    async with database.begin() as connection:
        return sorted((await connection.execute(select(NUDGES.c.id))).scalars())


def test_rows_go_when_their_days_are_over(database_url: str) -> None:
    async def work(database: Database) -> None:
        await nudge(database, 0, 9.9, 10, 10.1, 500)
        assert (await sweep(database, {"nudges": 0}, now_ms=NOW_MS))["states"] == 0
        assert len(await ids(database)) == 5
        counts = await sweep(database, {"nudges": 10, "sessions": 10}, now_ms=NOW_MS)
        assert counts == {"nudges": 2, "sessions": 0, "session_ends": 0, "states": 0, "erased": 0}
        assert await ids(database) == ["0", "1", "2"]

    run(database_url, work)


def test_a_great_many_go_in_pieces(database_url: str) -> None:
    async def work(database: Database) -> None:
        await nudge(database, *[20] * 11_000, 1)
        assert (await sweep(database, {"nudges": 10}, now_ms=NOW_MS))["nudges"] == 11_000
        assert await ids(database) == ["11000"]

    run(database_url, work)


def test_states_tombstones_and_ends_of_sessions_go_too(database_url: str) -> None:
    async def work(database: Database) -> None:
        until = {"over": NOW_MS, "not yet": NOW_MS + 1}
        dead = {"long ago": NOW_MS - TOMBSTONE_DAYS * DAY_MS - 1, "lately": NOW_MS - TOMBSTONE_DAYS * DAY_MS}
        begun = {"s1": NOW_MS - 11 * DAY_MS, "s2": NOW_MS - 9 * DAY_MS}
        async with database.begin() as connection:
            for key, until_ms in until.items():
                await connection.execute(insert(STATES), [{"key": key, "until_ms": until_ms, "document": "{}"}])
            for name, at_ms in dead.items():
                await connection.execute(insert(ERASED), [{"kind": "user", "name": name, "at_ms": at_ms}])
            for session, started_ms in begun.items():
                row = {"session_id": session, "user_id": "u", "started_ms": started_ms, "ended_ms": NOW_MS}
                await connection.execute(insert(SESSION_ENDS), [row | {"outcome": "done"}])
        await sweep(database, {"sessions": 10}, now_ms=NOW_MS)
        async with database.begin() as connection:
            left = [
                (await connection.execute(select(column))).scalars().all()
                for column in (STATES.c.key, ERASED.c.name, SESSION_ENDS.c.session_id)
            ]
        assert left == [["not yet"], ["lately"], ["s2"]]

    run(database_url, work)


def test_every_lifetime_of_the_settings_is_one_of_a_table(database_url: str) -> None:
    days = default_settings().store.lifetime_days.model_dump()
    counts = run(database_url, lambda database: sweep(database, days, now_ms=NOW_MS))
    assert set(counts) == {name for name, kept in days.items() if kept} | {"session_ends", "states", "erased"}


def test_a_table_without_lifetimes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="quotas"):
        run(str(tmp_path / "store.db"), lambda database: sweep(database, {"quotas": 3}, now_ms=NOW_MS))


def test_what_outlives_itself_is_swept_every_hour_until_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "folder"
    blocked.mkdir()

    async def main() -> None:
        async with aclosing(Database(str(blocked))) as database, asyncio.timeout(3 * 3600 - 1):
            await keep_swept(database, {}, clock=SystemClock())

    with pytest.raises(TimeoutError):
        run_virtual(main())
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "what has outlived itself is still there"
    ] * 3
