"""Many callers, of whom one in ten misbehaves: no call may touch another."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from vivavoce.audio.codec import ulaw_encode
from vivavoce.audio.pcm import Pcm
from vivavoce.errors import CallOver, ConfigError
from vivavoce.evals.media_load import find_loadgen
from vivavoce.media import Call, Engine, EngineSettings
from vivavoce.media.events import Started

FAULTS = ("bursts", "stall", "abrupt-close", "back-pressure", "slow-reader", "garbage", "dribble")
CALLS = 120
ENDS = {
    "abrupt-close": "peer closed",
    "slow-reader": "peer reads too slowly",
    "garbage": "protocol fault",
}
"""How calls with these faults end; the others outlast the run."""


@pytest.fixture(scope="module")
def loadgen() -> Path:
    try:
        return find_loadgen()
    except ConfigError as missing:
        pytest.skip(f"{missing}; {missing.hint}")


class Talker:
    """Hears one caller and talks all the time."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.heard_ms = 0.0

    async def listen(self) -> None:
        async for piece in self.call.audio():
            self.heard_ms += piece.duration_ms

    async def talk(self) -> None:
        async for event in self.call.events():
            if isinstance(event, Started):
                try:
                    for epoch in range(1, 100):
                        await self.call.play(Pcm(np.full(8000, 900, np.int16), 8000), epoch)
                except CallOver:
                    return


async def _start(loadgen: Path, engine: Engine, clip: Path, *more: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        str(loadgen), "--address", f"127.0.0.1:{engine.port}", "--token", "t", "--turn", str(clip), *more,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip


def _clip(folder: Path) -> Path:
    path = folder / "caller.ulaw"
    path.write_bytes(ulaw_encode((9000 * np.sin(np.arange(8000))).astype(np.int16)).tobytes())
    return path


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seconds", [12.0, pytest.param(60.0, marks=pytest.mark.slow)])
def test_faults_touch_no_other_call(seconds: float, loadgen: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with Engine(EngineSettings(voices=False, scheduling="default")) as engine:
            talkers = [Talker(engine.expect(f"t{n}", ttl_ms=600_000, policy="off")) for n in range(CALLS)]
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(work()) for each in talkers for work in (each.listen, each.talk)]
                process = await _start(
                    loadgen, engine, _clip(tmp_path), "--calls", str(CALLS), "--warm-up", "0", "--seconds",
                    str(seconds), *(word for fault in FAULTS for word in ("--fault", fault)),
                )  # fmt: skip
                said, _ = await process.communicate()
                stats = engine.stats()
                ended = {n: each.call.end for n, each in enumerate(talkers)}
                for task in tasks:
                    task.cancel()
            report = json.loads(said)

        reasons: Counter[str] = Counter()
        for n, each in enumerate(talkers):
            fault = FAULTS[n // 10 % len(FAULTS)] if n % 10 == 9 else None
            end = ended[n]
            if fault in ENDS:
                assert end is not None, fault
                assert end.reason == ENDS[fault], fault
                reasons[end.reason] += 1
            else:
                assert end is None or end.reason == "peer closed", (fault, end)
            if fault is None:
                assert each.heard_ms > 0.9 * 1000 * seconds, (n, each.heard_ms)
        assert set(reasons) == set(ENDS.values())
        assert stats["panics"] == 0
        assert report["alive"] >= CALLS * 0.9

    asyncio.run(main())


def test_callers_who_are_killed(loadgen: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with Engine(EngineSettings(voices=False, scheduling="default")) as engine:
            calls = [engine.expect(f"t{n}", ttl_ms=600_000) for n in range(20)]
            process = await _start(loadgen, engine, _clip(tmp_path), "--calls", "20", "--seconds", "600")
            for call in calls:
                await call.started()
            process.send_signal(signal.SIGKILL)
            await process.communicate()
            for call in calls:
                async for _ in call.events():
                    pass
            assert {call.end.reason for call in calls if call.end} == {"peer closed"}
            assert engine.stats()["calls"] == 0

    asyncio.run(asyncio.wait_for(main(), 60))
