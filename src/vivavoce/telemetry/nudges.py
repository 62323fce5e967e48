"""What a user did about a session, noted by its name in the store."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Select, and_, case, insert, or_, select

from vivavoce.store.database import Database
from vivavoce.store.tables import NUDGES, SESSION_ENDS, SESSIONS
from vivavoce.telemetry.keeping import nudge_row
from vivavoce.telemetry.kinds import Nudge

NEWEST: Final = "last"
"""Stands for a user's session that began last."""
_LEAST_LETTERS: Final = 8
_FRESH_MS: Final = 3_600_000
_LONGEST_MS: Final = 86_400_000
"""Who began longer ago and has no end did not come to it."""


async def note_nudge(database: Database, kind: Nudge, *, session: str, user_id: str = "", at_ms: int) -> str | None:
    """Keep a nudge of a session, or of the user's `NEWEST`; its identity, or None where the store knows none.

    Eight or more first letters of an identity do where they are of one session alone. Of the user's sessions those come
    first that go on or ended within an hour. Whether a nudge may be kept is for the caller to see. Raises StoreError.
    """
    async with database.begin() as connection:
        found = (await connection.execute(_newest(user_id, at_ms) if session == NEWEST else _named(session))).all()
        if len(found) != 1:
            return None
        (known,) = found
        row = nudge_row(kind, session_id=known.session_id, user_id=known.user_id, at_ms=at_ms)
        await connection.execute(insert(NUDGES).values(row))
    return str(known.session_id)


def _newest(user_id: str, at_ms: int) -> Select[tuple[str, str]]:
    ended_ms = SESSION_ENDS.c.ended_ms
    goes_on = and_(ended_ms.is_(None), SESSIONS.c.started_ms >= at_ms - _LONGEST_MS)
    fresh = case((or_(goes_on, ended_ms >= at_ms - _FRESH_MS), 0), else_=1)
    ends = SESSIONS.outerjoin(SESSION_ENDS, SESSION_ENDS.c.session_id == SESSIONS.c.session_id)
    known = select(SESSIONS.c.session_id, SESSIONS.c.user_id).select_from(ends).where(SESSIONS.c.user_id == user_id)
    return known.order_by(fresh, SESSIONS.c.started_ms.desc()).limit(1)


def _named(session: str) -> Select[tuple[str, str]]:
    """Two of them at most: then the name is of neither."""
    name = SESSIONS.c.session_id
    known = select(name, SESSIONS.c.user_id)
    if len(session) < _LEAST_LETTERS:
        return known.where(name == session)
    return known.where(name.startswith(session, autoescape=True)).limit(2)
