"""Legs that are worse in one way, around legs that say what a test tells them to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import numpy as np

from vivavoce.audio.pcm import Pcm
from vivavoce.clock import run_virtual
from vivavoce.gate.planted_legs import INVENTED, InventingTranslators, SlowSynthesizer, WrongStt, drawn
from vivavoce.legs.values import Clause, Hypothesis, SpeechChunk, TextChunk, Word

TEXT = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
]


def _words(texts: Sequence[str]) -> tuple[Word, ...]:
    return tuple(Word(text, 100.0 * n, 100.0 * n + 90) for n, text in enumerate(texts))


class ScriptedStream:
    """Says the hypotheses it was made with, and notes what it is told."""

    def __init__(self, hypotheses: Sequence[tuple[Word, ...]]) -> None:
        self._hypotheses = hypotheses
        self.committed: list[Word] = []

    async def push(self, pcm: Pcm, *, voiced: bool = True) -> None: ...

    def partial(self) -> None: ...

    async def finalise(self, epoch: int) -> None: ...

    def commit(self, words: Sequence[Word]) -> None:
        self.committed.extend(words)

    def reset(self) -> None: ...

    async def __aiter__(self) -> AsyncIterator[Hypothesis]:
        for words in self._hypotheses:
            yield Hypothesis(words[len(self.committed) :], 0.0, words is self._hypotheses[-1], "en")

    async def settle(self) -> None: ...

    async def aclose(self) -> None: ...


class ScriptedStt:
    def __init__(self, stream: ScriptedStream) -> None:
        self._stream = stream

    async def open(self, *, language: str, keyterms: Sequence[str] = (), rate_hz: int = 16000) -> ScriptedStream:
        return self._stream

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...


async def _heard(hypotheses: Sequence[tuple[Word, ...]], commits: int = 0) -> tuple[list[list[str]], list[Word]]:
    """What is told of each hypothesis, and what the recogniser was told is settled after the first one."""
    inner = ScriptedStream(hypotheses)
    stream = await WrongStt(ScriptedStt(inner), changed=0.3, dropped=0.2).open(language="en")
    told = []
    async for hypothesis in stream:
        told.append([word.text for word in hypothesis.words])
        if len(told) == 1:
            stream.commit(hypothesis.words[:commits])
    return told, inner.committed


def test_the_same_words_are_misheard_in_every_hypothesis() -> None:
    (first, second), _ = asyncio.run(_heard([_words(TEXT[:10]), _words(TEXT)]))
    assert second[: len(first)] == first
    assert len(second) < len(TEXT)
    assert set(second) - set(TEXT)


def test_what_is_settled_is_told_in_the_recognisers_own_words() -> None:
    (whole,), _ = asyncio.run(_heard([_words(TEXT)]))
    (first, second), committed = asyncio.run(_heard([_words(TEXT[:10]), _words(TEXT)], commits=4))
    assert [word.text for word in committed] == TEXT[: len(committed)]
    assert first[:4] + second == whole


class ScriptedTranslator:
    async def translate(self, clause: Clause, **_: object) -> AsyncIterator[TextChunk]:
        yield TextChunk(clause.text.upper(), clause.epoch, last=True)

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...


async def _translated(texts: Sequence[str]) -> list[str]:
    translators = InventingTranslators(lambda language: ScriptedTranslator() if language == "en" else None, share=0.25)
    assert translators("xx") is None
    translator = translators("en")
    assert translator is not None
    found = []
    for text in texts:
        chunks = translator.translate(Clause(text, 0.0, 0.0), source="en", target="pt")
        found.append("".join([chunk.text async for chunk in chunks]))
    return found


def test_a_share_of_the_clauses_gets_a_sentence_that_nobody_said() -> None:
    texts = [f"clause {n}" for n in range(200)]
    found = asyncio.run(_translated(texts))
    invented = [text for text in found if text.endswith(INVENTED["pt"])]
    assert 30 <= len(invented) <= 70
    assert [text for text in found if text not in invented] == [
        text.upper() for text in texts if not drawn(0.25, "invent", text)
    ]
    assert found == asyncio.run(_translated(texts))


class ScriptedVoice:
    """A voice, and its only stream, which has the chunks it was made with."""

    def __init__(self, chunks: Sequence[SpeechChunk]) -> None:
        self._chunks = chunks

    async def open(self, *, voice: str, language: str, rate_hz: int) -> ScriptedVoice:
        return self

    async def push(self, text: str, epoch: int, *, speed: float = 1.0, lead_ms: float = 0.0) -> None: ...

    async def flush(self, epoch: int) -> None: ...

    def cancel(self, epoch: int) -> None: ...

    async def __aiter__(self) -> AsyncIterator[SpeechChunk]:
        for chunk in self._chunks:
            yield chunk

    async def settle(self) -> None: ...

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...


def test_the_first_sound_of_a_clause_comes_later_and_the_rest_with_it() -> None:
    sound = Pcm(np.ones(10, np.int16), 24000)
    nothing = Pcm(np.zeros(0, np.int16), 24000)
    chunks = [SpeechChunk(nothing, 1), SpeechChunk(sound, 1), SpeechChunk(sound, 1, last=True), SpeechChunk(sound, 2)]

    async def moments() -> list[int]:
        stream = await SlowSynthesizer(ScriptedVoice(chunks), by_ms=250.0).open(voice="", language="pt", rate_hz=24000)
        loop = asyncio.get_running_loop()
        return [round(1000 * loop.time()) async for _ in stream]

    assert run_virtual(moments()) == [0, 250, 250, 500]
