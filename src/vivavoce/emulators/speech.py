"""What the emulated synthesisers say: tone bursts with known word times, or the voice of an embedded engine."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vivavoce.audio.pcm import Samples
from vivavoce.legs.tts import Synthesizer
from vivavoce.legs.values import Word
from vivavoce.providers.utterance import spread_words

MS_PER_CHARACTER = 60.0
_GAP_MS = 20.0
_PIECE_MS = 100.0
_FIRST_MS, _PACE = 75.0, 4.0
_LOWEST_HZ, _STEP_HZ, _TONES = 200, 25, 100
_AMPLITUDE = 9000.0


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of sound, and the words that begin in it, timed from its first sample; None where nobody knows them."""

    samples: Samples
    words: tuple[Word, ...] | None


class Speech(Protocol):
    def say(self, text: str, *, language: str, rate_hz: int, speed: float = 1.0) -> AsyncGenerator[Said, None]:
        """The sound of a text, piece by piece."""
        ...

    async def aclose(self) -> None: ...


def tone_hz(word: str) -> int:
    """The tone that stands for a word: one of a hundred from 200 to 2675 Hz."""
    return _LOWEST_HZ + _STEP_HZ * (zlib.crc32(word.casefold().encode()) % _TONES)


class ScriptedSpeech:
    """Every word is a burst of its tone, 60 ms a character, with 20 ms of silence before it.

    The first piece comes `first_ms` after it was asked for, the others at `pace` times real time (0 is all at once).
    """

    def __init__(self, *, first_ms: float = 0.0, pace: float = 0.0) -> None:
        self._first_ms, self._pace = first_ms, pace

    async def say(self, text: str, *, language: str, rate_hz: int, speed: float = 1.0) -> AsyncGenerator[Said, None]:
        samples, words = bursts(text, rate_hz=rate_hz, speed=speed)
        await asyncio.sleep(self._first_ms / 1000)
        step = round(_PIECE_MS * rate_hz / 1000)
        for start in range(0, len(samples), step):
            start_ms, end_ms = 1000.0 * start / rate_hz, 1000.0 * (start + step) / rate_hz
            if start and self._pace:
                await asyncio.sleep(_PIECE_MS / 1000 / self._pace)
            begun = (word for word in words if start_ms <= word.start_ms < end_ms)
            yield Said(
                samples[start : start + step],
                tuple(Word(word.text, word.start_ms - start_ms, word.end_ms - start_ms) for word in begun),
            )

    async def aclose(self) -> None:
        pass


def bursts(text: str, *, rate_hz: int, speed: float = 1.0) -> tuple[Samples, tuple[Word, ...]]:
    """The sound of a text as ScriptedSpeech says it, and its words."""
    parts: list[Samples] = []
    words: list[Word] = []
    length = 0
    for text_of_word in text.split():
        gap = round(_GAP_MS / speed * rate_hz / 1000)
        burst = round(MS_PER_CHARACTER * len(text_of_word) / speed * rate_hz / 1000)
        phase = 2 * np.pi * tone_hz(text_of_word) / rate_hz * np.arange(burst)
        # A cosine is loud from its first sample on, so that trimming finds the very beginning.
        parts += [np.zeros(gap, np.int16), np.rint(_AMPLITUDE * np.cos(phase)).astype(np.int16)]
        start, length = length + gap, length + gap + burst
        words.append(Word(text_of_word, 1000.0 * start / rate_hz, 1000.0 * length / rate_hz))
    return np.concatenate([np.zeros(0, np.int16), *parts]), tuple(words)


class EmbeddedSpeech:
    """The voice of an embedded engine. Word times are spread over each text by its characters, or unknown."""

    def __init__(self, engine: Synthesizer, *, spread: bool = True) -> None:
        self._engine, self._spread = engine, spread

    async def say(self, text: str, *, language: str, rate_hz: int, speed: float = 1.0) -> AsyncGenerator[Said, None]:
        stream = await self._engine.open(voice="", language=language, rate_hz=rate_hz)
        try:
            await stream.push(text, 1, speed=speed)
            await stream.flush(1)
            pieces: list[Samples] = []
            async for chunk in stream:
                if chunk.last:
                    break
                if self._spread:
                    pieces.append(chunk.pcm.samples)
                else:
                    yield Said(chunk.pcm.samples, None)
        finally:
            await stream.aclose()
        if self._spread:
            samples = np.concatenate([np.zeros(0, np.int16), *pieces])
            words = spread_words(text.split(), start_ms=0.0, end_ms=1000.0 * len(samples) / rate_hz)
            yield Said(samples, words)

    async def aclose(self) -> None:
        await self._engine.aclose()


def speech(*, models: bool) -> Speech:
    """Bursts about as soon and as fast as hosted voices give theirs, or espeak-ng, as fast as it is."""
    if not models:
        return ScriptedSpeech(first_ms=_FIRST_MS, pace=_PACE)
    from vivavoce.providers.espeak import Espeak

    return EmbeddedSpeech(Espeak())
