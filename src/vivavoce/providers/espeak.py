"""espeak-ng as the fast and wide voice: over a hundred languages, sound within a millisecond.

Sound comes from the engine's process at 22.05 kHz in buffers of 60 ms. Before the first sound of a text lie up to
40 ms of silence and behind the last up to 30; both are cut to a few.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from vivavoce.audio.pcm import Pcm
from vivavoce.audio.resample import Resampler
from vivavoce.legs.values import SpeechChunk
from vivavoce.providers.espeak_process import EspeakProcess, voice_for
from vivavoce.providers.speech_queue import SpeechQueue, Utterance
from vivavoce.providers.trimming import Trimmer

_QUIET = 33
_MARGIN_S = 0.003


class Espeak:
    """Implements `Synthesizer`. `process` is its own from here on and is ended with it.

    `open` raises LegUnavailable where espeak-ng is missing, LegError for a voice it does not have.
    """

    def __init__(self, *, process: EspeakProcess | None = None) -> None:
        self._process = process or EspeakProcess()

    async def open(self, *, voice: str, language: str, rate_hz: int) -> SpeechQueue:
        """`voice` is any of espeak's own, or empty for the language's."""
        name = voice or voice_for(language)
        await self._process.phonemes("", voice=name)
        resampler = Resampler(self._process.rate_hz, rate_hz)  # its filter takes milliseconds to make

        async def speak(utterance: Utterance) -> AsyncGenerator[SpeechChunk, None]:
            text = utterance.text
            async with aclosing(self._process.speak(text, voice=name, speed=utterance.speed)) as sound:
                resampler.reset()
                trimmer = Trimmer(quiet=_QUIET, margin=round(_MARGIN_S * self._process.rate_hz))
                async for piece in sound:
                    if len(samples := resampler.push(trimmer.push(piece))):
                        yield SpeechChunk(Pcm(samples, rate_hz), utterance.epoch, text)
                        text = ""
                        await asyncio.sleep(0)  # the rest lies in the pipe already: let this be taken first
                if len(samples := resampler.flush()):
                    yield SpeechChunk(Pcm(samples, rate_hz), utterance.epoch, text)

        return SpeechQueue(speak, rate_hz=rate_hz)

    async def warm_up(self) -> None:
        async with aclosing(self._process.speak("a", voice=voice_for("en"))) as sound:
            async for _ in sound:
                pass

    async def aclose(self) -> None:
        await self._process.aclose()
