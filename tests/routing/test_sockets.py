"""A thousand failovers over real sockets leave no task, no socket and no stream behind."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from vivavoce.clock import SystemClock
from vivavoce.emulators.deepgram import emulator
from vivavoce.providers.deepgram import Deepgram
from vivavoce.routing.route import Route
from vivavoce.routing.stt import RoutedStt

FAILOVERS = 1000


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are counted in /proc")
def test_a_thousand_failovers_leave_nothing_behind(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", "canary-of-a-thousand")
    switched = asyncio.Event()

    async def main() -> None:
        tasks, files = len(asyncio.all_tasks()), open_files()
        one, two = emulator(), emulator()
        async with one.serving() as first, two.serving() as second:
            emulators = {"one": one, "two": two}
            engines = {"one": Deepgram(url=f"ws://{first}"), "two": Deepgram(url=f"ws://{second}")}
            settings = kit.settings_of("one", "two", retry_s=0.0001, longest_retry_s=0.0001)
            route = Route("stt", settings, clock=SystemClock(), tell=lambda switch: switched.set())
            routed = RoutedStt(route, engines.__getitem__)
            stream = await routed.open(language="en")
            for number in range(FAILOVERS):
                await stream.push(kit.frame(number * kit.FRAME_MS))
                switched.clear()
                for line in tuple(emulators[stream.serving].lines):
                    line.abort()
                listening = asyncio.create_task(anext(aiter(stream)))
                async with asyncio.timeout(10):
                    await switched.wait()
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
                stream.reset()
            await stream.aclose()
            await routed.aclose()
            assert sum(status.serving for status in route.status()) == 0
            assert sum(status.failed for status in route.status()) >= FAILOVERS
        assert not one.lines
        assert not two.lines
        assert len(asyncio.all_tasks()) == tasks
        assert open_files() <= files

    asyncio.run(main())
