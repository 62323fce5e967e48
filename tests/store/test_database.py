from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import func, insert, select, text

from vivavoce.errors import ConfigError, StoreAway, StoreError, StoreRefused
from vivavoce.store import migrations
from vivavoce.store.database import SCHEMA, Database
from vivavoce.store.tables import ERASED, GLOSSARIES, METADATA, QUOTAS

SECRET = "a secret"


def run(url: str, work: Callable[[Database], Awaitable[Any]], **options: Any) -> Any:
    async def main() -> Any:
        async with aclosing(Database(url, **options)) as database:
            return await work(database)

    return asyncio.run(main())


async def bury(database: Database, name: str) -> None:
    async with database.begin() as connection:
        await connection.execute(insert(ERASED), [{"kind": "user", "name": name, "at_ms": 1}])


async def buried(database: Database) -> list[str]:
    async with database.begin(read_only=True) as connection:
        return list((await connection.execute(select(ERASED.c.name).order_by(ERASED.c.name))).scalars())


@asynccontextmanager
async def locked(url: str) -> AsyncIterator[None]:
    """Another process holds the lock of a new store."""
    async with aclosing(Database(url)) as other, other.begin() as connection:
        if other.dialect == "postgresql":
            await connection.execute(text("LOCK TABLE erased"))
        yield


def test_what_was_committed_is_there_for_the_next(database_url: str) -> None:
    run(database_url, lambda database: bury(database, "a"))
    run(database_url, lambda database: bury(database, "b"))
    assert run(database_url, buried) == ["a", "b"]


def test_the_migrated_schema_is_that_of_the_tables(database_url: str) -> None:
    async def work(database: Database) -> object:
        async with database.begin() as connection:
            return await connection.run_sync(
                lambda sync: compare_metadata(MigrationContext.configure(sync, opts={"compare_type": True}), METADATA)
            )

    assert run(database_url, work) == []


def test_the_newest_revision_is_the_one_that_is_used_without_asking() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_current_head() == SCHEMA


def test_terms_of_an_older_store_are_one_whatever_their_case(database_url: str) -> None:
    async def age(database: Database) -> None:
        columns = "user_id, source, target, term, rendering, at_ms"
        async with database.begin() as connection:
            for line in (
                "DROP TABLE glossaries",
                "CREATE TABLE glossaries (user_id TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL,"
                " term TEXT NOT NULL, rendering TEXT NOT NULL, at_ms BIGINT NOT NULL,"
                " PRIMARY KEY (user_id, source, target, term))",
                f"INSERT INTO glossaries ({columns}) VALUES ('', 'en', 'pt', 'Account', 'later', 2),"
                " ('', 'en', 'pt', 'account', 'earlier', 1), ('bob', 'en', 'pt', 'ACCOUNT', 'own', 1)",
                "UPDATE alembic_version SET version_num = '0001'",
            ):
                await connection.execute(text(line))

    async def terms(database: Database) -> list[tuple[str, str, str]]:
        found = select(GLOSSARIES.c.term_key, GLOSSARIES.c.term, GLOSSARIES.c.rendering)
        async with database.begin(read_only=True) as connection:
            return [(*row,) for row in await connection.execute(found.order_by(GLOSSARIES.c.user_id))]

    run(database_url, age)
    assert run(database_url, terms) == [("account", "Account", "later"), ("account", "ACCOUNT", "own")]
    assert run(database_url, Database.revision) == SCHEMA


def test_many_may_upgrade_at_once_and_again(database_url: str) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for n in range(6):
                group.create_task(one(n))

    async def one(n: int) -> None:
        async with aclosing(Database(database_url)) as database:
            async with asyncio.TaskGroup() as group:
                for _ in range(3):
                    group.create_task(database.ready())
            assert await database.revision() == SCHEMA
            await bury(database, f"{n}")

    asyncio.run(main())
    assert run(database_url, buried) == ["0", "1", "2", "3", "4", "5"]


def test_a_schema_from_the_future_is_refused(database_url: str) -> None:
    async def age(database: Database) -> None:
        async with database.begin() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = '7777'"))

    run(database_url, age)
    with pytest.raises(StoreRefused, match=f"has schema 7777, and this program knows {SCHEMA}"):
        run(database_url, Database.ready)
    assert run(database_url, Database.revision) == "7777"


def test_tables_of_another_program_are_left_alone(database_url: str) -> None:
    async def other(database: Database) -> None:
        async with database.begin() as connection:
            for name in [*METADATA.tables, "alembic_version"]:
                await connection.execute(text(f"DROP TABLE {name}"))
            await connection.execute(text("CREATE TABLE sessions (id INTEGER)"))

    run(database_url, other)
    with pytest.raises(StoreRefused, match="no store of ours: it has a table sessions"):
        run(database_url, Database.ready)


def test_a_block_that_raises_leaves_nothing(database_url: str) -> None:
    async def work(database: Database) -> None:
        async def block() -> None:
            async with database.begin() as connection:
                await connection.execute(insert(ERASED), [{"kind": "user", "name": "a", "at_ms": 1}])
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await block()
        assert await buried(database) == []

    run(database_url, work)


