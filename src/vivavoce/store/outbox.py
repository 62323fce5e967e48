"""What a process tells the store: on disk within a second, whatever the store does, and in the store soon after.

Every row goes one way: `put` makes it a line in memory; a committer writes what has gathered to this process's
journal, one wait for the disk for all of it; a shipper puts what the journal holds into the store, and what journals
of processes that are gone hold.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar, TypeVarTuple, Unpack

from sqlalchemy import Table

from vivavoce.clock import NS_PER_MS, Clock, SystemClock
from vivavoce.folders import state_dir
from vivavoce.store.database import Database
from vivavoce.store.gathering import Gathering
from vivavoce.store.journal import PIECE_BYTES, Journal, journals
from vivavoce.store.lines import line_of
from vivavoce.store.shipping import Shipper
from vivavoce.store.works import keep_on, leave

_COMMIT_S: Final = 0.5
_SHIP_S: Final = 2.0
_SWEEP_S: Final = 60.0
_RETRY_S: Final = 1.0
_LEAVE_S: Final = 2.0
_AT_ONCE: Final = 1000
"""Rows that are written without waiting for more, and written at a time."""
MOST_ROWS: Final = 200_000
"""Rows that are kept in memory while the disk takes none; some 100 MB."""
_log = logging.getLogger(__name__)
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxStats:
    """Rows since the start. `shipped` counts those of adopted journals too, and those that the store had already.

    `backlog_bytes` is what of this process's rows is on disk and not in the store. `unacknowledged_ms` is the age of
    the oldest row in memory at most, `away_ms` how long the store has been away.
    """

    put: int
    acknowledged: int
    lost: int
    shipped: int
    refused: int
    backlog_bytes: int
    unacknowledged_ms: float | None
    away_ms: float | None


class Outbox:
    """Made by `open_outbox`; belongs to its event loop."""

    def __init__(self, database: Database, spool: Path, *, clock: Clock, most_rows: int) -> None:
        self._spool, self._clock, self._most_rows = spool, clock, most_rows
        self._thread = ThreadPoolExecutor(1, "outbox")
        self._journal = Journal(spool)
        self._shipper = Shipper(database, spool, clock=clock, thread=self._thread)
        self._rows: deque[bytes] = deque()
        self._put = self._acknowledged = self._lost = 0
        self._lost_told = 0
        self._oldest_ns: int | None = None
        self._failing = False
        self._closed = False
        self._commit = Gathering(_COMMIT_S)
        self._ship = Gathering(_SHIP_S)
        self._sweep_ns = clock.now_ns()
        self._sweeps_begun = self._sweeps_done = 0
        self._moved = asyncio.Event()  # another for each step of either task

    def put(self, table: Table, row: Mapping[str, object]) -> None:
        """Take a row; it is acknowledged within a second. Neither waits nor fails, whatever disk and store do.

        Raises ValueError for a row that the table cannot hold, for a table of content, and after the end.
        """
        if self._closed:
            raise ValueError("the outbox is closed")
        line = line_of(table, row)
        if len(self._rows) >= self._most_rows:
            self._rows.popleft()
            self._lost += 1
        self._rows.append(line)
        self._put += 1
        if self._oldest_ns is None:
            self._oldest_ns = self._clock.now_ns()
        if len(self._rows) < _AT_ONCE:
            self._commit.some()
        else:
            self._commit.now()

    async def acknowledged(self) -> None:
        """Wait until all that has been put is on disk; as long as the disk takes nothing, this does not return."""
        upto = self._put
        while self._first < upto:
            self._commit.now()
            await self._moved.wait()

    async def settled(self, *, within_s: float) -> bool:
        """Wait until all that has been put is in the store, or refused by it; False where that takes longer."""
        try:
            async with asyncio.timeout(within_s):
                await self.acknowledged()
                upto = self._journal.appended_bytes
                while self._journal.taken_bytes < upto:
                    self._ship.now()
                    await self._moved.wait()
        except TimeoutError:
            return False
        return True

    async def swept(self, *, within_s: float) -> bool:
        """Wait until the store has what processes left behind that are gone by now; False where that takes longer."""
        upto = self._sweeps_begun + 1
        self._sweep_ns = self._clock.now_ns()
        try:
            async with asyncio.timeout(within_s):
                while self._sweeps_done < upto:
                    self._ship.now()
                    await self._moved.wait()
        except TimeoutError:
            return False
        return True

    def stats(self) -> OutboxStats:
        return OutboxStats(
            put=self._put,
            acknowledged=self._acknowledged,
            lost=self._lost,
            shipped=self._shipper.shipped,
            refused=self._shipper.refused,
            backlog_bytes=self._journal.backlog_bytes,
            unacknowledged_ms=self._age_ms(self._oldest_ns),
            away_ms=self._age_ms(self._shipper.away_since_ns),
        )

    async def leave(self) -> None:
        """Acknowledge what there is and give the store a moment to take it, unless it is known to be away."""
        self._closed = True
        try:
            async with asyncio.timeout(_LEAVE_S):
                await self.acknowledged()
        except TimeoutError:
            return
        if self._shipper.away_since_ns is None:
            await self.settled(within_s=_LEAVE_S)

    def close(self) -> None:
        """Write the rest, where `leave` did not come to its end. This waits for the disk."""
        self._closed = True
        self._thread.shutdown()
        try:
            while self._rows:
                _append(self._journal, list(islice(self._rows, _AT_ONCE)))
                for _ in range(min(_AT_ONCE, len(self._rows))):
                    self._rows.popleft()
                    self._acknowledged += 1
        except OSError as error:
            self._lost += len(self._rows)
            self._tell_failure(error)
        self._journal.close()

    async def commit_for_ever(self) -> None:
        while True:
            await self._commit.wait()
            upto = self._put
            while self._first < upto:
                if not await self._commit_some():
                    await self._sleep(_RETRY_S)

    async def _commit_some(self) -> bool:
        """The oldest rows, in one write; False where the disk does not take them."""
        first, begun_ns = self._first, self._clock.now_ns()
        lines = list(islice(self._rows, _AT_ONCE))
        try:
            await self._in_thread(_append, self._journal, lines)
        except OSError as error:
            self._tell_failure(error)
            return False
        # Of these the oldest may have been given up meanwhile; they are on disk all the same.
        self._lost -= min(self._first - first, len(lines))
        self._acknowledged += len(lines)
        while self._first < first + len(lines):
            self._rows.popleft()
        self._oldest_ns = begun_ns if self._rows else None
        if self._failing:
            self._failing = False
            _log.warning("the spool %s is written again", self._spool)
        if self._journal.backlog_bytes < 2 * PIECE_BYTES:
            self._ship.some()
        else:
            self._ship.now()
        self._step()
        return True

    async def ship_for_ever(self) -> None:
        while True:
            await self._ship_own()
            if self._clock.now_ns() >= self._sweep_ns:
                await self._sweep()
            await self._ship.wait(max(0, self._sweep_ns - self._clock.now_ns()) / 1e9)

    async def _ship_own(self) -> None:
        while await self._shipper.ship(self._journal):
            self._step()

    async def _sweep(self) -> None:
        """Adopt the journals of processes that are gone, and ship them."""
        self._sweeps_begun += 1
        self._sweep_ns = self._clock.now_ns() + round(_SWEEP_S * 1e9)
        for folder in await self._in_thread(journals, self._spool):
            orphan = Journal(self._spool, folder)
            try:
                if await self._in_thread(orphan.adopt):
                    while await self._shipper.ship(orphan):
                        await self._ship_own()
            except OSError as error:
                _log.warning("%s cannot be adopted: %s", folder, error.strerror)
            finally:
                self._thread.submit(orphan.close)
        self._sweeps_done += 1
        self._step()

    @property
    def _first(self) -> int:
        """The number of the oldest row in memory."""
        return self._put - len(self._rows)

    def _step(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def _tell_failure(self, error: OSError) -> None:
        """Once, and again as often as rows were lost."""
        if not self._failing:
            self._failing = True
            _log.warning("the spool %s cannot be written: %s; rows are kept in memory", self._spool, error.strerror)
        if self._lost > self._lost_told:
            _log.error("%d rows are LOST: the spool %s cannot be written", self._lost, self._spool)
            self._lost_told = self._lost

    async def _in_thread(self, work: Callable[[Unpack[Ts]], T], *args: *Ts) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)

    async def _sleep(self, seconds: float) -> None:
        await self._clock.sleep_until(self._clock.now_ns() + round(seconds * 1e9))

    def _age_ms(self, since_ns: int | None) -> float | None:
        return None if since_ns is None else (self._clock.now_ns() - since_ns) / NS_PER_MS


@asynccontextmanager
async def open_outbox(
    database: Database, folder: Path | None = None, clock: Clock | None = None, *, most_rows: int = MOST_ROWS
) -> AsyncIterator[Outbox]:
    """An outbox with its files in `folder`, or in `spool` of the user's state folder; neither store nor disk is needed.

    Leaving it acknowledges everything, gives the store two seconds to take it, and leaves the rest on disk to the next
    process.
    """
    clock = clock or SystemClock()
    with closing(Outbox(database, folder or state_dir() / "spool", clock=clock, most_rows=most_rows)) as outbox:
        works = [
            asyncio.create_task(keep_on("the outbox", work, clock=clock))
            for work in (outbox.commit_for_ever, outbox.ship_for_ever)
        ]
        try:
            yield outbox
        finally:
            try:
                await outbox.leave()
            finally:
                await leave(*works)


def _append(journal: Journal, lines: list[bytes]) -> None:
    journal.append(b"".join(lines))
