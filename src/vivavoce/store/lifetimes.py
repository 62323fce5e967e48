"""Deleting what has outlived itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Column, delete, select, tuple_

from vivavoce.clock import Clock
from vivavoce.errors import ConfigError, StoreError
from vivavoce.store.database import Database
from vivavoce.store.tables import (
    CORRECTIONS,
    ERASED,
    EVALS,
    NUDGES,
    SESSION_ENDS,
    SESSIONS,
    SHADOW_RESULTS,
    SIGNALS,
    STATES,
    TOP_UPS,
    USAGE,
    moment_of,
)
from vivavoce.store.works import to_its_end

TOMBSTONE_DAYS: Final = 30
"""How long a spool may be away from its store: rows of one that comes back later could be of who was erased."""

_DAY_MS: Final = 86_400_000
_EVERY_NS: Final = 3_600 * 10**9
_LOG: Final = logging.getLogger(__name__)
_AT_ONCE: Final = 5000
_MOMENTS: Final[Mapping[str, Column[int]]] = {
    table.name: moment_of(table)
    for table in (SESSIONS, USAGE, SIGNALS, NUDGES, TOP_UPS, SHADOW_RESULTS, EVALS, CORRECTIONS)
}


async def sweep(database: Database, days: Mapping[str, int], *, now_ms: int) -> dict[str, int]:
    """Delete rows older than their table's days, states that are over and old tombstones; the count by table.

    The end of a session goes with the days of `sessions`. 0 days, or a table without any: its rows are kept. Raises
    ConfigError for a table that has no lifetime, StoreError.
    """
    if unknown := set(days) - set(_MOMENTS):
        raise ConfigError(f"rows of {min(unknown)} have no lifetime", hint=f"these have: {', '.join(_MOMENTS)}")
    until = {_MOMENTS[name]: now_ms - kept * _DAY_MS for name, kept in days.items() if kept}
    if SESSIONS.c.started_ms in until:
        until[moment_of(SESSION_ENDS)] = until[SESSIONS.c.started_ms]
    until |= {STATES.c.until_ms: now_ms + 1, ERASED.c.at_ms: now_ms - TOMBSTONE_DAYS * _DAY_MS}
    counts = {column.table.name: await _delete(database, column, before) for column, before in until.items()}
    if any(counts.values()):
        await database.scrub()
    return counts


async def keep_swept(database: Database, days: Mapping[str, int], *, clock: Clock) -> None:
    """Sweep now and every hour until it is cancelled; a store that is away is left until the next."""
    while True:
        try:
            await to_its_end(sweep(database, days, now_ms=time.time_ns() // 1_000_000))
        except StoreError as error:
            _LOG.warning("what has outlived itself is still there: %s", error.message)
        await clock.sleep_until(clock.now_ns() + _EVERY_NS)


async def _delete(database: Database, column: Column[Any], before_ms: int) -> int:
    """Some at a time, so that who writes meanwhile does not wait long."""
    table, count = column.table, 0
    key = tuple_(*table.primary_key)
    some = select(*table.primary_key).where(column < before_ms).limit(_AT_ONCE)
    while True:
        async with database.begin() as connection:
            deleted = (await connection.execute(delete(table).where(key.in_(some)))).rowcount
        count += deleted
        if deleted < _AT_ONCE:
            return count
