"""A caller that nobody here wrote: streamdouble plays one who interrupts the agent."""

from __future__ import annotations

import asyncio
import wave
from pathlib import Path

import numpy as np
import pytest
from streamdouble.api import run_scenario
from streamdouble.session import SessionConfig

from vivavoce.audio.files import open_audio
from vivavoce.audio.pcm import Pcm
from vivavoce.errors import CallOver, ModelMissing
from vivavoce.media import Call, Confirmed, Engine, EngineSettings, Mark, Started
from vivavoce.models import ModelStore

SCENARIO = """
name: caller interrupts the greeting
steps:
  - wait_for: audio
  - wait: 0.5
  - say: caller.wav
  - expect: clear
  - hangup
"""


async def _greet(call: Call, told: list[object]) -> None:
    """Say a long greeting, and note what happens."""
    async for event in call.events():
        told.append(event)
        if isinstance(event, Started):
            try:
                await call.play(Pcm(np.full(8000 * 10, 500, np.int16), 8000), 1)
                call.mark("greeted")
            except CallOver:
                return


def test_a_caller_who_interrupts_the_greeting(tmp_path: Path) -> None:
    try:
        recording = ModelStore().path("demo-en", "two_cities.wav")
        ModelStore().path("silero-vad", "silero_vad.onnx")
    except ModelMissing as missing:
        pytest.skip(f"{missing}; {missing.hint}")
    speech = np.concatenate([block.samples for block in open_audio(recording).blocks(rate_hz=8000)])[: 8000 * 3]
    with wave.open(str(tmp_path / "caller.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(speech.tobytes())
    (tmp_path / "scenario.yaml").write_text(SCENARIO)

    async def main() -> None:
        async with Engine(EngineSettings(scheduling="default")) as engine:
            call = engine.expect("t", ttl_ms=60_000, policy="strict")
            told: list[object] = []
            greeting = asyncio.create_task(_greet(call, told))
            report = await run_scenario(
                f"ws://127.0.0.1:{engine.port}/twilio",
                tmp_path / "scenario.yaml",
                config=SessionConfig(custom_parameters={"token": "t"}),
            )
            await greeting
        assert report.violations == []
        assert report.result.failed_expectations == []
        assert report.result.clears_received == 1
        assert report.spoke
        assert [event for event in told if isinstance(event, Mark)] == [Mark("greeted", played=False)]
        assert any(isinstance(event, Confirmed) for event in told)

    asyncio.run(asyncio.wait_for(main(), 60))
