from __future__ import annotations

import asyncio
from typing import Any

from vivavoce.agent.admission import Admission, Limits
from vivavoce.agent.backlog import Backlog
from vivavoce.clock import NS_PER_MS, SystemClock, run_virtual

LIMITS = Limits(late=0.01, waiting=0.5, each=0.1, within_ms=10_000)


class Plane:
    """Counts of a plane, as they are set."""

    def __init__(self) -> None:
        self.calls = self.frames_out = self.frames_late = 0

    def stats(self) -> dict[str, Any]:
        return {"calls": self.calls, "frames_out": self.frames_out, "frames_late": self.frames_late}


async def after(ms: float) -> None:
    clock = SystemClock()
    await clock.sleep_until(clock.now_ns() + round(ms * NS_PER_MS))


def judged(test: Any) -> None:
    async def main() -> None:
        plane, clock = Plane(), SystemClock()
        backlog = Backlog(clock)
        admission = Admission(plane, backlog, clock=clock, limits=LIMITS)
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(admission.watch())
            await after(20_000)
            await test(plane, backlog, admission)
            watching.cancel()

    run_virtual(main())


def test_who_calls_first_is_let_in() -> None:
    async def test(plane: Plane, backlog: Backlog, admission: Admission) -> None:
        assert admission.refusal(0) is None

    judged(test)


def test_sound_that_leaves_late_lets_nobody_in_until_it_is_on_time_again() -> None:
    async def test(plane: Plane, backlog: Backlog, admission: Admission) -> None:
        plane.calls, plane.frames_out, plane.frames_late = 5, 1000, 30
        assert admission.refusal(1) == "3.0% of what is sent is late"
        await after(5000)
        plane.frames_out += 250
        assert admission.refusal(1) is not None
        await after(6000)
        plane.frames_out += 1000
        assert admission.refusal(1) is None

    judged(test)


def test_each_call_brings_its_share_of_waiting() -> None:
    async def test(plane: Plane, backlog: Backlog, admission: Admission) -> None:
        plane.calls = 4
        await after(12_000)
        with backlog.waiting():
            await after(3900)
        # 39 % for four: 49 % for five.
        assert admission.refusal(4) is None
        with backlog.waiting():
            await after(200)
        assert admission.refusal(4) == "recognition would be waited for 51% of the time"

    judged(test)


def test_who_came_just_now_counts_as_those_who_talk() -> None:
    async def test(plane: Plane, backlog: Backlog, admission: Admission) -> None:
        # Nothing was measured yet: each is taken to bring a tenth.
        assert [admission.refusal(under_way) is None for under_way in (1, 4, 5)] == [True, True, False]
        plane.calls = 2
        await after(12_000)
        with backlog.waiting():
            await after(1000)
        # Two brought 10 %, so that each new one brings 5.
        assert admission.refusal(9) is None
        assert admission.refusal(10) == "recognition would be waited for 55% of the time"

    judged(test)


def test_a_recogniser_that_hangs_lets_nobody_in() -> None:
    async def test(plane: Plane, backlog: Backlog, admission: Admission) -> None:
        plane.calls = 1
        with backlog.waiting():
            await after(6000)
            assert admission.refusal(1) is not None

    judged(test)
