"""Works that nobody waits for do not end unnoticed, and end when they are told to."""

from __future__ import annotations

import asyncio

import pytest

from vivavoce.clock import SystemClock, run_virtual
from vivavoce.store.works import keep_on, leave, to_its_end


def test_a_mistake_in_a_work_is_told_and_the_work_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    begun_s: list[float] = []

    async def work() -> None:
        begun_s.append(asyncio.get_running_loop().time())
        if len(begun_s) < 3:
            raise KeyError("a mistake")
        await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.create_task(keep_on("the work", work, clock=SystemClock()))
        await asyncio.sleep(10)
        await leave(task)
        assert task.cancelled()

    run_virtual(main())
    assert begun_s == [0.0, 1.0, 2.0]
    assert caplog.text.count("the work begins again") == 2


def test_who_does_not_hear_it_the_first_time_is_told_to_end_again() -> None:
    told = 0

    async def deaf() -> None:
        nonlocal told
        while told < 3:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                told += 1

    async def main() -> None:
        task = asyncio.create_task(deaf())
        await asyncio.sleep(0)
        await leave(task)
        assert told == 3
        assert asyncio.get_running_loop().time() == pytest.approx(2.0)

    run_virtual(main())


@pytest.mark.parametrize(("takes_s", "ends"), [(0.3, True), (5.0, False)])
def test_work_that_is_cancelled_has_a_moment_to_end(takes_s: float, ends: bool) -> None:
    ended = []

    async def work() -> None:
        await asyncio.sleep(takes_s)
        ended.append(True)

    async def main() -> None:
        task = asyncio.create_task(to_its_end(work()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert bool(ended) is ends
        assert len(asyncio.all_tasks()) == 1

    run_virtual(main())
