"""The house glossary: what is locked for everybody, in the rows of nobody's glossary."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from vivavoce.store.tables import GLOSSARIES

HOUSE: Final = ""
"""In place of a user."""
Entry = tuple[str, str, str, str]
"""Source, target, term, rendering."""


def glossary_hash(entries: Iterable[Entry]) -> str:
    """SHA-256 of the entries as JSON, sorted; "" for none."""
    told = sorted(list(entry) for entry in entries)
    if not told:
        return ""
    return hashlib.sha256(json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


async def house_hash(connection: AsyncConnection) -> str:
    """Of the glossary as it is in the store now."""
    table = GLOSSARIES.c
    wanted = select(table.source, table.target, table.term, table.rendering).where(table.user_id == HOUSE)
    return glossary_hash((row[0], row[1], row[2], row[3]) for row in await connection.execute(wanted))
