"""What is left of shadows when their session is over: runs that were put off, comparing, and writing the rows.

It is done in a process of its own, at idle priority, for an engine that shared this one would take turns with the
sessions that go on: a thread that holds the interpreter while it waits for a core holds up all others. One such process
works at a time, so that many sessions that end at once do not load as many models.
"""

from __future__ import annotations

import asyncio
import pickle
import struct
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from vivavoce.clock import SystemClock
from vivavoce.ledger.prices import packaged_prices
from vivavoce.routing.shadow_calls import Call, Half, Judge
from vivavoce.routing.shadow_rows import Row, ShadowRows, stamp
from vivavoce.routing.shadow_run import Run, reason
from vivavoce.routing.shadow_run import replay as replay_run

LENGTH = struct.Struct("<Q")
_CALLS_AT_ONCE = 128
UNFINISHED = "not finished"
UNANSWERED = "no answer"

Make = Callable[[str, str], Any]
"""Makes an engine's leg from the names of leg (stt, mt, tts) and engine. One for runs that are put off is pickled."""


@dataclass(frozen=True, slots=True)
class Job:
    runs: list[Run]
    make: Make | None
    judge: Judge | None
    folder: Path | None
    lifetime_days: float


async def work(job: Job) -> None:
    """Do what was put off, compare, and write the rows. Raises OutputError."""
    for run in job.runs:
        if run.calls and not run.void:
            await _replay(run, job.make)
    rows = ShadowRows(job.folder, lifetime_days=job.lifetime_days)
    rows.append([row for run in job.runs for row in rows_of(run, job.judge)])


async def work_elsewhere(job: Job, *, limit_s: float) -> None:
    """`work` in a process at idle priority; runs that it does not finish in time are written as void.

    Cancelled, it ends the process first. Raises OutputError.
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
        rows = [void_row(run, run.void or UNFINISHED) for run in job.runs]
        await asyncio.to_thread(_write, job, rows)


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
        session=run.session,
        leg=run.leg,
        primary=run.primary_engine,
        shadow=run.engine,
        at=stamp(run.at_s),
        void=why,
    )


def _row(run: Run, primary: Half, shadow: Half | None, judge: Judge | None) -> Row:
    row = replace(void_row(run, UNANSWERED), primary=primary.engine, at=stamp(primary.at_s))
    if shadow is None:
        return row
    prices = packaged_prices()
    mine, theirs = (prices.cost(half.engine, half.quantities) for half in (primary, shadow))
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


def _write(job: Job, rows: list[Row]) -> None:
    ShadowRows(job.folder, lifetime_days=job.lifetime_days, now_s=time.time).append(rows)
