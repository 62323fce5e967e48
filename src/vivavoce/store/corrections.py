"""Corrections of users: what was said, what became of it, and what it should have been."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from sqlalchemy import select

from vivavoce.errors import StoreRefused
from vivavoce.store.database import Database
from vivavoce.store.inserts import insert_into
from vivavoce.store.tables import CORRECTIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """Languages are ISO 639-1 codes; `hypothesis_text` is what the user was given, "" where nobody kept it."""

    id: str
    session_id: str
    user_id: str
    at_ms: int
    source: str
    target: str
    source_text: str
    hypothesis_text: str
    corrected_text: str


async def keep_correction(database: Database, correction: Correction) -> bool:
    """Put a correction into the store; False where it is there already, or its session or user was erased.

    Raises StoreError.
    """
    rows = json.dumps([asdict(correction)])
    async with database.begin() as connection:
        done = await connection.execute(insert_into(CORRECTIONS.name, connection.dialect.name), {"rows": rows})
        return done.rowcount > 0


async def find_correction(database: Database, correction_id: str) -> Correction:
    """The correction of this identity. Raises StoreRefused where there is none, StoreError."""
    async with database.begin(read_only=True) as connection:
        found = (await connection.execute(select(CORRECTIONS).where(CORRECTIONS.c.id == correction_id))).one_or_none()
    if found is None:
        raise StoreRefused(
            f"the store knows no correction {correction_id!r}", hint="`vivavoce eval correct` told its name"
        )
    return Correction(**found._mapping)
