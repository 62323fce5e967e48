"""Silero VAD (v5 and later) through ONNX Runtime, for files and microphones.

Input per window: f32[1, 512] at 16 kHz with the 64 samples before it in front, state f32[2, 1, 128], the rate as i64.
"""

from __future__ import annotations

import numpy as np

from vivavoce.audio.pcm import Pcm
from vivavoce.errors import LegUnavailable
from vivavoce.legs.values import VoiceEvent
from vivavoce.models import ModelStore
from vivavoce.providers.voice_gate import GateSettings, VoiceGate

RATE_HZ = 16000
_WINDOW = 512
_BEFORE = 64


class Silero:
    """Implements `VoiceDetector` on 16 kHz sound in blocks of any length."""

    def __init__(self, *, store: ModelStore | None = None, gate: GateSettings | None = None) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise LegUnavailable("Silero needs onnxruntime", hint="pip install onnxruntime") from error
        model = (store or ModelStore()).path("silero-vad", "silero_vad.onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._gate = VoiceGate(gate or GateSettings())
        self._rate = np.array(RATE_HZ, np.int64)
        self.reset()

    @property
    def silent(self) -> bool:
        """Whether the last whole window held no speech."""
        return self._gate.silent

    def reset(self) -> None:
        self._gate.reset()
        self._state = np.zeros((2, 1, 128), np.float32)
        self._input = np.zeros((1, _BEFORE + _WINDOW), np.float32)
        self._pending = np.empty(0, np.float32)
        self._next_ms: float | None = None

    def push(self, pcm: Pcm) -> list[VoiceEvent]:
        if pcm.rate_hz != RATE_HZ:
            raise LegUnavailable(f"Silero hears {RATE_HZ} Hz, not {pcm.rate_hz}", hint="resample the sound first")
        if self._next_ms is None:
            self._next_ms = pcm.start_ms
        self._pending = np.concatenate([self._pending, pcm.as_float()])
        events: list[VoiceEvent] = []
        while len(self._pending) >= _WINDOW:
            window, self._pending = self._pending[:_WINDOW], self._pending[_WINDOW:]
            start_ms = self._next_ms
            self._next_ms += 1000.0 * _WINDOW / RATE_HZ
            event = self._gate.push(self.probability(window), start_ms, self._next_ms)
            if event is not None:
                events.append(event)
        return events

    def probability(self, window: np.ndarray[tuple[int], np.dtype[np.float32]]) -> float:
        """Probability that the next window, f32[512], is speech; the model's state moves on."""
        self._input[0, :_BEFORE] = self._input[0, _WINDOW:]
        self._input[0, _BEFORE:] = window
        feeds = {"input": self._input, "state": self._state, "sr": self._rate}
        output, self._state = self._session.run(None, feeds)
        return float(output[0, 0])
