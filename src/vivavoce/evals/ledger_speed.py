"""What the outbox costs the process that writes: how long its event loop is held and waits, and processor time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import count, islice
from pathlib import Path
from types import CodeType, coroutine
from typing import Any

from sqlalchemy import insert

from vivavoce import store
from vivavoce.contract.stats import percentiles
from vivavoce.evals.ledger_rows import LEGS, ROWS_PER_S, usage_row
from vivavoce.store.database import Database
from vivavoce.store.outbox import Outbox, open_outbox
from vivavoce.store.tables import USAGE

_BURST, _BATCH = 100, 500
_SETTLE_S = 120.0
_PROBE_S = 0.001


async def measure_speed(database: Database, spool: Path, *, rows: int, seconds: float) -> dict[str, Any]:
    """`rows` at once for the rate; 500 calls' worth for `seconds` with and without the outbox for what it costs."""
    await database.ready()
    async with open_outbox(database, spool) as outbox:
        # What is made at the first use is not to be measured.
        await _at_once(outbox, "warm", _BATCH)
        rates = [rows / await _at_once(outbox, f"rate {time_}", rows) for time_ in range(3)]
    figures: dict[str, Any] = {"rows_per_s": round(percentiles(rates).p50)}
    by_row = _BATCH / await _row_by_row(database, _BATCH)
    with _waits() as batched_us:
        by_batch = rows / await _executemany(database, rows)
    figures |= {
        "row_by_row_per_s": round(by_row),
        "executemany_per_s": round(by_batch),
        "times_row_by_row": round(figures["rows_per_s"] / by_row, 1),
        "times_executemany": round(figures["rows_per_s"] / by_batch, 2),
        "wait_us": {"executemany": _figures(batched_us)},
    }
    cpu = {name: 0.0 for name in ("without", "with")}
    # Twice each, taking turns, for a machine is not the same all the time.
    for name in ("without", "with", "with", "without"):
        async with _opened(database, spool, name) as put:
            began_s = time.process_time()
            await _calls(put, f"cpu {time.monotonic_ns()}", seconds / 2)
            cpu[name] += time.process_time() - began_s
    figures["cpu_percent"] = round(100 * (cpu["with"] - cpu["without"]) / seconds, 2)
    put_us: list[float] = []
    for name in ("without", "with"):
        with _waits() as waits_us, _holds() as held_us:
            async with _opened(database, spool, name) as put:
                await _calls(_timed(put, put_us) if name == "with" else put, f"held {name}", seconds)
        figures["wait_us"][name] = _figures(waits_us)
    figures |= {"put_us": _figures(put_us), "held_us": _figures(held_us)}
    with _waits() as waits_us, _holds() as held_us:
        async with open_outbox(database, spool) as outbox:
            await _at_once(outbox, "full", rows)
    figures["wait_us"]["full"] = _figures(waits_us)
    figures["held_full_us"] = _figures(held_us)
    return figures


Put = Callable[[Any, dict[str, object]], None]


@asynccontextmanager
async def _opened(database: Database, spool: Path, name: str) -> AsyncIterator[Put]:
    if name == "without":
        yield lambda table, row: None
        return
    async with open_outbox(database, spool) as outbox:
        yield outbox.put


async def _at_once(outbox: Outbox, session: str, rows: int) -> float:
    """Seconds until so many rows are in the store."""
    began_s = time.perf_counter()
    for number in range(rows):
        outbox.put(USAGE, usage_row(session, number))
        if number % _BURST == 0:
            await asyncio.sleep(0)
    await outbox.settled(within_s=_SETTLE_S)
    return time.perf_counter() - began_s


async def _calls(put: Put, session: str, seconds: float) -> None:
    """Rows as 500 calls close them: those of a call at a time."""
    numbers = count()
    due_s = time.perf_counter()
    for _ in range(round(seconds * ROWS_PER_S / LEGS)):
        for number in islice(numbers, LEGS):
            put(USAGE, usage_row(session, number))
        due_s += LEGS / ROWS_PER_S
        await asyncio.sleep(max(0.0, due_s - time.perf_counter()))


async def _row_by_row(database: Database, rows: int) -> float:
    """Seconds for rows that are committed one by one."""
    began_s = time.perf_counter()
    for number in range(rows):
        async with database.begin() as connection:
            await connection.execute(insert(USAGE), usage_row("row by row", number))
    return time.perf_counter() - began_s


async def _executemany(database: Database, rows: int) -> float:
    """Seconds for rows that the driver gets in batches, bound one by one on the event loop."""
    began_s = time.perf_counter()
    for first in range(0, rows, _BATCH):
        async with database.begin() as connection:
            batch = [usage_row("executemany", number) for number in range(first, min(rows, first + _BATCH))]
            await connection.execute(insert(USAGE), batch)
    return time.perf_counter() - began_s


def _timed(put: Put, held_us: list[float]) -> Put:
    def timed(table: Any, row: dict[str, object]) -> None:
        began_ns = time.perf_counter_ns()
        put(table, row)
        held_us.append((time.perf_counter_ns() - began_ns) / 1000)

    return timed


@contextmanager
def _holds() -> Iterator[list[float]]:
    """How long each step of the store's tasks held the event loop, in µs: of tasks that begin meanwhile."""
    held_us: list[float] = []
    folder = str(Path(store.__file__).parent)

    @coroutine
    def steps(work: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        value, error = None, None
        while True:
            began_ns = time.perf_counter_ns()
            try:
                waited = work.send(value) if error is None else work.throw(error)
            except StopIteration as end:
                return end.value
            finally:
                held_us.append((time.perf_counter_ns() - began_ns) / 1000)
            value, error = None, None
            try:
                value = yield waited
            except BaseException as thrown:
                error = thrown

    async def wrapped(work: Coroutine[Any, Any, Any]) -> Any:
        return await steps(work)

    def made(loop: asyncio.AbstractEventLoop, work: Any, **more: Any) -> asyncio.Task[Any]:
        code = getattr(work, "cr_code", None)
        ours = isinstance(code, CodeType) and code.co_filename.startswith(folder)
        return asyncio.Task(wrapped(work) if ours else work, loop=loop, **more)

    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()
    loop.set_task_factory(made)
    try:
        yield held_us
    finally:
        loop.set_task_factory(before)


@contextmanager
def _waits() -> Iterator[list[float]]:
    """How long an event from outside waits until the loop sees it, in µs: a thread sends one about each millisecond."""
    waits_us: list[float] = []
    over = threading.Event()
    loop = asyncio.get_running_loop()

    def seen(sent_ns: int) -> None:
        waits_us.append((time.perf_counter_ns() - sent_ns) / 1000)

    def send() -> None:
        while not over.wait(_PROBE_S):
            loop.call_soon_threadsafe(seen, time.perf_counter_ns())

    thread = threading.Thread(target=send, name="probe")
    thread.start()
    try:
        yield waits_us
    finally:
        over.set()
        thread.join()


def _figures(values_us: Sequence[float]) -> dict[str, float]:
    of = percentiles(values_us)
    shown = {"p50": of.p50, "p95": of.p95, "p99": of.p99, "max": max(values_us)}
    return {"n": of.n, **{name: round(value, 1) for name, value in shown.items()}}
