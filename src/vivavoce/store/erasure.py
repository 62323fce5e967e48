"""Erasing what is known of a session, a user or a call, and keeping out what spools elsewhere still hold of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from vivavoce.store.database import Database
from vivavoce.store.inserts import sessions_of_erased
from vivavoce.store.tables import METADATA

_BY_SESSION: Final = tuple(name for name, table in METADATA.tables.items() if "session_id" in table.columns)
_BY_USER: Final = tuple(name for name, table in METADATA.tables.items() if "user_id" in table.columns)
_SESSIONS_OF_USER: Final = " UNION ".join(
    f"SELECT session_id FROM {name} WHERE user_id = :name AND session_id <> ''" for name in _BY_SESSION
)
# Who was inserting rows goes first, so that they are seen and deleted, and who comes later sees the tombstone.
_ALONE: Final = "LOCK TABLE erased IN ACCESS EXCLUSIVE MODE"
_BURY: Final = (
    "INSERT INTO erased (kind, name, at_ms) SELECT :kind, {name}, :now_ms FROM {source}"
    " ON CONFLICT (kind, name) DO UPDATE SET at_ms = excluded.at_ms"
)

_BURIED_SESSION: Final = {"session": _BURY.format(name=":name", source="(SELECT 1) AS one WHERE true")}
_OF_SESSION: Final = dict.fromkeys(_BY_SESSION, "session_id = :name")


@dataclass(frozen=True, slots=True)
class Erased:
    """Rows deleted, by table. Not `scrubbed`: they remain in SQLite's log as long as another process reads it."""

    rows: Mapping[str, int]
    scrubbed: bool


async def erase_session(database: Database, session_id: str, *, now_ms: int) -> Erased:
    """Every row of a session, those that come later too. Raises StoreError."""
    return await _erase(database, _BURIED_SESSION, _OF_SESSION, name=session_id, now_ms=now_ms)


async def erase_user(database: Database, user_id: str, *, now_ms: int) -> Erased:
    """Every row of a user and of the user's sessions, those that come later too.

    A user may come back: rows of new sessions are let in when their time is after `now_ms`. Raises StoreError.
    """
    buried = {
        "user": _BURY.format(name=":name", source="(SELECT 1) AS one WHERE true"),
        "session": _BURY.format(name="session_id", source=f"({_SESSIONS_OF_USER}) AS theirs WHERE true"),
    }
    where = dict.fromkeys(_BY_USER, "user_id = :name")
    return await _erase(database, buried, where, name=user_id, now_ms=now_ms)


async def bury_left_out(connection: AsyncConnection, rows: Iterable[tuple[str, str]]) -> None:
    """Of rows as the store takes them, by table: what a user's tombstone leaves out takes its whole session with it.

    So nothing comes of a session that began before its user was erased, and of which only a spool knew.
    """
    sessions: dict[str, int] = {}
    for name, found in rows:
        if (statement := sessions_of_erased(name, connection.dialect.name)) is not None:
            for session_id, at_ms in await connection.execute(statement, {"rows": found}):
                sessions[session_id] = max(at_ms, sessions.get(session_id, at_ms))
    for session_id, at_ms in sessions.items():
        await _delete(connection, _BURIED_SESSION, _OF_SESSION, name=session_id, now_ms=at_ms)


async def erase_call(database: Database, call: str) -> Erased:
    """The state of a telephone call, by its CallSid; states are in no spool. Raises StoreError."""
    return await _erase(database, {}, {"states": "key = :name"}, name=call, now_ms=0)


async def _erase(
    database: Database, buried: Mapping[str, str], where: Mapping[str, str], *, name: str, now_ms: int
) -> Erased:
    """One transaction: all of it, or nothing."""
    async with database.begin() as connection:
        rows = await _delete(connection, buried, where, name=name, now_ms=now_ms)
    return Erased(rows, await database.scrub())


async def _delete(
    connection: AsyncConnection, buried: Mapping[str, str], where: Mapping[str, str], *, name: str, now_ms: int
) -> dict[str, int]:
    rows = {}
    if buried and connection.dialect.name == "postgresql":
        await connection.execute(text(_ALONE))
    for kind, statement in buried.items():
        await connection.execute(text(statement), {"kind": kind, "name": name, "now_ms": now_ms})
    for table, condition in where.items():
        deleted = await connection.execute(text(f"DELETE FROM {table} WHERE {condition}"), {"name": name})
        rows[table] = deleted.rowcount
    return rows
