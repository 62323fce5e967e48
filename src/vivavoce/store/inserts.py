"""The statement that puts any number of a table's rows, one JSON array of objects, into SQLite or Postgres.

The database takes the JSON apart, so a row costs this process next to nothing.
"""

from __future__ import annotations

from functools import cache

from sqlalchemy import Table, TextClause, text
from sqlalchemy.dialects import postgresql

from vivavoce.store.tables import METADATA

_MOMENTS = ("at_ms", "started_ms", "ended_ms", "deployed_ms")


@cache
def insert_into(name: str, dialect: str) -> TextClause:
    """With one parameter, `rows`. Rows that are there already, and those of erased sessions and users, are left out."""
    table = METADATA.tables[name]
    names = [column.name for column in table.columns]
    if dialect == "postgresql":
        types = (column.type.compile(postgresql.dialect()) for column in table.columns)  # type: ignore[no-untyped-call]
        typed = ", ".join(f"{name} {kind}" for name, kind in zip(names, types, strict=True))
        source = f"SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r({typed})"
    else:
        taken = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in names)
        source = f"SELECT {taken} FROM json_each(:rows)"
    columns = ", ".join(names)
    return text(
        f"INSERT INTO {name} ({columns}) SELECT {columns} FROM ({source}) AS r"
        f" WHERE true{''.join(_not_erased(table))} ON CONFLICT DO NOTHING"
    )


def _not_erased(table: Table) -> list[str]:
    conditions = []
    if "session_id" in table.columns:
        conditions.append("kind = 'session' AND name = r.session_id")
    if "user_id" in table.columns:
        moment = next(name for name in _MOMENTS if name in table.columns)
        conditions.append(f"kind = 'user' AND name = r.user_id AND erased.at_ms >= r.{moment}")
    return [f" AND NOT EXISTS (SELECT 1 FROM erased WHERE {condition})" for condition in conditions]
