"""What a leg that fails leaves of a clip, when it is judged alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

import numpy as np

from vivavoce.audio.pcm import Pcm
from vivavoce.errors import LegTimeout
from vivavoce.evals.clips import Clip, Recording
from vivavoce.evals.speech_ends import Speech
from vivavoce.gate.alone import hear_alone, read_alone
from vivavoce.gate.metric import named
from vivavoce.gate.metrics_alone import mt_metrics, stt_metrics
from vivavoce.legs.values import Clause, Hypothesis, TextChunk, Word

CLIP = Clip(
    id="a", file="a.flac", language="en", register="lecture", duration_s=40.0, transcript="One cat. Two dogs.",
    references={"pt": "Um gato. Dois cães."}, target="pt",
)  # fmt: skip


class HardOfHearing:
    """Recognition, and its one stream, that fails at the second window."""

    epoch = 0

    async def open(self, *, language: str, keyterms: Sequence[str] = (), rate_hz: int = 16000) -> HardOfHearing:
        return self

    async def warm_up(self) -> None: ...

    async def push(self, pcm: Pcm, *, voiced: bool = True) -> None: ...

    def partial(self) -> None: ...

    async def finalise(self, epoch: int) -> None:
        self.epoch = epoch

    def commit(self, words: Sequence[Word]) -> None: ...

    def reset(self) -> None: ...

    async def settle(self) -> None: ...

    async def aclose(self) -> None: ...

    async def __aiter__(self) -> AsyncIterator[Hypothesis]:
        if self.epoch == 2:
            raise LegTimeout("too late")
        yield Hypothesis((Word("one", 0, 1), Word("cat", 1, 2)), 0.0, final=True, language="en", epoch=self.epoch)


class Speechless:
    """Translation that has no answer to dogs."""

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...

    async def translate(
        self,
        clause: Clause,
        *,
        source: str,
        target: str,
        context: Sequence[str] = (),
        glossary: Mapping[str, str] | None = None,
    ) -> AsyncIterator[TextChunk]:
        if "dogs" in clause.text:
            raise LegTimeout("too late")
        yield TextChunk("Um gato.", 1, last=True)


def test_a_window_that_recognition_fails_at_is_counted() -> None:
    sound = Pcm(np.zeros(40 * 16_000, np.int16), 16_000)
    heard = asyncio.run(hear_alone(HardOfHearing(), Recording(CLIP, sound, Speech(0.0, 40_000.0))))
    assert (heard.transcript, heard.failed_windows) == ("one cat", 1)
    assert named(stt_metrics([heard]))["stt.failed"].value == 1


def test_a_sentence_that_translation_fails_at_is_counted() -> None:
    read = asyncio.run(read_alone(Speechless(), CLIP))
    assert [sentence.translation for sentence in read.sentences] == ["Um gato.", ""]
    failed = named(mt_metrics([read]))["mt.failed"]
    assert (failed.value, failed.n) == (1, 2)
