"""The statement that puts any number of a table's rows, one JSON array of objects, into SQLite or Postgres.

The database takes the JSON apart, so a row costs this process next to nothing.
"""

from __future__ import annotations

from functools import cache

from sqlalchemy import Table, TextClause, text
from sqlalchemy.dialects import postgresql

from vivavoce.store.tables import METADATA, moment_of


@cache
def insert_into(name: str, dialect: str) -> TextClause:
    """With one parameter, `rows`. Rows that are there already, and those of erased sessions and users, are left out."""
    table = METADATA.tables[name]
    columns = ", ".join(table.columns.keys())
    return text(
        f"INSERT INTO {name} ({columns}) SELECT {columns} FROM ({_source(table, dialect)}) AS r"
        f" WHERE true{''.join(_not_erased(table))} ON CONFLICT DO NOTHING"
    )


@cache
def sessions_of_erased(name: str, dialect: str) -> TextClause | None:
    """With one parameter, `rows`: their sessions that a user's tombstone leaves out and that have none of their own.

    Each comes with the moment of its user's erasure. None for a table that does not tell sessions of users.
    """
    table = METADATA.tables[name]
    if not {"session_id", "user_id"} <= set(table.columns.keys()):
        return None
    return text(
        f"SELECT r.session_id, max(erased.at_ms) FROM ({_source(table, dialect)}) AS r JOIN erased"
        f" ON {_by_user(table)} WHERE r.session_id <> '' AND NOT EXISTS"
        " (SELECT 1 FROM erased WHERE kind = 'session' AND name = r.session_id) GROUP BY r.session_id"
    )


def _source(table: Table, dialect: str) -> str:
    names = [column.name for column in table.columns]
    if dialect == "postgresql":
        types = (column.type.compile(postgresql.dialect()) for column in table.columns)  # type: ignore[no-untyped-call]
        typed = ", ".join(f"{name} {kind}" for name, kind in zip(names, types, strict=True))
        return f"SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r({typed})"
    taken = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in names)
    return f"SELECT {taken} FROM json_each(:rows)"


def _not_erased(table: Table) -> list[str]:
    conditions = []
    if "session_id" in table.columns:
        conditions.append("kind = 'session' AND name = r.session_id")
    if "user_id" in table.columns:
        conditions.append(_by_user(table))
    return [f" AND NOT EXISTS (SELECT 1 FROM erased WHERE {condition})" for condition in conditions]


def _by_user(table: Table) -> str:
    return f"erased.kind = 'user' AND erased.name = r.user_id AND erased.at_ms >= r.{moment_of(table).name}"
