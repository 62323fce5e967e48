"""What is left of shadows when their session is over: runs that were put off, comparing, and rows for the store.

It is done in a process of its own, at idle priority, for an engine that shared this one would take turns with the
sessions that go on: a thread that holds the interpreter while it waits for a core holds up all others. One such process
works at a time, so that many sessions that end at once do not load as many models.
"""

from __future__ import annotations

import asyncio
import pickle
import struct
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from vivavoce.clock import SystemClock
from vivavoce.ledger.prices import packaged_prices
from vivavoce.routing.shadow_calls import Call, Half, Judge
from vivavoce.routing.shadow_rows import Row, records
from vivavoce.routing.shadow_run import Run, reason
from vivavoce.routing.shadow_run import replay as replay_run
from vivavoce.store.database import Database
from vivavoce.store.outbox import Outbox, open_outbox
from vivavoce.store.tables import SHADOW_RESULTS

LENGTH = struct.Struct("<Q")
_CALLS_AT_ONCE = 128
UNFINISHED = "not finished"
UNANSWERED = "no answer"

Make = Callable[[str, str], Any]
"""Makes an engine's leg from the names of leg (stt, mt, tts) and engine. One for runs that are put off is pickled."""


@dataclass(frozen=True, slots=True)
class Job:
    """`store` is the store's URL, `spool` the folder where rows wait for it; None is the usual one."""

    runs: list[Run]
    make: Make | None
    judge: Judge | None
    store: str
    spool: Path | None = None


async def compared(job: Job) -> list[Row]:
    """Do what was put off, and compare."""
    for run in job.runs:
        if run.calls and not run.void:
            await _replay(run, job.make)
    return [row for run in job.runs for row in rows_of(run, job.judge)]


async def work(job: Job) -> None:
    """What is `compared`, on its way to the store. Raises ConfigError for the store's URL."""
    rows = await compared(job)
    async with aclosing(Database(job.store)) as database, open_outbox(database, job.spool) as outbox:
        put(outbox, rows)
        await outbox.acknowledged()


def put(outbox: Outbox, rows: Iterable[Row]) -> None:
    """All rows of a session, at once."""
    for record in records(rows):
        outbox.put(SHADOW_RESULTS, record)


async def work_elsewhere(job: Job, outbox: Outbox, *, limit_s: float) -> None:
    """`work` in a process at idle priority; where it does not finish in time, its runs go to `outbox` as void.

    Cancelled, it ends the process first.
    """
    process: asyncio.subprocess.Process | None = None
    done = False
    try:
        async with asyncio.timeout(limit_s):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "vivavoce.routing.shadow_worker", stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL
            )
            await _send(process, job)
            done = await process.wait() == 0
    except OSError:  # too late (TimeoutError), gone (BrokenPipeError), or no process to be had
        pass
    finally:
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()
    if not done:
        put(outbox, [void_row(run, run.void or UNFINISHED) for run in job.runs])


def rows_of(run: Run, judge: Judge | None) -> list[Row]:
    """One row a pair, or one that says why the whole run is void."""
    if run.void:
        return [void_row(run, run.void)]
    if run.foreign:
        return []
    pairs = [
        (half, run.shadow.get(number)) for number, half in sorted(run.primary.items()) if number not in run.declined
    ]
    return [_row(run, half, shadow, judge) for half, shadow in pairs]


def void_row(run: Run, why: str) -> Row:
    return Row(
        session_id=run.session,
        user_id=run.user,
        leg=run.leg,
        shadow=run.engine,
        primary_engine=run.primary_engine,
        at_ms=round(run.at_s * 1000),
        void=why,
    )


def _row(run: Run, primary: Half, shadow: Half | None, judge: Judge | None) -> Row:
    row = replace(void_row(run, UNANSWERED), primary_engine=primary.engine, at_ms=round(primary.at_s * 1000))
    if shadow is None:
        return row
    prices = packaged_prices()
    mine, theirs = (prices.cost(half.engine, half.quantities, at_ms=row.at_ms) for half in (primary, shadow))
    errors: tuple[int, int] | None = None
    chrf = ratio = None
    if judge is not None and run.leg == "stt":
        errors = judge.word_errors(primary.text, shadow.text, language=primary.language)
    if judge is not None and run.leg == "mt":
        chrf = judge.chrf(primary.text, shadow.text)
    if run.leg == "tts" and primary.quantities["seconds"]:
        ratio = round(shadow.quantities["seconds"] / primary.quantities["seconds"], 4)
    return replace(
        row,
        void="",
        primary_ms=round(primary.latency_ms, 3),
        shadow_ms=round(shadow.latency_ms, 3),
        errors=errors[0] if errors else None,
        words=errors[1] if errors else None,
        chrf=chrf if chrf is None else round(chrf, 3),
        length_ratio=ratio,
        primary_quantities=_rounded(primary.quantities),
        shadow_quantities=_rounded(shadow.quantities),
        primary_nano=mine.nano,
        shadow_nano=theirs.nano,
        primary_price=mine.price,
        shadow_price=theirs.price,
    )


def _rounded(quantities: Mapping[str, float]) -> dict[str, float]:
    return {unit: round(quantity, 3) for unit, quantity in quantities.items()}


async def _replay(run: Run, make: Make | None) -> None:
    engine: Any = None
    try:
        assert make is not None
        engine = make(run.leg, run.engine)
        await engine.warm_up()
        await replay_run(run, engine, _each(run.calls or ()), clock=SystemClock(), live=False)
    except Exception as error:  # the edge of a run: the other ones go on
        run.void = reason(error)
    finally:
        if engine is not None:
            await engine.aclose()


async def _each(calls: Sequence[Call]) -> AsyncIterator[Call]:
    for call in calls:
        yield call


async def _send(process: asyncio.subprocess.Process, job: Job) -> None:
    """The job without calls, then the calls of each run in portions: a session beside this is held up by none."""
    assert process.stdin is not None
    bare = [replace(run, calls=None if run.calls is None else []) for run in job.runs]
    parts: list[Any] = [replace(job, runs=bare)]
    for number, run in enumerate(job.runs):
        for part in _portions(run.calls or ()):
            parts.append((number, part))
    for part in [*parts, None]:
        data = pickle.dumps(part, protocol=5)
        process.stdin.write(LENGTH.pack(len(data)) + data)
        await process.stdin.drain()
    # It stays open: the worker ends when this process does.


def _portions(calls: Sequence[Call]) -> list[list[Call]]:
    rest = iter(calls)
    portions = []
    while portion := list(islice(rest, _CALLS_AT_ONCE)):
        portions.append(portion)
    return portions
