"""What an emulated recogniser hears, by Whisper on this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from vivavoce.audio.pcm import Pcm, Samples
from vivavoce.audio.resample import Resampler
from vivavoce.emulators.recognition import Told
from vivavoce.legs.values import Word
from vivavoce.models import ModelStore
from vivavoce.providers.utterance import UtteranceStream
from vivavoce.providers.whisper import Whisper
from vivavoce.text.phrases import spoken_form

_RATE_HZ = 16000
_LEAST_MS = 1000.0
"""In less sound Whisper hears what nobody says: it is told when there is more."""


class Embedded:
    """Implements `Recogniser`. Something is told every `cadence_ms` of sound, if this machine keeps up."""

    def __init__(self, *, store: ModelStore | None = None, cadence_ms: float = 400.0) -> None:
        self._whisper = Whisper(store=store)
        self._cadence_ms = cadence_ms

    async def open(self, *, rate_hz: int, language: str) -> EmbeddedRecognition:
        stream = await self._whisper.open(language=language, rate_hz=_RATE_HZ)
        return EmbeddedRecognition(stream, rate_hz=rate_hz, cadence_ms=self._cadence_ms)

    async def aclose(self) -> None:
        await self._whisper.aclose()


class EmbeddedRecognition:
    """Implements `Recognition` over the stream of a recogniser of ours."""

    def __init__(self, stream: UtteranceStream, *, rate_hz: int, cadence_ms: float) -> None:
        self._stream = stream
        self._resampler = Resampler(rate_hz, _RATE_HZ) if rate_hz != _RATE_HZ else None
        self._cadence = round(cadence_ms * _RATE_HZ / 1000)
        self._heard = self._asked = 0
        self._flushes = 0
        self._told: tuple[Word, ...] = ()
        self._flushed_ms = 0.0

    async def hear(self, samples: Samples) -> None:
        if self._resampler is not None:
            samples = self._resampler.push(samples)
        await self._stream.push(Pcm(samples, _RATE_HZ, self._heard_ms))
        self._heard += len(samples)
        if self._heard >= self._asked + self._cadence:
            self._asked = self._heard
            self._stream.partial()

    async def flush(self) -> None:
        self._flushes += 1
        await self._stream.finalise(self._flushes)

    async def __aiter__(self) -> AsyncIterator[Told]:
        async for hypothesis in self._stream:
            # Whisper times a word anew whenever it hears it; a hosted recogniser's times hardly move.
            before = self._told
            words = tuple(
                before[n] if n < len(before) and spoken_form(before[n].text) == spoken_form(word.text) else word
                for n, word in enumerate(hypothesis.words)
            )
            if hypothesis.final:
                self._flushed_ms = hypothesis.heard_until_ms
            elif hypothesis.heard_until_ms < self._flushed_ms + _LEAST_MS:
                words = ()
            self._told = words
            yield Told(words, hypothesis.heard_until_ms, hypothesis.final, hypothesis.language)

    def settle(self, words: Sequence[Word]) -> None:
        self._stream.commit(words)
        self._told = self._told[len(words) :]

    async def aclose(self) -> None:
        await self._stream.settle()
        await self._stream.aclose()

    @property
    def _heard_ms(self) -> float:
        return 1000.0 * self._heard / _RATE_HZ
