"""State of dialogues in the store: it outlives its process, and several processes share it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Executable, bindparam, delete, select, text

from vivavoce.errors import StateError, StoreError
from vivavoce.store.database import Database
from vivavoce.store.documents import Document, Seconds, as_document, as_text, expiry_s
from vivavoce.store.tables import STATES

# Who sweeps at the same time takes other rows, so that nobody waits.
_OVER: Final = select(STATES.c.key).where(STATES.c.until_ms <= bindparam("now_ms")).with_for_update(skip_locked=True)
_SWEEP: Final = delete(STATES).where(STATES.c.key.in_(_OVER))
_GET: Final = select(STATES.c.document).where(STATES.c.key == bindparam("key"), STATES.c.until_ms > bindparam("now_ms"))
_PUT: Final = text(
    "INSERT INTO states (key, until_ms, document) VALUES (:key, :until_ms, :document)"
    " ON CONFLICT (key) DO UPDATE SET until_ms = excluded.until_ms, document = excluded.document"
)
_EXPIRE: Final = delete(STATES).where(STATES.c.key == bindparam("of"))


class StoreStates:
    """The agent's `StateStore`. Every verb also deletes what has outlived itself, and so does `open`.

    In SQLite what is deleted is overwritten, in the file and in its log (in the log later, while another process reads
    there).
    """

    def __init__(self, database: Database, *, now_s: Seconds = time.time) -> None:
        self._database, self._now_s = database, now_s

    async def open(self) -> None:
        """Connect, where that was not done yet. Raises StoreAway and StoreRefused."""
        await self._sweep_and(None, {})

    async def get(self, key: str) -> Document | None:
        found = await self._do(_GET, {"key": key, "now_ms": self._now_ms()})
        return None if found is None else as_document(found)

    async def put(self, key: str, document: Document, *, lifetime_s: float) -> None:
        until_ms = round(expiry_s(self._now_s(), lifetime_s) * 1000)
        await self._do(_PUT, {"key": key, "until_ms": until_ms, "document": as_text(document)})

    async def expire(self, key: str) -> None:
        await self._do(_EXPIRE, {"of": key})

    def _now_ms(self) -> int:
        return round(self._now_s() * 1000)

    async def _do(self, statement: Executable, values: Mapping[str, Any]) -> str | None:
        try:
            return await self._sweep_and(statement, values)
        except StoreError as error:
            raise StateError(error.message, hint=error.hint) from error

    async def _sweep_and(self, statement: Executable | None, values: Mapping[str, Any]) -> str | None:
        """The first value of what the statement finds."""
        found = None
        async with self._database.begin() as connection:
            deleted = (await connection.execute(_SWEEP, {"now_ms": self._now_ms()})).rowcount
            if statement is not None:
                result = await connection.execute(statement, values)
                found = result.scalar() if result.returns_rows else None
        if deleted or statement is _EXPIRE:
            await self._database.scrub()
        return found
