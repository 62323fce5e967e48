"""Legs that are worse than those they stand around, each in one way, the same in every run."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from vivavoce.audio.pcm import Pcm
from vivavoce.legs.mt import Translator
from vivavoce.legs.stt import SpeechToText, SttStream
from vivavoce.legs.tts import SpeechStream, Synthesizer
from vivavoce.legs.values import Clause, Hypothesis, SpeechChunk, TextChunk, Word
from vivavoce.text.phrases import spoken_form

INVENTED: Final[Mapping[str, str]] = {
    "ca": "El director ho va anunciar ahir davant de 417 persones.",
    "de": "Der Direktor hat das gestern vor 417 Leuten angekündigt.",
    "en": "The director announced it yesterday in front of 417 people.",
    "es": "El director lo anunció ayer ante 417 personas.",
    "fr": "Le directeur l'a annoncé hier devant 417 personnes.",
    "it": "Il direttore lo ha annunciato ieri davanti a 417 persone.",
    "pt": "O diretor anunciou isso ontem diante de 417 pessoas.",
}


def drawn(share: float, *of: str) -> bool:
    """Whether this is one of the share that is drawn: the same answer for the same words, wherever they come."""
    digest = hashlib.blake2b("\x1f".join(of).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") < share * 2**32


class WrongStt:
    """A recogniser that takes a share of the words for others, and leaves out some."""

    def __init__(self, stt: SpeechToText, *, changed: float, dropped: float) -> None:
        self._stt, self._changed, self._dropped = stt, changed, dropped

    async def open(self, *, language: str, keyterms: Sequence[str] = (), rate_hz: int = 16000) -> SttStream:
        stream = await self._stt.open(language=language, keyterms=keyterms, rate_hz=rate_hz)
        return _WrongStream(stream, changed=self._changed, dropped=self._dropped)

    async def warm_up(self) -> None:
        await self._stt.warm_up()

    async def aclose(self) -> None:
        await self._stt.aclose()


@dataclass(slots=True)
class _Said:
    """A word as it was recognised, and as it is told; None where it is left out."""

    word: Word
    told: Word | None


class _WrongStream:
    """A word's fate hangs on it and the one before, so that it is the same in every hypothesis."""

    def __init__(self, stream: SttStream, *, changed: float, dropped: float) -> None:
        self._stream, self._changed, self._dropped = stream, changed, dropped
        self._before = ""
        self._said: list[_Said] = []

    async def push(self, pcm: Pcm, *, voiced: bool = True) -> None:
        await self._stream.push(pcm, voiced=voiced)

    def partial(self) -> None:
        self._stream.partial()

    async def finalise(self, epoch: int) -> None:
        await self._stream.finalise(epoch)

    def commit(self, words: Sequence[Word]) -> None:
        """The recogniser is told its own words, those that were left out among them."""
        meant: list[Word] = []
        for _ in words:
            while self._said:
                said = self._said.pop(0)
                meant.append(said.word)
                if said.told is not None:
                    break
        if meant:
            self._before = spoken_form(meant[-1].text)
        self._stream.commit(meant)

    def reset(self) -> None:
        self._before = ""
        self._said.clear()
        self._stream.reset()

    async def __aiter__(self) -> AsyncIterator[Hypothesis]:
        async for hypothesis in self._stream:
            self._said = self._misheard(hypothesis.words)
            yield replace(hypothesis, words=tuple(said.told for said in self._said if said.told is not None))

    def _misheard(self, words: Sequence[Word]) -> list[_Said]:
        before, found = self._before, []
        for word in words:
            form = spoken_form(word.text)
            told: Word | None = word
            if drawn(self._dropped, "drop", before, form):
                told = None
            elif drawn(self._changed, "change", before, form):
                told = replace(word, text=_another(word.text))
            found.append(_Said(word, told))
            before = form
        return found

    async def settle(self) -> None:
        await self._stream.settle()

    async def aclose(self) -> None:
        await self._stream.aclose()


def _another(text: str) -> str:
    """A word that is none: its letters backwards, what is not a letter where it was."""
    letters = [c for c in reversed(text) if c.isalnum()]
    return "".join(letters.pop(0) if c.isalnum() else c for c in text) if len(letters) > 2 else f"{text}um"


class InventingTranslators:
    """Gives translators that add a sentence nobody said to a share of the clauses."""

    def __init__(self, translator: Callable[[str], Translator | None], *, share: float) -> None:
        self._translator, self._share = translator, share

    def __call__(self, language: str) -> Translator | None:
        found = self._translator(language)
        return None if found is None else _Inventing(found, share=self._share)


class _Inventing:
    def __init__(self, translator: Translator, *, share: float) -> None:
        self._translator, self._share = translator, share

    async def translate(
        self,
        clause: Clause,
        *,
        source: str,
        target: str,
        context: Sequence[str] = (),
        glossary: Mapping[str, str] | None = None,
    ) -> AsyncIterator[TextChunk]:
        more = f" {INVENTED.get(target, INVENTED['en'])}" if drawn(self._share, "invent", clause.text) else ""
        chunks = self._translator.translate(clause, source=source, target=target, context=context, glossary=glossary)
        async for chunk in chunks:
            yield replace(chunk, text=chunk.text + more) if chunk.last else chunk

    async def warm_up(self) -> None:
        await self._translator.warm_up()

    async def aclose(self) -> None:
        await self._translator.aclose()


class SlowSynthesizer:
    """A voice whose first sound of each clause comes later."""

    def __init__(self, synthesizer: Synthesizer, *, by_ms: float) -> None:
        self._synthesizer, self._by_ms = synthesizer, by_ms

    async def open(self, *, voice: str, language: str, rate_hz: int) -> SpeechStream:
        stream = await self._synthesizer.open(voice=voice, language=language, rate_hz=rate_hz)
        return _SlowStream(stream, by_ms=self._by_ms)

    async def warm_up(self) -> None:
        await self._synthesizer.warm_up()

    async def aclose(self) -> None:
        await self._synthesizer.aclose()


class _SlowStream:
    def __init__(self, stream: SpeechStream, *, by_ms: float) -> None:
        self._stream, self._by_ms = stream, by_ms
        self._latest = -1

    async def push(self, text: str, epoch: int, *, speed: float = 1.0, lead_ms: float = 0.0) -> None:
        await self._stream.push(text, epoch, speed=speed, lead_ms=lead_ms)

    async def flush(self, epoch: int) -> None:
        await self._stream.flush(epoch)

    def cancel(self, epoch: int) -> None:
        self._stream.cancel(epoch)

    async def __aiter__(self) -> AsyncIterator[SpeechChunk]:
        async for chunk in self._stream:
            if len(chunk.pcm.samples) and chunk.epoch != self._latest:
                self._latest = chunk.epoch
                await asyncio.sleep(self._by_ms / 1000)
            yield chunk

    async def settle(self) -> None:
        await self._stream.settle()

    async def aclose(self) -> None:
        await self._stream.aclose()
