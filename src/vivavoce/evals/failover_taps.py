"""Legs around the translator and the voice of a session that note when something was asked, and when it came."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vivavoce.legs.mt import Translator
from vivavoce.legs.tts import SpeechStream, Synthesizer
from vivavoce.legs.values import Clause, SpeechChunk, TextChunk
from vivavoce.translate.session import Legs


@dataclass(frozen=True, slots=True)
class Passage:
    """One request, in seconds of the monotonic clock; `sounds_s` are the moments of its answers."""

    asked_s: float
    answers_s: list[float]


@dataclass(slots=True)
class Taps:
    """What was asked of a session's legs so far."""

    mt: list[Passage] = field(default_factory=list)
    tts: dict[int, Passage] = field(default_factory=dict)

    def around(self, legs: Legs) -> Legs:
        """The legs with taps at them."""
        return replace(
            legs,
            translator=_TappedTranslators(legs.translator, self),
            synthesizer=_TappedSynthesizer(legs.synthesizer, self) if legs.synthesizer else None,
        )

    def first_after(self, leg: str, moment_s: float) -> Passage | None:
        """The first request whose first answer after the moment came; its answers from then on."""
        found = [
            Passage(passage.asked_s, later)
            for passage in (self.mt if leg == "mt" else self.tts.values())
            if (later := [at_s for at_s in passage.answers_s if at_s >= moment_s])
        ]
        return min(found, key=lambda passage: passage.answers_s[0], default=None)


class _TappedTranslators:
    def __init__(self, translator: Callable[[str], Translator | None], taps: Taps) -> None:
        self._translator, self._taps = translator, taps

    def __call__(self, language: str) -> Translator | None:
        found = self._translator(language)
        return None if found is None else _TappedTranslator(found, self._taps)


class _TappedTranslator:
    def __init__(self, translator: Translator, taps: Taps) -> None:
        self._translator, self._taps = translator, taps

    async def translate(
        self,
        clause: Clause,
        *,
        source: str,
        target: str,
        context: Sequence[str] = (),
        glossary: Mapping[str, str] | None = None,
    ) -> AsyncIterator[TextChunk]:
        passage = Passage(time.monotonic(), [])
        self._taps.mt.append(passage)
        chunks = self._translator.translate(clause, source=source, target=target, context=context, glossary=glossary)
        async for chunk in chunks:
            passage.answers_s.append(time.monotonic())
            yield chunk

    async def warm_up(self) -> None:
        await self._translator.warm_up()

    async def aclose(self) -> None:
        await self._translator.aclose()


class _TappedSynthesizer:
    def __init__(self, synthesizer: Synthesizer, taps: Taps) -> None:
        self._synthesizer, self._taps = synthesizer, taps

    async def open(self, *, voice: str, language: str, rate_hz: int) -> SpeechStream:
        return _TappedStream(await self._synthesizer.open(voice=voice, language=language, rate_hz=rate_hz), self._taps)

    async def warm_up(self) -> None:
        await self._synthesizer.warm_up()

    async def aclose(self) -> None:
        await self._synthesizer.aclose()


class _TappedStream:
    def __init__(self, stream: SpeechStream, taps: Taps) -> None:
        self._stream, self._taps = stream, taps

    async def push(self, text: str, epoch: int, *, speed: float = 1.0, lead_ms: float = 0.0) -> None:
        self._taps.tts.setdefault(epoch, Passage(time.monotonic(), []))
        await self._stream.push(text, epoch, speed=speed, lead_ms=lead_ms)

    async def flush(self, epoch: int) -> None:
        await self._stream.flush(epoch)

    def cancel(self, epoch: int) -> None:
        self._stream.cancel(epoch)

    async def __aiter__(self) -> AsyncIterator[SpeechChunk]:
        async for chunk in self._stream:
            if len(chunk.pcm.samples) and chunk.epoch in self._taps.tts:
                self._taps.tts[chunk.epoch].answers_s.append(time.monotonic())
            yield chunk

    async def settle(self) -> None:
        await self._stream.settle()

    async def aclose(self) -> None:
        await self._stream.aclose()
