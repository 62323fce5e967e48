"""Legs around legs that let shadows hear what the primary is asked. What is served is the primary's, untouched.

A call is mirrored before it is made: its answer could come, and set off the next call, before it returns.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

from vivavoce.audio.pcm import Pcm
from vivavoce.clock import NS_PER_MS, Clock
from vivavoce.legs.mt import Translator
from vivavoce.legs.stt import SpeechToText, SttStream
from vivavoce.legs.tts import SpeechStream, Synthesizer
from vivavoce.legs.values import Clause, Hypothesis, SpeechChunk, TextChunk, TokenUsage, Word
from vivavoce.routing.shadow_calls import (
    Cancel,
    Commit,
    Finalise,
    Flush,
    Half,
    Opening,
    Push,
    Reset,
    Say,
    Translate,
    translated,
)
from vivavoce.routing.shadow_replay import Speech
from vivavoce.routing.shadow_run import Mirror

Mirrors = Callable[[Opening], Sequence[Mirror]]
"""Makes the mirrors of a stream that is opened."""


class ShadowedStt:
    """Implements `SpeechToText` around one; the primary is never made to wait, and fails as it would alone."""

    def __init__(self, primary: SpeechToText, mirrors: Mirrors, *, first: str, clock: Clock) -> None:
        """`first` names the primary's engine where the stream does not tell which one is serving."""
        self._primary, self._mirrors, self._first, self._clock = primary, mirrors, first, clock

    async def open(self, *, language: str, keyterms: Sequence[str] = (), rate_hz: int = 16000) -> ShadowedSttStream:
        stream = await self._primary.open(language=language, keyterms=keyterms, rate_hz=rate_hz)
        mirrors = self._mirrors(Opening(language, rate_hz, keyterms=tuple(keyterms)))
        return ShadowedSttStream(stream, mirrors, first=self._first, clock=self._clock)

    async def warm_up(self) -> None:
        await self._primary.warm_up()

    async def aclose(self) -> None:
        await self._primary.aclose()


class ShadowedSttStream:
    """Implements `SttStream`. A pair is the last final before a reset, and the shadow's of the same request."""

    def __init__(self, primary: SttStream, mirrors: Sequence[Mirror], *, first: str, clock: Clock) -> None:
        self._primary, self._mirrors, self._first, self._clock = primary, mirrors, first, clock
        self._asked: dict[int, tuple[Finalise, float]] = {}
        self._finals = 0
        self._half: Half | None = None
        self._seconds = 0.0

    @property
    def serving(self) -> str:
        return getattr(self._primary, "serving", "") or self._first

    async def push(self, pcm: Pcm, *, voiced: bool = True) -> None:
        self._seconds += pcm.duration_ms / 1000
        call = Push(pcm, voiced)
        for mirror in self._mirrors:
            mirror.call(call)
        await self._primary.push(pcm, voiced=voiced)

    def partial(self) -> None:
        self._primary.partial()

    async def finalise(self, epoch: int) -> None:
        self._finals += 1
        call = Finalise(self._finals, self._clock.now_ns())
        self._asked[epoch] = call, self._seconds
        for mirror in self._mirrors:
            mirror.call(call)
        await self._primary.finalise(epoch)

    def commit(self, words: Sequence[Word]) -> None:
        self._primary.commit(words)
        if words:
            call = Commit(tuple(words))
            for mirror in self._mirrors:
                mirror.call(call)

    def reset(self) -> None:
        self._primary.reset()
        half, self._half = self._half, None
        self._asked.clear()
        self._seconds = 0.0
        call = Reset(half.number if half else None)
        for mirror in self._mirrors:
            if half is not None:
                mirror.heard(half)
            mirror.call(call)

    async def __aiter__(self) -> AsyncIterator[Hypothesis]:
        async for hypothesis in self._primary:
            if hypothesis.final and (asked := self._asked.pop(hypothesis.epoch, None)) is not None:
                call, seconds = asked
                self._half = Half(
                    call.number,
                    self.serving,
                    (self._clock.now_ns() - call.at_ns) / NS_PER_MS,
                    {"seconds": seconds},
                    hypothesis.text,
                    hypothesis.language,
                    time.time(),
                )
            yield hypothesis

    async def settle(self) -> None:
        await self._primary.settle()

    async def aclose(self) -> None:
        try:
            await self._primary.aclose()
        finally:
            for mirror in self._mirrors:
                mirror.end()


