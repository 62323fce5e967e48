"""From journals into the store, a piece at a time, so that hours of a store that was away take no memory."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vivavoce.clock import Clock
from vivavoce.errors import StoreAway, StoreRefused
from vivavoce.store.database import Database
from vivavoce.store.erasure import bury_left_out
from vivavoce.store.inserts import insert_into
from vivavoce.store.journal import PASSING, Journal, write_whole
from vivavoce.store.lines import by_table

REFUSED: Final = "refused.jsonl"
_PAUSES_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Lines and the bytes that they take in their journal; their rows by table, as JSON, and those that are none."""

    lines: list[bytes]
    size: int
    rows: list[tuple[str, str]]
    wrong: list[bytes]


class Shipper:
    """`thread` runs what blocks, one after the other. Rows that the store never takes go to `refused.jsonl`."""

    def __init__(self, database: Database, spool: Path, *, clock: Clock, thread: Executor) -> None:
        self.shipped = self.refused = 0
        self.away_since_ns: int | None = None
        self._database, self._refused = database, spool / REFUSED
        self._clock, self._thread = clock, thread

    async def ship(self, journal: Journal) -> bool:
        """Put the first piece of a journal into the store and take it off the journal; False where there is none.

        Waits for a store that is away.
        """
        if journal.backlog_bytes == 0:
            return False
        loop = asyncio.get_running_loop()
        piece: _Piece | None = None
        attempt = 0
        while True:
            try:
                piece = piece or await loop.run_in_executor(self._thread, _next_piece, journal)
                if piece is None:
                    return False
                refused = piece.wrong + await self._put(piece.lines, piece.rows)
                await loop.run_in_executor(self._thread, _done, journal, piece.size, self._refused, refused)
                break
            except StoreAway as error:
                reason = error.message
            except OSError as error:
                if piece is None and error.errno not in PASSING:
                    _log.error("%s cannot be read, and is left: %s", error.filename, error.strerror)
                    return True
                reason = f"{error.filename or self._refused} cannot be used: {error.strerror}"
            if self.away_since_ns is None:
                self.away_since_ns = self._clock.now_ns()
                _log.warning("%s; rows are kept in %s", reason, self._refused.parent)
            pause_s = _PAUSES_S[min(attempt, len(_PAUSES_S) - 1)]
            await self._clock.sleep_until(self._clock.now_ns() + round(pause_s * 1e9))
            attempt += 1
        if self.away_since_ns is not None:
            _log.warning("the store is back after %.0f s", (self._clock.now_ns() - self.away_since_ns) / 1e9)
            self.away_since_ns = None
        self.refused += len(refused)
        self.shipped += len(piece.lines) - len(refused)
        if refused:
            _log.warning("the store does not take %d rows: see %s", len(refused), self._refused)
        return True

    async def _put(self, lines: Sequence[bytes], rows: Sequence[tuple[str, str]]) -> list[bytes]:
        """All in one transaction, or where it is refused each half by itself; the lines that it refuses in the end."""
        try:
            await self._insert(rows, len(lines))
        except StoreRefused:
            await self._check(rows)
        else:
            return []
        if len(lines) == 1:
            return list(lines)
        refused = []
        for half in (lines[: len(lines) // 2], lines[len(lines) // 2 :]):
            refused += await self._put(half, by_table(half)[0])
        return refused

    async def _insert(self, rows: Sequence[tuple[str, str]], count: int) -> None:
        async with self._database.begin() as connection:
            for name, found in rows:
                inserted = await connection.execute(insert_into(name, self._database.dialect), {"rows": found})
                count -= inserted.rowcount
            if count:  # some are there already, or of somebody who is erased
                await bury_left_out(connection, rows)

    async def _check(self, rows: Sequence[tuple[str, str]]) -> None:
        """Raises StoreAway where the store refuses even no rows: then it is not the rows, but its schema or rights."""
        try:
            await self._insert([(name, "[]") for name in dict(rows)], 0)
        except StoreRefused as error:
            raise StoreAway(error.message, hint=error.hint) from error


def _next_piece(journal: Journal) -> _Piece | None:
    data = journal.peek()
    if not data:
        return None
    lines = data[:-1].split(b"\n")
    rows, wrong = by_table(lines)
    if wrong:
        left_out = set(wrong)
        lines = [line for line in lines if line not in left_out]
    return _Piece(lines, len(data), rows, wrong)


def _done(journal: Journal, size: int, path: Path, refused: Sequence[bytes]) -> None:
    if refused:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)  # other processes write here too
            data = b"".join(line + b"\n" for line in refused)
            write_whole(file, data, length=os.fstat(file).st_size)
        finally:
            os.close(file)
    journal.take(size)