@pytest.mark.parametrize("in_statement", [True, False])
def test_a_block_may_be_cancelled_as_often_as_one_likes(database_url: str, in_statement: bool) -> None:
    slow = {
        "postgresql": "SELECT pg_sleep(60)",
        "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 200000) SELECT max(i) FROM n",
    }

    async def work(database: Database) -> None:
        async def block() -> None:
            async with database.begin() as connection:
                await connection.execute(insert(ERASED), [{"kind": "user", "name": "a", "at_ms": 1}])
                begun.set()
                if in_statement:
                    await connection.execute(text(slow[database.dialect]))
                await asyncio.Event().wait()

        for _ in range(6):  # more than the pool has
            begun = asyncio.Event()
            task = asyncio.create_task(block())
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert await buried(database) == []
        await bury(database, "b")
        assert await buried(database) == ["b"]

    # What is cancelled before the server has begun with it is waited for until it is too slow.
    soon = "" if database_url.startswith("sqlite") else "&options=-c%20statement_timeout%3D1000"
    run(database_url + soon, work)


def test_connecting_may_be_cancelled(database_url: str) -> None:
    async def work(database: Database) -> None:
        for turns in range(12):
            task = asyncio.create_task(database.ready())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await bury(database, "a")

    run(database_url, work)
    assert run(database_url, buried) == ["a"]


@pytest.mark.parametrize(
    "row",
    [
        {"kind": SECRET, "name": SECRET, "at_ms": None},
        {"kind": SECRET, "name": SECRET, "at_ms": 1 << 70},
        {"kind": SECRET, "name": f"{SECRET}\ud800", "at_ms": 1},
        {"kind": SECRET, "name": SECRET, "at_ms": {1}},
    ],
)
def test_a_row_that_is_none_is_refused_and_not_told(database_url: str, row: dict[str, Any]) -> None:
    async def work(database: Database) -> None:
        with pytest.raises(StoreRefused) as refused:
            async with database.begin() as connection:
                await connection.execute(insert(ERASED), [row])
        assert SECRET not in str(refused.value)
        assert SECRET not in refused.value.hint
        await bury(database, "a")

    run(database_url, work)


def test_what_is_written_twice_or_into_no_table_is_refused(database_url: str) -> None:
    async def work(database: Database) -> None:
        await bury(database, SECRET)
        with pytest.raises(StoreRefused, match=r"23505|SQLITE_CONSTRAINT") as refused:
            await bury(database, SECRET)
        assert SECRET not in str(refused.value)
        with pytest.raises(StoreRefused):
            async with database.begin() as connection:
                await connection.execute(text("INSERT INTO nowhere VALUES (1)"))

    run(database_url, work)


def test_a_lock_that_another_holds_is_a_store_that_is_away(database_url: str) -> None:
    async def work(database: Database) -> None:
        async with locked(database_url):
            with pytest.raises(StoreAway, match=r"SQLITE_BUSY|55P03"):
                await bury(database, "a")
        await bury(database, "b")
        assert await buried(database) == ["b"]

    run(database_url, work, wait_s=0.05)


def test_who_reads_waits_for_nobody_who_writes(database_url: str) -> None:
    async def work(database: Database) -> None:
        await bury(database, "a")
        async with aclosing(Database(database_url)) as other, other.begin() as connection:
            await connection.execute(insert(ERASED), [{"kind": "user", "name": "b", "at_ms": 1}])
            assert await buried(database) == ["a"]
        assert await buried(database) == ["a", "b"]

    run(database_url, work, wait_s=0.05)


def test_who_only_reads_cannot_write_in_postgres(postgres_url: str) -> None:
    async def work(database: Database) -> None:
        with pytest.raises(StoreError):
            async with database.begin(read_only=True) as connection:
                await connection.execute(insert(ERASED), [{"kind": "user", "name": "a", "at_ms": 1}])
        await bury(database, "a")

    run(postgres_url, work)


def test_more_at_once_than_connections_wait_for_each_other(database_url: str) -> None:
    async def add(database: Database) -> None:
        async with database.begin() as connection:
            (most,) = (await connection.execute(select(func.max(QUOTAS.c.dub_ms)))).one()
            await connection.execute(
                insert(QUOTAS), [{"user_id": f"{(most or 0) + 1}", "dub_ms": (most or 0) + 1, "at_ms": 1}]
            )

    async def work(database: Database) -> None:
        if database.dialect == "postgresql":
            await asyncio.gather(*(bury(database, f"{n}") for n in range(40)))
            return
        # In SQLite a transaction has the file from its beginning, so that what it read holds when it writes.
        await asyncio.gather(*(add(database) for _ in range(40)))
        async with database.begin(read_only=True) as connection:
            assert (await connection.execute(select(func.max(QUOTAS.c.dub_ms)))).scalar() == 40

    run(database_url, work)


