"""smart-turn v3.2: from how it sounds, whether a speaker has finished (ONNX Runtime, 45 ms of CPU a decision).

Input: Whisper's log-mel features f32[B, 80, 800] of the last 8 s, normalised to mean 0 and variance 1, silence in front
where there is less. Output: the probability that the turn is over. Source: pipecat-ai/smart-turn (BSD-2-Clause).
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from vivavoce.audio.pcm import Pcm
from vivavoce.errors import LegError, LegUnavailable
from vivavoce.models import ModelStore
from vivavoce.providers.mel import FRAMES_PER_S, RATE_HZ, log_mel

_HEARD_S = 8


class SmartTurn:
    """Implements `TurnDetector`."""

    rate_hz = RATE_HZ
    heard_ms = 1000.0 * _HEARD_S

    def __init__(self, *, store: ModelStore | None = None, threads: int = 1) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise LegUnavailable("smart-turn needs onnxruntime", hint="pip install onnxruntime") from error
        model = (store or ModelStore()).path("smart-turn", "smart-turn-v3.2-cpu.onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Without VNNI instructions sums of signed 8-bit products would overflow; with them it changes nothing.
        options.add_session_config_entry("session.x64quantprecision", "1")
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="smart-turn")

    async def complete(self, pcm: Pcm) -> float:
        if pcm.rate_hz != RATE_HZ:
            raise LegUnavailable(f"smart-turn hears {RATE_HZ} Hz, not {pcm.rate_hz}", hint="resample the sound first")
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._executor, self._probability, pcm.as_float())
        except Exception as error:  # the task's edge: engines raise what they like
            raise LegError(f"turn detection failed: {error}") from error

    async def warm_up(self) -> None:
        await self.complete(Pcm(np.zeros(RATE_HZ, np.int16), RATE_HZ))

    async def aclose(self) -> None:
        await asyncio.to_thread(self._executor.shutdown, wait=True, cancel_futures=True)

    def _probability(self, samples: NDArray[np.float32]) -> float:
        heard = np.zeros(_HEARD_S * RATE_HZ, np.float32)
        newest = samples[-len(heard) :]
        heard[len(heard) - len(newest) :] = newest
        heard = (heard - heard.mean()) / np.sqrt(heard.var() + np.float32(1e-7))
        features = log_mel(heard.astype(np.float32), _HEARD_S * FRAMES_PER_S)
        return float(self._session.run(None, {"input_features": features[None]})[0].ravel()[0])
