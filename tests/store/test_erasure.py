from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Integer, Table, Text, func, insert, select, text

from vivavoce.store.database import Database
from vivavoce.store.erasure import Erased, erase_call, erase_session, erase_user
from vivavoce.store.inserts import insert_into
from vivavoce.store.outbox import open_outbox
from vivavoce.store.tables import ERASED, EVALS, METADATA, SESSION_ENDS, SESSIONS, SHADOW_RESULTS, USAGE

NOT_OF_USERS = {"mt_prompt_versions", "states", "erased"}


def run(url: str, work: Callable[[Database], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with aclosing(Database(url)) as database:
            return await work(database)

    return asyncio.run(main())


def row_of(table: Table, **values: Any) -> dict[str, Any]:
    """A row with something in every column."""
    row: dict[str, Any] = {}
    for column in table.columns:
        if isinstance(column.type, Text):
            row[column.name] = f"{values.get('session_id', '')} {values.get('user_id', '')}"
        else:
            row[column.name] = 5 if isinstance(column.type, Integer) else 0.5
    return row | {name: value for name, value in values.items() if name in table.columns}


async def fill(database: Database, sessions: Iterable[tuple[str, str]], **values: Any) -> None:
    """One row of each session in every table that knows of one, and of each user in the others."""
    async with database.begin() as connection:
        users = set()
        for session, user in sessions:
            for name, table in METADATA.tables.items():
                if name in NOT_OF_USERS or ("session_id" not in table.columns and user in users):
                    continue
                await connection.execute(insert(table), [row_of(table, session_id=session, user_id=user, **values)])
            users.add(user)


async def rows(database: Database) -> dict[str, int]:
    async with database.begin(read_only=True) as connection:
        return {
            name: (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            for name, table in METADATA.tables.items()
        }


def on_disk(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


def test_erasure_knows_every_table_but_those_of_nobody() -> None:
    known = {name for name, table in METADATA.tables.items() if {"session_id", "user_id"} & set(table.columns.keys())}
    assert set(METADATA.tables) - known == NOT_OF_USERS


def test_a_session_is_erased_and_no_other(database_url: str) -> None:
    async def work(database: Database) -> None:
        await fill(database, [("s1", "ann"), ("s2", "ann"), ("s3", "bob")])
        before = await rows(database)
        erased = await erase_session(database, "s1", now_ms=100)
        assert erased.scrubbed
        of_sessions = {name for name, table in METADATA.tables.items() if "session_id" in table.columns}
        assert dict(erased.rows) == dict.fromkeys(of_sessions, 1)
        after = await rows(database)
        assert after == {name: n - (name in of_sessions) + (name == "erased") for name, n in before.items()}
        async with database.begin() as connection:
            assert (await connection.execute(select(ERASED))).all() == [("session", "s1", 100)]
        assert dict((await erase_session(database, "s1", now_ms=200)).rows) == dict.fromkeys(of_sessions, 0)
        async with database.begin() as connection:
            assert (await connection.execute(select(ERASED))).all() == [("session", "s1", 200)]

    run(database_url, work)


def test_a_user_is_erased_with_every_session(database_url: str) -> None:
    async def work(database: Database) -> None:
        await fill(database, [("s1", "ann"), ("s2", "ann"), ("s3", "bob")])
        erased = await erase_user(database, "ann", now_ms=100)
        of_users = {name: 2 if "session_id" in METADATA.tables[name].columns else 1 for name in erased.rows}
        assert dict(erased.rows) == of_users
        assert set(erased.rows) == set(METADATA.tables) - NOT_OF_USERS
        after = await rows(database)
        assert {after[name] for name in erased.rows} == {1}
        async with database.begin() as connection:
            tombstones = (await connection.execute(select(ERASED).order_by(ERASED.c.kind, ERASED.c.name))).all()
            assert tombstones == [("session", "s1", 100), ("session", "s2", 100), ("user", "ann", 100)]
            assert set((await connection.execute(select(SESSIONS.c.user_id))).scalars()) == {"bob"}

    run(database_url, work)


def test_a_clip_that_was_a_correction_is_erased_and_those_of_nobody_stay(database_url: str) -> None:
    whose = {"hers": ("s1", "ann"), "hers alone": ("", "ann"), "his": ("s2", "bob"), "nobody's": ("", "")}

    async def clips(database: Database) -> set[str]:
        async with database.begin(read_only=True) as connection:
            return set((await connection.execute(select(EVALS.c.clip))).scalars())

    async def work(database: Database) -> None:
        made = [row_of(EVALS, clip=clip, session_id=session, user_id=user) for clip, (session, user) in whose.items()]
        async with database.begin() as connection:
            await connection.execute(insert(EVALS), [row | {"run_id": "r1"} for row in made])
        assert (await erase_user(database, "ann", now_ms=100)).rows["evals"] == 2
        assert await clips(database) == {"his", "nobody's"}
        assert (await erase_session(database, "s2", now_ms=100)).rows["evals"] == 1
        again = json.dumps([row | {"run_id": "r2"} for row in made])
        async with database.begin() as connection:
            await connection.execute(insert_into(EVALS.name, database.dialect), {"rows": again})
            found = await connection.execute(select(EVALS.c.clip).where(EVALS.c.run_id == "r2"))
            assert list(found.scalars()) == ["nobody's"]

    run(database_url, work)


def test_the_state_of_a_call_is_erased_by_its_name(database_url: str) -> None:
    async def work(database: Database) -> None:
        async with database.begin() as connection:
            states = [{"key": key, "until_ms": 1, "document": "{}"} for key in ("CA1", "CA2")]
            await connection.execute(insert(METADATA.tables["states"]), states)
        assert await erase_call(database, "CA1") == Erased({"states": 1}, scrubbed=True)
        counts = await rows(database)
        assert (counts["states"], counts["erased"]) == (1, 0)

    run(database_url, work)


def test_what_spools_still_hold_of_who_was_erased_is_not_let_in(database_url: str) -> None:
    async def spooled(database: Database, table: Table, **values: Any) -> int:
        async with database.begin() as connection:
            statement = insert_into(table.name, database.dialect)
            return (await connection.execute(statement, {"rows": json.dumps([row_of(table, **values)])})).rowcount

    async def work(database: Database) -> None:
        await fill(database, [("s1", "ann"), ("s2", "bob")])
        await erase_user(database, "ann", now_ms=100)
        await erase_session(database, "s2", now_ms=100)
        assert await spooled(database, USAGE, session_id="s2", user_id="bob", number=7, at_ms=500) == 0
        assert await spooled(database, SESSION_ENDS, session_id="s1", started_ms=500) == 0
        assert await spooled(database, SESSIONS, session_id="s4", user_id="ann", started_ms=100) == 0
        # A user who comes back is let in, under a session of its own.
        assert await spooled(database, SESSIONS, session_id="s5", user_id="ann", started_ms=101) == 1
        assert await spooled(database, USAGE, session_id="s6", user_id="bob", at_ms=50) == 1

    run(database_url, work)


def spool_of(session: str, user: str, *times_ms: int) -> list[tuple[Table, dict[str, Any]]]:
    """Rows of one session, which used something at each of these times."""
    first_ms, last_ms = times_ms[0], times_ms[-1]
    whose = {"session_id": session, "user_id": user, "started_ms": first_ms, "ended_ms": last_ms}
    used = [(USAGE, row_of(USAGE, **whose, number=at_ms, at_ms=at_ms)) for at_ms in times_ms]
    compared = [(SHADOW_RESULTS, row_of(SHADOW_RESULTS, **whose, number=at_ms, at_ms=at_ms)) for at_ms in times_ms]
    return [(SESSIONS, row_of(SESSIONS, **whose)), *used, (SESSION_ENDS, row_of(SESSION_ENDS, **whose)), *compared]


@pytest.mark.parametrize("order", ["as written", "backwards", "one by one"])
def test_a_session_of_which_a_spool_alone_knew_is_erased_with_its_user(
    database_url: str, tmp_path: Path, order: str
) -> None:
    async def work(database: Database) -> None:
        await erase_user(database, "ann", now_ms=100)
        hers, later, his = spool_of("s1", "ann", 50, 90, 110), spool_of("s2", "ann", 101), spool_of("s3", "bob", 50)
        async with open_outbox(database, tmp_path / "spool") as outbox:
            for table, row in reversed(hers) if order == "backwards" else hers:
                outbox.put(table, row)
                assert order != "one by one" or await outbox.settled(within_s=20)
            for table, row in [*later, *his]:
                outbox.put(table, row)
            assert await outbox.settled(within_s=20)
            assert outbox.stats().refused == 0
            # Again, as after a crash.
            for table, row in [*hers, *later, *his]:
                outbox.put(table, row)
            assert await outbox.settled(within_s=20)
        names = ("sessions", "usage_ledger", "session_ends", "shadow_results")
        async with database.begin(read_only=True) as connection:
            for name in names:
                column = METADATA.tables[name].c.session_id
                assert sorted((await connection.execute(select(column))).scalars()) == ["s2", "s3"], name
            assert set((await connection.execute(select(ERASED))).all()) == {
                ("user", "ann", 100),
                ("session", "s1", 100),
            }

    run(database_url, work)


def test_every_row_of_a_session_names_its_user() -> None:
    of_sessions = [table.columns.keys() for table in METADATA.tables.values() if "session_id" in table.columns]
    assert all("user_id" in names for names in of_sessions)


def test_erasing_waits_for_who_is_inserting(database_url: str) -> None:
    async def work(database: Database) -> None:
        statement = insert_into(USAGE.name, database.dialect)
        row = json.dumps([row_of(USAGE, session_id="s1", user_id="ann")])
        async with aclosing(Database(database_url)) as other:
            await other.ready()
            async with database.begin() as connection:
                assert (await connection.execute(statement, {"rows": row})).rowcount == 1
                erasing = asyncio.create_task(erase_user(other, "ann", now_ms=100))
                done, _ = await asyncio.wait({erasing}, timeout=0.2)
                assert not done
            assert (await erasing).rows["usage_ledger"] == 1
        assert (await rows(database))["usage_ledger"] == 0

    run(database_url, work)


def test_nothing_is_erased_where_not_everything_can_be(database_url: str) -> None:
    async def work(database: Database) -> None:
        await fill(database, [("s1", "ann")])
        before = await rows(database)
        erasing = asyncio.create_task(erase_user(database, "ann", now_ms=100))
        for _ in range(20):
            await asyncio.sleep(0)
        erasing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await erasing
        assert await rows(database) == before

    run(database_url, work)


def test_what_is_erased_is_gone_from_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    async def work(database: Database) -> None:
        for n in range(50):
            await fill(database, [(f"s{n}", f"user {n % 2}")], corrected_text=f"hush {n % 2} " + "x" * 3000)
            async with database.begin() as connection:
                await connection.execute(text("DELETE FROM quotas"))
                await connection.execute(text("DELETE FROM glossaries"))
        assert b"hush 1 " in on_disk(path)
        assert (await erase_user(database, "user 1", now_ms=100)).scrubbed
        assert b"hush 1 " not in on_disk(path)
        assert b"hush 0 " in on_disk(path)

    run(str(path), work)


def test_a_log_that_another_process_reads_is_told_and_scrubbed_later(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    async def main() -> None:
        async with aclosing(Database(str(path), wait_s=0.05)) as database, aclosing(Database(str(path))) as other:
            await fill(database, [("s1", "ann")], corrected_text="hush")
            async with other.begin(read_only=True) as connection:
                await connection.execute(select(SESSIONS))
                assert not (await erase_user(database, "ann", now_ms=100)).scrubbed
            assert await database.scrub()
            assert b"hush" not in on_disk(path)

    asyncio.run(main())
