"""The process that does what is left of shadows: a real one, with a real engine."""

from __future__ import annotations

import asyncio
import io
import os
import pickle
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from pathlib import Path

import pytest

from vivavoce.clock import SystemClock
from vivavoce.config.load import default_settings
from vivavoce.routing.shadow import Consent, Shadows
from vivavoce.routing.shadow_after import LENGTH, UNFINISHED, Job, work, work_elsewhere
from vivavoce.routing.shadow_calls import Flush, Half, Opening, Say
from vivavoce.routing.shadow_engines import ShadowEngines
from vivavoce.routing.shadow_rows import Row, read_rows
from vivavoce.routing.shadow_run import Run
from vivavoce.routing.shadow_worker import read_job
from vivavoce.store.database import Database
from vivavoce.store.outbox import Outbox, open_outbox

ENGINES = ShadowEngines(default_settings())
MORNING = "Good morning to you all."


def spoken(*, times: int = 2) -> Run:
    """A session in which a voice said something some times, kept for espeak."""
    run = Run("s1", "tts", "kokoro", "espeak", Opening("en", 16000), 1_800_000_000.0, calls=[])
    assert run.calls is not None
    for number in range(times):
        run.calls += [Say(number, 0, MORNING, 1.0, 0.0), Flush(number)]
        run.primary[number] = Half(number, "kokoro", 200.0, {"seconds": 1.0, "characters": 24.0}, at_s=run.at_s)
    return run


def job(folder: Path, *runs: Run) -> Job:
    return Job(list(runs), ENGINES.make, None, store_of(folder), folder / "spool")


def store_of(folder: Path) -> str:
    return str(folder / "vivavoce.db")


def outcome(folder: Path, use: Callable[[Outbox], Coroutine[None, None, None]]) -> list[Row]:
    """What is in the store after `use` of a process's outbox; nothing is left in the spool."""

    async def main() -> list[Row]:
        async with aclosing(Database(store_of(folder))) as database:
            async with open_outbox(database, folder / "spool") as outbox:
                await use(outbox)
                assert await outbox.settled(within_s=30)
            return await read_rows(database)

    rows = asyncio.run(main())
    assert not list((folder / "spool").rglob("*.rows"))
    return rows


def workers() -> set[int]:
    """Our worker processes that are there."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line, parent = path.read_bytes(), (path.parent / "stat").read_text().rsplit(")", 1)[1].split()[1]
        except OSError:
            continue
        if b"vivavoce.routing.shadow_worker" in line and int(parent) == os.getpid():
            found.add(int(path.parent.name))
    return found


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        for _ in iter(condition, True):
            await asyncio.sleep(0)


def test_what_was_put_off_is_done_in_another_process(tmp_path):
    rows = outcome(tmp_path, lambda outbox: work_elsewhere(job(tmp_path, spoken()), outbox, limit_s=60))
    assert [(row.void, row.shadow, row.shadow_nano) for row in rows] == [("", "espeak", 0)] * 2
    assert all(row.shadow_ms and row.length_ratio and row.length_ratio > 0.5 for row in rows)
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"espeak" in kept
    assert MORNING.encode() not in kept
    assert not workers()


def test_rows_for_a_store_that_is_away_wait_in_the_spool_for_the_next_process(tmp_path):
    away = tmp_path / "away"
    away.write_text("a file, where a folder should be")
    asyncio.run(work(Job([spoken()], ENGINES.make, None, str(away / "vivavoce.db"), tmp_path / "spool")))
    assert list((tmp_path / "spool").rglob("*.rows"))

    async def adopted(outbox: Outbox) -> None:
        await until(lambda: outbox.stats().shipped == 2)

    assert [(row.void, row.shadow) for row in outcome(tmp_path, adopted)] == [("", "espeak")] * 2


def test_what_is_not_done_in_time_is_void(tmp_path):
    late = job(tmp_path, spoken(times=3000))
    rows = outcome(tmp_path, lambda outbox: work_elsewhere(late, outbox, limit_s=0.05))
    assert [row.void for row in rows] == [UNFINISHED]
    assert not workers()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at /proc")
def test_cancelled_it_takes_the_process_with_it(tmp_path):
    async def main(outbox: Outbox) -> None:
        working = asyncio.create_task(work_elsewhere(job(tmp_path, spoken(times=3000)), outbox, limit_s=60))
        await until(lambda: bool(workers()))
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        assert not workers()

    assert outcome(tmp_path, main) == []


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="a policy of Linux")
def test_it_runs_when_nobody_else_wants_a_core(tmp_path):
    async def main(outbox: Outbox) -> None:
        working = asyncio.create_task(work_elsewhere(job(tmp_path, spoken(times=3000)), outbox, limit_s=60))
        await until(lambda: {os.sched_getscheduler(number) for number in workers()} == {os.SCHED_IDLE})
        assert {os.getpriority(os.PRIO_PROCESS, number) for number in workers()} == {19}
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)

    assert outcome(tmp_path, main) == []


def test_a_job_that_is_cut_off_is_none(tmp_path):
    data = pickle.dumps(job(tmp_path, spoken()), protocol=5)
    with pytest.raises(EOFError):
        read_job(io.BytesIO(LENGTH.pack(len(data)) + data))


def test_a_session_writes_its_rows_when_it_is_over(tmp_path):
    settings = default_settings()
    route = settings.routes.tts.model_copy(update={"shadow": {"espeak": 1.0}, "order": ["espeak"]})

    async def main(outbox: Outbox) -> None:
        primary = ENGINES.make("tts", "espeak")
        shadows = Shadows(
            {"tts": route},
            session="s7",
            user="ann",
            consent=Consent(shadow=True),
            make=ENGINES.make,
            hosted=ENGINES.hosted,
            clock=SystemClock(),
        )
        stream = await shadows.tts(primary).open(voice="", language="en", rate_hz=16000)
        await stream.push(MORNING, 1)
        await stream.flush(1)
        async for chunk in stream:
            if chunk.last:
                break
        await stream.aclose()
        await primary.aclose()
        await shadows.end()
        await shadows.compare(outbox, store=store_of(tmp_path), spool=tmp_path / "spool")

    (row,) = outcome(tmp_path, main)
    assert (row.session_id, row.user_id) == ("s7", "ann")
    assert (row.primary_engine, row.shadow, row.void) == ("espeak", "espeak", "")
    assert row.length_ratio == pytest.approx(1.0, abs=0.02)


def test_no_engine_of_this_machine_is_taken_for_a_hosted_one():
    assert not any(ENGINES.hosted(name) for name in ("whisper", "moonshine", "pairs", "kokoro", "espeak"))
