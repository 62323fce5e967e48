"""Python beside a media thread that has more to do than its core can: both go on."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import numpy as np
import pytest

from vivavoce.audio.codec import ulaw_encode
from vivavoce.errors import ConfigError
from vivavoce.evals.media_agent import AgentSettings
from vivavoce.evals.media_clips import LoadClips
from vivavoce.evals.media_load import Callers, agent, find_loadgen

CALLS, MOST_S = 1200, 90.0
LINES = 3


@pytest.mark.realtime
def test_python_makes_progress_when_the_core_is_full(tmp_path: Path) -> None:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        pytest.skip("there is one core only")
    try:
        loadgen = find_loadgen()
    except ConfigError as missing:
        pytest.skip(f"{missing}; {missing.hint}")
    sound = tmp_path / "sound.ulaw"
    sound.write_bytes(ulaw_encode((9000 * np.sin(np.arange(32_000))).astype(np.int16)).tobytes())
    clips = LoadClips([sound], [], sound)
    settings = AgentSettings(calls=CALLS, reply=str(sound), policy="off", voices=False, talkative=True, core=cores[0])

    async def main() -> list[dict[str, float]]:
        full: list[dict[str, float]] = []
        async with agent("media_agent", settings) as server:
            port = int((await server.line())["port"])
            callers = Callers(
                loadgen=loadgen, calls=CALLS, seconds=MOST_S, clips=clips, core=cores[-1], calls_per_s=1000
            )
            async with callers.calling(port):
                # How many come in, and how often Python gets to say so, is the machine's; that it does is ours.
                while len(full) < LINES:
                    line = await server.line()
                    full += [line] if line["calls"] > CALLS // 4 else []
        return full

    full = asyncio.run(asyncio.wait_for(main(), MOST_S))
    # Each line is one turn of the interpreter's loop, and what it heard came through the door.
    assert full[-1]["heard_s"] > full[0]["heard_s"]
    busy_s, all_s = (full[-1][name] - full[0][name] for name in ("worker_cpu_s", "at_s"))
    assert busy_s > 0.5 * all_s
