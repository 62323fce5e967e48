"""The plane's voice detector against the same model as Python runs it, on real speech."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vivavoce import _media
from vivavoce.audio.files import open_audio
from vivavoce.audio.pcm import Pcm, Samples
from vivavoce.errors import ModelMissing
from vivavoce.media import Confirmed, EngineSettings, SpeechEnd, SpeechStart
from vivavoce.media.engine import _onnxruntime
from vivavoce.media.silero_batched import batched
from vivavoce.models import ModelStore

WINDOW, BEFORE, SILENCE = 256, 32, 31


@pytest.fixture(scope="module")
def model() -> Path:
    return _path("silero-vad", "silero_vad.onnx")


@pytest.fixture(scope="module")
def speech() -> Samples:
    blocks = open_audio(_path("demo-en", "two_cities.wav")).blocks(rate_hz=8000)
    return np.concatenate([block.samples for block in blocks])[: 8000 * 20]


def _path(name: str, file: str) -> Path:
    try:
        return ModelStore().path(name, file)
    except ModelMissing as missing:
        pytest.skip(f"{missing}; {missing.hint}")


def _python_probabilities(model: Path, samples: Samples) -> list[float]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    state, window = np.zeros((2, 1, 128), np.float32), np.zeros((1, BEFORE + WINDOW), np.float32)
    found = []
    quiet = np.zeros(SILENCE * WINDOW, np.int16)
    for at in range(0, len(quiet) + len(samples) - WINDOW + 1, WINDOW):
        piece = np.concatenate([quiet, samples])[at : at + WINDOW] if at < len(quiet) else samples[at - len(quiet) :]
        window[0, :BEFORE] = window[0, WINDOW:]
        window[0, BEFORE:] = piece[:WINDOW].astype(np.float32) / 32768
        out, state = session.run(None, {"input": window, "state": state, "sr": np.array(8000, np.int64)})
        found.append(float(out[0, 0]))
    return found[SILENCE:]


def test_both_detectors_are_one(model: Path, speech: Samples) -> None:
    ours = _media.voice_probabilities(_onnxruntime(), batched(model), speech)
    theirs = _python_probabilities(model, speech)
    assert len(ours) == len(theirs) == len(speech) // WINDOW
    assert max(ours) > 0.9
    assert min(ours) < 0.1
    assert np.abs(np.array(ours) - np.array(theirs)).max() < 1e-3


def test_a_damaged_model_is_told(speech: Samples) -> None:
    with pytest.raises(RuntimeError):
        _media.voice_probabilities(_onnxruntime(), b"no model", speech)


def test_real_speech_interrupts_the_agent(line: Any, speech: Samples, model: Path) -> None:
    async def main() -> None:
        settings = EngineSettings(scheduling="default")
        async with line.connected(settings=settings, policy="strict") as (_, call, caller):
            await call.play(Pcm(np.full(8000 * 20, 1000, np.int16), 8000), 1)
            await caller.hear()
            await caller.speak(speech[: 8000 * 4])
            started = await line.until(call, SpeechStart)
            confirmed = await line.until(call, Confirmed)
            assert isinstance(started, SpeechStart)
            assert isinstance(confirmed, Confirmed)
            assert confirmed.dropped_ms > 15_000
            await caller.speak(np.zeros(8000, np.int16))
            await line.until(call, SpeechEnd)

    asyncio.run(asyncio.wait_for(main(), 60))