def test_a_closed_store_is_closed(database_url: str) -> None:
    async def work(database: Database) -> None:
        await database.ready()
        await database.aclose()
        with pytest.raises(StoreRefused, match="closed"):
            await bury(database, "a")

    run(database_url, work)


def test_a_server_that_dies_is_away_and_is_used_again_once_it_is_back(postgres: Any) -> None:
    async def work(database: Database) -> None:
        async def block() -> None:
            async with database.begin() as connection:
                await connection.execute(insert(ERASED), [{"kind": "user", "name": "lost", "at_ms": 1}])
                await asyncio.to_thread(postgres.kill)
                await connection.execute(insert(ERASED), [{"kind": "user", "name": "lost too", "at_ms": 1}])

        await bury(database, "a")
        with pytest.raises(StoreAway):
            await block()
        for _ in range(6):
            with pytest.raises(StoreAway):
                await bury(database, "b")
        await asyncio.to_thread(postgres.start)
        await asyncio.gather(*(bury(database, f"c{n}") for n in range(4)))
        assert await buried(database) == ["a", "c0", "c1", "c2", "c3"]

    run(postgres.url, work)


def test_a_server_that_is_not_there_is_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with pytest.raises(StoreAway, match=f"127.0.0.1:{port}/") as away:
        run(f"postgresql://me:{SECRET.replace(' ', '')}@127.0.0.1:{port}/name", Database.ready)
    assert "refused" in str(away.value)
    assert SECRET.replace(" ", "") not in str(away.value)


def test_a_password_may_come_from_the_environment(postgres: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask_for_passwords(database: Database) -> None:
        async with database.begin() as connection:
            await connection.execute(text(f"ALTER USER postgres PASSWORD '{SECRET}'"))
            file = (await connection.execute(text("SHOW hba_file"))).scalar_one()
        Path(file).write_text("local all all scram-sha-256\n")  # noqa: ASYNC240
        async with database.begin() as connection:
            await connection.execute(text("SELECT pg_reload_conf()"))

    run(postgres.url, ask_for_passwords)
    # It dies and comes back, so that no connection is from before.
    postgres.kill()
    postgres.start()
    monkeypatch.setenv("PGPASSWORD", "not it")
    with pytest.raises(StoreAway, match="password authentication failed") as away:
        run(postgres.url, buried)
    assert "not it" not in str(away.value)
    monkeypatch.setenv("PGPASSWORD", SECRET)
    assert run(postgres.url, buried) == []


def test_a_database_that_is_not_there_is_away(postgres_url: str) -> None:
    with pytest.raises(StoreAway, match="nobody"):
        run(postgres_url.replace("/vivavoce_", "/nobody_"), Database.ready)


def test_sqlite_by_default_in_the_users_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder = tmp_path / "vivavoce"

    async def work(database: Database) -> None:
        assert await database.revision() == ""
        assert not folder.exists()
        await bury(database, "a")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
        assert modes == dict.fromkeys(["vivavoce.db", "vivavoce.db-wal", "vivavoce.db-shm"], 0o600)
        assert str(database) == str(folder / "vivavoce.db")

    run("", work)


def test_sqlite_syncs_every_commit_and_overwrites_what_is_deleted(tmp_path: Path) -> None:
    async def work(database: Database) -> list[Any]:
        async with database.begin() as connection:
            names = ("journal_mode", "synchronous", "secure_delete")
            return [(await connection.execute(text(f"PRAGMA {name}"))).scalar() for name in names]

    assert run(str(tmp_path / "store.db"), work) == ["wal", 2, 1]


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    damaged, folder = tmp_path / "damaged.db", tmp_path / "folder"
    damaged.write_bytes(b"no SQLite file, " * 500)
    pipe = tmp_path / "pipe"
    folder.mkdir()
    os.mkfifo(pipe, 0o666)
    mode = pipe.stat().st_mode
    for path, reason in (
        (damaged, "SQLITE_NOTADB"),
        (folder, "directory"),
        (damaged / "below", "directory|exists"),
        (pipe, "is no file"),
    ):
        with pytest.raises(StoreRefused, match=reason):
            run(str(path), Database.ready)
    # What was there before keeps its mode: it may be /dev/null.
    assert pipe.stat().st_mode == mode


def test_text_that_is_damaged_is_refused_and_not_told(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    async def work(database: Database) -> None:
        await bury(database, "a")
        with sqlite3.connect(path) as other:
            other.execute("UPDATE erased SET name = CAST(? AS TEXT)", (sqlite3.Binary(f"{SECRET}".encode() + b"\xff"),))
        other.close()
        with pytest.raises(StoreRefused) as refused:
            await buried(database)
        assert SECRET not in str(refused.value)

    run(str(path), work)


@pytest.mark.parametrize("url", ["mysql://me@host/name", "postgresql+asyncpg://host/name", "sqlite://", "://"])
def test_another_kind_of_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"\[store\] url"):
        Database(url)


def test_no_password_is_told() -> None:
    database = Database("postgresql://me:hush@db.example:5433/name?password=hush2&sslmode=require")
    assert str(database) == "postgresql://db.example:5433/name"
    assert "hush" not in repr(database)
