"""The process that does what is left of shadows: a real one, with a real engine."""

from __future__ import annotations

import asyncio
import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from vivavoce.config.load import default_settings
from vivavoce.routing.shadow import Consent, shadows_for
from vivavoce.routing.shadow_after import LENGTH, UNFINISHED, Job, work_elsewhere
from vivavoce.routing.shadow_calls import Flush, Half, Opening, Say
from vivavoce.routing.shadow_engines import ShadowEngines
from vivavoce.routing.shadow_rows import ShadowRows
from vivavoce.routing.shadow_run import Run
from vivavoce.routing.shadow_worker import read_job

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
    return Job(list(runs), ENGINES.make, None, folder, 30)


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
    asyncio.run(work_elsewhere(job(tmp_path, spoken()), limit_s=60))
    rows = ShadowRows(tmp_path).read()
    assert [(row.void, row.shadow, row.shadow_nano) for row in rows] == [("", "espeak", 0)] * 2
    assert all(row.shadow_ms and row.length_ratio and row.length_ratio > 0.5 for row in rows)
    assert MORNING not in "".join(path.read_text() for path in tmp_path.glob("*.jsonl"))
    assert not workers()


def test_what_is_not_done_in_time_is_void(tmp_path):
    asyncio.run(work_elsewhere(job(tmp_path, spoken(times=3000)), limit_s=0.05))
    assert [row.void for row in ShadowRows(tmp_path).read()] == [UNFINISHED]
    assert not workers()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at /proc")
def test_cancelled_it_takes_the_process_with_it(tmp_path):
    async def main() -> None:
        working = asyncio.create_task(work_elsewhere(job(tmp_path, spoken(times=3000)), limit_s=60))
        await until(lambda: bool(workers()))
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        assert not workers()

    asyncio.run(main())
    assert ShadowRows(tmp_path).read() == []


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="a policy of Linux")
def test_it_runs_when_nobody_else_wants_a_core(tmp_path):
    async def main() -> None:
        working = asyncio.create_task(work_elsewhere(job(tmp_path, spoken(times=3000)), limit_s=60))
        await until(lambda: {os.sched_getscheduler(number) for number in workers()} == {os.SCHED_IDLE})
        assert {os.getpriority(os.PRIO_PROCESS, number) for number in workers()} == {19}
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)

    asyncio.run(main())


def test_a_job_that_is_cut_off_is_none(tmp_path):
    data = pickle.dumps(job(tmp_path, spoken()), protocol=5)
    with pytest.raises(EOFError):
        read_job(io.BytesIO(LENGTH.pack(len(data)) + data))


def test_a_session_writes_its_rows_when_it_is_left(tmp_path):
    settings = default_settings()
    route = settings.routes.tts.model_copy(update={"shadow": {"espeak": 1.0}, "order": ["espeak"]})

    async def main() -> None:
        primary = ENGINES.make("tts", "espeak")
        async with shadows_for(
            {"tts": route},
            session="s7",
            consent=Consent(shadow=True),
            make=ENGINES.make,
            hosted=ENGINES.hosted,
            folder=tmp_path,
        ) as shadows:
            stream = await shadows.tts(primary).open(voice="", language="en", rate_hz=16000)
            await stream.push(MORNING, 1)
            await stream.flush(1)
            async for chunk in stream:
                if chunk.last:
                    break
            await stream.aclose()
        await primary.aclose()

    asyncio.run(main())
    (row,) = ShadowRows(tmp_path).read()
    assert (row.session, row.primary, row.shadow, row.void) == ("s7", "espeak", "espeak", "")
    assert row.length_ratio == pytest.approx(1.0, abs=0.02)
    assert ShadowRows(tmp_path).erase("s7") == 1


def test_no_engine_of_this_machine_is_taken_for_a_hosted_one():
    assert not any(ENGINES.hosted(name) for name in ("whisper", "moonshine", "pairs", "kokoro", "espeak"))