class ShadowedTranslator:
    """Implements `Translator` around one. Translators of one session share `mirrors` and count on in `numbers`."""

    def __init__(
        self, primary: Translator, mirrors: Sequence[Mirror], *, numbers: Iterator[int], first: str, clock: Clock
    ) -> None:
        self._primary, self._mirrors, self._first, self._clock = primary, mirrors, first, clock
        self._numbers = numbers

    @property
    def serving(self) -> str:
        return getattr(self._primary, "serving", "") or self._first

    async def translate(
        self,
        clause: Clause,
        *,
        source: str,
        target: str,
        context: Sequence[str] = (),
        glossary: Mapping[str, str] | None = None,
    ) -> AsyncIterator[TextChunk]:
        at_ns = self._clock.now_ns()
        call = Translate(next(self._numbers), at_ns, clause, source, target, tuple(context), glossary)
        for mirror in self._mirrors:
            mirror.call(call)
        text: list[str] = []
        usage: TokenUsage | None = None
        chunks = self._primary.translate(clause, source=source, target=target, context=context, glossary=glossary)
        async for chunk in chunks:
            text.append(chunk.text)
            usage = chunk.usage or usage
            yield chunk
        half = Half(
            call.number,
            self.serving,
            (self._clock.now_ns() - at_ns) / NS_PER_MS,
            translated(clause, usage),
            "".join(text),
            target,
            time.time(),
        )
        for mirror in self._mirrors:
            mirror.heard(half)

    async def warm_up(self) -> None:
        await self._primary.warm_up()

    async def aclose(self) -> None:
        await self._primary.aclose()


class ShadowedSynthesizer:
    """Implements `Synthesizer` around one: inside a cache of synthesis, which would make the primary look instant."""

    def __init__(self, primary: Synthesizer, mirrors: Mirrors, *, first: str, clock: Clock) -> None:
        self._primary, self._mirrors, self._first, self._clock = primary, mirrors, first, clock

    async def open(self, *, voice: str, language: str, rate_hz: int) -> ShadowedSpeechStream:
        stream = await self._primary.open(voice=voice, language=language, rate_hz=rate_hz)
        mirrors = self._mirrors(Opening(language, rate_hz, voice=voice))
        return ShadowedSpeechStream(stream, mirrors, first=self._first, clock=self._clock)

    async def warm_up(self) -> None:
        await self._primary.warm_up()

    async def aclose(self) -> None:
        await self._primary.aclose()


class ShadowedSpeechStream:
    """Implements `SpeechStream`. A pair is an epoch that was spoken to its end."""

    def __init__(self, primary: SpeechStream, mirrors: Sequence[Mirror], *, first: str, clock: Clock) -> None:
        self._primary, self._mirrors, self._first, self._clock = primary, mirrors, first, clock
        self._speeches: dict[int, Speech] = {}

    @property
    def serving(self) -> str:
        return getattr(self._primary, "serving", "") or self._first

    async def push(self, text: str, epoch: int, *, speed: float = 1.0, lead_ms: float = 0.0) -> None:
        at_ns = self._clock.now_ns()
        speech = self._speeches.get(epoch)
        if speech is None:
            speech = self._speeches[epoch] = Speech(at_ns)
        speech.characters += len(text)
        call = Say(epoch, at_ns, text, speed, lead_ms)
        for mirror in self._mirrors:
            mirror.call(call)
        await self._primary.push(text, epoch, speed=speed, lead_ms=lead_ms)

    async def flush(self, epoch: int) -> None:
        for mirror in self._mirrors:
            mirror.call(Flush(epoch))
        await self._primary.flush(epoch)

    def cancel(self, epoch: int) -> None:
        self._primary.cancel(epoch)
        self._speeches.pop(epoch, None)
        for mirror in self._mirrors:
            mirror.call(Cancel(epoch))

    async def __aiter__(self) -> AsyncIterator[SpeechChunk]:
        async for chunk in self._primary:
            if (speech := self._speeches.get(chunk.epoch)) is not None:
                self._count(speech, chunk)
            yield chunk

    async def settle(self) -> None:
        await self._primary.settle()

    async def aclose(self) -> None:
        try:
            await self._primary.aclose()
        finally:
            for mirror in self._mirrors:
                mirror.end()

    def _count(self, speech: Speech, chunk: SpeechChunk) -> None:
        if len(chunk.pcm.samples) and speech.first_ms is None:
            speech.first_ms = (self._clock.now_ns() - speech.asked_ns) / NS_PER_MS
        speech.seconds += chunk.pcm.duration_ms / 1000
        if chunk.last:
            del self._speeches[chunk.epoch]
            if (half := speech.half(chunk.epoch, self.serving, at_s=time.time())) is not None:
                for mirror in self._mirrors:
                    mirror.heard(half)
