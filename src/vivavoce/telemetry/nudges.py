"""What a user did about a session, noted by its name in the store."""

from __future__ import annotations

from typing import Final

from sqlalchemy import insert, select

from vivavoce.store.database import Database
from vivavoce.store.tables import NUDGES, SESSIONS
from vivavoce.telemetry.keeping import Nudge, nudge_row

NEWEST: Final = "last"
"""Stands for the session that began last."""


async def note_nudge(database: Database, kind: Nudge, *, session: str, at_ms: int) -> str | None:
    """Keep a nudge of a session, or of the `NEWEST`; its identity, or None where the store knows none.

    Whether it may be kept is for the caller to see. Raises StoreError.
    """
    known = select(SESSIONS.c.session_id, SESSIONS.c.user_id)
    if session == NEWEST:
        known = known.order_by(SESSIONS.c.started_ms.desc()).limit(1)
    else:
        known = known.where(SESSIONS.c.session_id == session)
    async with database.begin() as connection:
        found = (await connection.execute(known)).first()
        if found is None:
            return None
        row = nudge_row(kind, session_id=found.session_id, user_id=found.user_id, at_ms=at_ms)
        await connection.execute(insert(NUDGES).values(row))
    return str(found.session_id)
