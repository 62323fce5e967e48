"""What becomes of rows when the program or Postgres is killed, or the store is away."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

from vivavoce.clock import NS_PER_MS
from vivavoce.evals.ledger_postgres import OwnPostgres
from vivavoce.evals.ledger_rows import LEGS, ROWS_PER_S, numbers_in, usage_row
from vivavoce.store.database import Database
from vivavoce.store.outbox import Outbox, open_outbox
from vivavoce.store.tables import USAGE

Tell = Callable[[int], None]
"""Told how many of the crashes, or seconds, are over."""


def _silent(done: int) -> None: ...


_SETTLE_S = 120.0
_LIFE_S = 0.7
"""A program is killed within this time of its first acknowledgement, a server of its start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crashes:
    """`lost` of the rows that were acknowledged are not in the store, `doubled` are there twice.

    `put_ms` is the longest that a `put` took, where that was looked at; `noticed`, whether the program said meanwhile
    that the store is away.
    """

    times: int
    acknowledged: int
    lost: int
    doubled: int
    put_ms: float = 0.0
    noticed: bool = True


async def kill_programs(url: str, spool: Path, times: int, *, draw: random.Random, tell: Tell = _silent) -> Crashes:
    """Kill so many programs, one after the other, each at some moment of its writing; another ships what they left."""
    acknowledged: dict[str, int] = {}
    for time_ in range(times):
        session = f"program {time_} "
        acknowledged[session] = await _killed(url, spool, session, draw.uniform(0, _LIFE_S))
        tell(time_ + 1)
    database = Database(url)
    try:
        async with open_outbox(database, spool) as outbox:
            await outbox.swept(within_s=_SETTLE_S)
        found, doubled = await numbers_in(database, "program ")
    finally:
        await database.aclose()
    lost = sum(len(set(range(count)) - found.get(session, set())) for session, count in acknowledged.items())
    return Crashes(times=times, acknowledged=sum(acknowledged.values()), lost=lost, doubled=doubled)


async def _killed(url: str, spool: Path, session: str, life_s: float) -> int:
    """How many rows the program said were acknowledged before it was killed."""
    words = (sys.executable, "-m", "vivavoce.evals.ledger_rows", url, str(spool), session)
    program = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    assert program.stdout is not None
    try:
        first = await program.stdout.readline()
        reading = asyncio.create_task(program.stdout.read())
        await asyncio.sleep(life_s)
    finally:
        program.kill()
    # The last line may have broken off, like what it tells of.
    lines = (first + await reading).rpartition(b"\n")[0].split(b"\n")
    await program.wait()
    return int(lines[-1] or 0)


async def kill_postgres(
    server: OwnPostgres, spool: Path, times: int, *, draw: random.Random, tell: Tell = _silent
) -> Crashes:
    """Kill the server so many times while rows are written at ten times the rate of 500 calls."""

    async def kills(outbox: Outbox) -> bool:
        noticed = 0
        for time_ in range(times):
            await asyncio.sleep(draw.uniform(0, _LIFE_S))
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(draw.uniform(0, _LIFE_S))
            noticed += outbox.stats().away_ms is not None
            await asyncio.to_thread(server.start)
            tell(time_ + 1)
        return noticed > 0

    return await _meanwhile(server.url, spool, "server", 10 * ROWS_PER_S, times, kills)


async def store_away(
    url: str, spool: Path, seconds: float, *, server: OwnPostgres | None, tell: Tell = _silent
) -> Crashes:
    """Take the store away while rows are written at the rate of 500 calls: the server killed, the file locked."""

    async def away(outbox: Outbox) -> bool:
        await outbox.settled(within_s=_SETTLE_S)
        path = url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(":memory:" if server else path, isolation_level=None)) as file:
            file.execute("BEGIN EXCLUSIVE")
            if server:
                await asyncio.to_thread(server.kill)
            for second in range(round(seconds)):
                await asyncio.sleep(1.0)
                tell(second + 1)
            noticed = outbox.stats().away_ms is not None
        if server:
            await asyncio.to_thread(server.start)
        return noticed

    return await _meanwhile(url, spool, "away", ROWS_PER_S, 1, away)


async def _meanwhile(
    url: str, spool: Path, session: str, rows_per_s: float, times: int, happens: Callable[[Outbox], Awaitable[bool]]
) -> Crashes:
    """Write rows while something happens, and see that all of them come into the store when it is over."""
    database = Database(url)
    put_ms: list[float] = []
    try:
        async with open_outbox(database, spool) as outbox:
            writing = asyncio.create_task(_write(outbox, session, rows_per_s, put_ms))
            try:
                noticed = await happens(outbox)
            finally:
                writing.cancel()
                await asyncio.wait([writing])
            await outbox.settled(within_s=_SETTLE_S)
            stats = outbox.stats()
        found, doubled = await numbers_in(database, session)
    finally:
        await database.aclose()
    return Crashes(
        times=times,
        acknowledged=stats.acknowledged,
        lost=len(set(range(stats.put)) - found.get(session, set())),
        doubled=doubled,
        put_ms=max(put_ms),
        noticed=noticed,
    )


async def _write(outbox: Outbox, session: str, rows_per_s: float, put_ms: list[float]) -> None:
    """A call's rows at a time, each with how long its `put` took."""
    numbers = count()
    while True:
        for number in islice(numbers, LEGS):
            row = usage_row(session, number)
            begun_ns = time.perf_counter_ns()
            outbox.put(USAGE, row)
            put_ms.append((time.perf_counter_ns() - begun_ns) / NS_PER_MS)
        await asyncio.sleep(LEGS / rows_per_s)
