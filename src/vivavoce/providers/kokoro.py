"""Kokoro-82M through ONNX Runtime: text to phonemes by espeak-ng (in its own process), phonemes to 24 kHz sound.

Inputs: `tokens` i64[1, n+2] with the pad token at both ends, `style` f32[1, 256], the voice's row for that length,
and `speed` f32[1]; output f32[m] at 24 kHz. Every unit comes with silence around it, which is cut off here.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vivavoce.audio.pcm import from_float
from vivavoce.audio.resample import resample
from vivavoce.errors import LegError, LegUnavailable
from vivavoce.legs.values import SpeechChunk
from vivavoce.models import ModelStore
from vivavoce.providers.espeak_process import EspeakProcess, voice_for
from vivavoce.providers.speech_queue import SpeechQueue, Utterance
from vivavoce.providers.units import UnitPlan, units

RATE_HZ = 24000
VOICES = {"en": "af_heart", "es": "ef_dora", "fr": "ff_siwis", "it": "if_sara", "pt": "pf_dora"}
"""The voice for each language that the model speaks here."""

_PAD = 0
_LONGEST_TOKENS = 510
_QUIET = 10 ** (-38 / 20)
_LOUDEST = 0.98
_MARGIN_S = 0.012
_FADE_S = 0.004
_PAUSES_S = {".": 0.26, "!": 0.26, "?": 0.26, "…": 0.26, ";": 0.18, ":": 0.18, ",": 0.12}
_JOIN_S = 0.03
_HURRIED_PAUSES = 3

# What espeak writes in two signs and Kokoro's vocabulary has as one; ties mark what belongs together.
_ONE_SIGN = {
    "a^ɪ": "I", "a^ʊ": "W", "d^z": "ʣ", "d^ʒ": "ʤ", "e^ɪ": "A", "o^ʊ": "O", "ə^ʊ": "Q", "s^s": "S", "t^s": "ʦ",
    "t^ʃ": "ʧ", "ɔ^ɪ": "Y",
}  # fmt: skip
_ENGLISH = {"ə^l": "ᵊl", "ɚ": "əɹ", "r": "ɹ", "x": "k", "ç": "k", "ɐ": "ə", "ʲ": "", "\u0303": "", "e": "A", "ʔ": "t"}


class Kokoro:
    """Implements `Synthesizer`. A run that is cancelled is ended inside ONNX Runtime, not waited for."""

    LANGUAGES = frozenset(VOICES)

    def __init__(self, *, store: ModelStore | None = None, threads: int = 2, first_unit_words: int = 2) -> None:
        try:
            import onnxruntime

            from vivavoce.providers.convolutions import rewritten
        except ImportError as error:
            raise LegUnavailable(f"Kokoro needs {error.name}", hint=f"pip install {error.name}") from error
        store = store or ModelStore()
        self._folder = store.folder("kokoro-82m")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 4
        # Between units the threads would burn a core each in waiting for work.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Without VNNI instructions sums of signed 8-bit products would overflow; with them it changes nothing.
        options.add_session_config_entry("session.x64quantprecision", "1")
        self._run_options = onnxruntime.RunOptions
        # A plan of memory is kept for each length of text, and lengths hardly repeat.
        options.enable_mem_pattern = False
        states = onnxruntime.capi.onnxruntime_pybind11_state
        self._failures = (states.Fail, states.RuntimeException, states.InvalidArgument, RuntimeError)
        model = store.derived("kokoro-82m", "model.onnx", recipe="products-1", make=rewritten)
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._vocabulary: dict[str, int] = json.loads((self._folder / "vocab.json").read_text("utf-8"))["vocab"]
        self._plan = UnitPlan(first_words=first_unit_words)
        self._espeak = EspeakProcess()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="kokoro")

    async def open(self, *, voice: str, language: str, rate_hz: int) -> SpeechQueue:
        name = voice or VOICES.get(language, "")
        style = self._style(name, language)

        async def speak(utterance: Utterance) -> AsyncGenerator[SpeechChunk, None]:
            plan = self._plan.after(utterance.lead_ms)
            for unit in units(utterance.text, plan, language=language):
                sound = await self._unit(unit, language, style, utterance.speed)
                pcm = resample(from_float(sound, RATE_HZ), rate_hz)
                yield SpeechChunk(pcm, utterance.epoch, unit)

        return SpeechQueue(speak, rate_hz=rate_hz)

    async def warm_up(self) -> None:
        for language, text in (("pt", "Bom dia."), ("pt", "Por favor, aguarde um momento na linha.")):
            await self._unit(text, language, self._style(VOICES[language], language), 1.0)

    async def aclose(self) -> None:
        await self._espeak.aclose()
        await asyncio.to_thread(self._executor.shutdown, wait=True, cancel_futures=True)

    def _style(self, voice: str, language: str) -> NDArray[np.float32]:
        path = self._folder / f"{voice}.bin"
        if not voice or not path.is_file():
            have = ", ".join(sorted(p.stem for p in self._folder.glob("*.bin")))
            raise LegUnavailable(
                f"Kokoro has no voice {voice!r} for {language!r}", hint=f"voices: {have}; or --voice espeak"
            )
        return np.fromfile(path, np.float32).reshape(-1, 1, 256)

    async def _unit(self, text: str, language: str, style: NDArray[np.float32], speed: float) -> NDArray[np.float32]:
        phonemes = await self._espeak.phonemes(text, voice=voice_for(language), tie=True)
        if not any(sign.isalpha() for sign in phonemes):
            return np.zeros(0, np.float32)  # marks alone would be noise
        pieces = _fitting(self._ids(phonemes, language), self._vocabulary[" "])
        sounds = [await self._sound(ids, style, speed) for ids in pieces]
        pause_s = _PAUSES_S.get(text[-1:], _JOIN_S)
        pauses_s = [*[_JOIN_S] * (len(sounds) - 1), pause_s / _HURRIED_PAUSES if speed > 1 else pause_s]
        parts = [_trimmed(sound, pause_s) for sound, pause_s in zip(sounds, pauses_s, strict=False)]
        return np.concatenate([np.zeros(0, np.float32), *parts])

    async def _sound(self, ids: list[int], style: NDArray[np.float32], speed: float) -> NDArray[np.float32]:
        options = self._run_options()
        # A long unit's memory is given back: kept, it is 95 MiB for 4 % of the time.
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        run = asyncio.get_running_loop().run_in_executor(self._executor, self._run, ids, style, speed, options)
        try:
            return await asyncio.shield(run)
        except self._failures as error:
            raise LegError(f"Kokoro failed: {error}", hint="vivavoce models verify kokoro-82m") from error
        except asyncio.CancelledError:
            options.terminate = True
            await asyncio.wait([run])
            # The terminated run's own error is the expected end of it.
            run.exception()
            raise

    def _ids(self, phonemes: str, language: str) -> list[int]:
        for signs, one in _ONE_SIGN.items():
            phonemes = phonemes.replace(signs, one)
        if language == "en":
            for sign, other in _ENGLISH.items():
                phonemes = phonemes.replace(sign, other)
        return [self._vocabulary[sign] for sign in phonemes if sign in self._vocabulary]

    def _run(self, ids: list[int], style: NDArray[np.float32], speed: float, options: Any) -> NDArray[np.float32]:
        feeds = {
            "tokens": np.array([[_PAD, *ids, _PAD]], np.int64),
            "style": style[min(len(ids), len(style)) - 1],
            "speed": np.array([speed], np.float32),
        }
        output: NDArray[np.float32] = self._session.run(None, feeds, options)[0]
        return output.reshape(-1)


def _fitting(ids: list[int], space: int) -> list[list[int]]:
    """Cut what is longer than the model takes, between words where there are any."""
    pieces: list[list[int]] = []
    while len(ids) > _LONGEST_TOKENS:
        window = ids[: _LONGEST_TOKENS + 1]
        cut = len(window) - 1 - window[::-1].index(space) if space in window[1:] else _LONGEST_TOKENS
        pieces.append(ids[:cut])
        ids = ids[cut:]
    return [*pieces, ids] if ids else pieces


def _trimmed(sound: NDArray[np.float32], pause_s: float) -> NDArray[np.float32]:
    """Cut the silence before and after, fade the edges, and leave `pause_s` of silence behind."""
    window = RATE_HZ // 200
    count = len(sound) // window
    if not count:
        return sound
    level = np.sqrt(np.mean(sound[: count * window].reshape(count, window) ** 2, axis=1))
    loud = np.flatnonzero(level > max(_QUIET * float(level.max()), 1e-4))
    if not len(loud):
        return sound[:0]
    margin = round(_MARGIN_S * RATE_HZ)
    begin = max(0, int(loud[0]) * window - margin)
    end = min(len(sound), (int(loud[-1]) + 1) * window + margin)
    # Some voices go up to 1.2, which would be clipped.
    kept = sound[begin:end] / max(1.0, float(np.abs(sound).max()) / _LOUDEST)
    ramp = _ramp()[: len(kept) // 2]
    kept[: len(ramp)] *= ramp
    kept[len(kept) - len(ramp) :] *= ramp[::-1]
    return np.concatenate([kept, np.zeros(round(pause_s * RATE_HZ), np.float32)])


@cache
def _ramp() -> NDArray[np.float32]:
    return np.linspace(0.0, 1.0, round(_FADE_S * RATE_HZ), dtype=np.float32)
