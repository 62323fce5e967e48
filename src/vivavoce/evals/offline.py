"""The same recogniser on whole clips without streaming: a baseline, and the times of the words that were said."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from vivavoce.audio.pcm import Pcm
from vivavoce.audio.resample import resample
from vivavoce.evals.clips import Recording
from vivavoce.legs.stt import SpeechToText
from vivavoce.legs.values import Word
from vivavoce.providers.utterance import Stretch, Transcript
from vivavoce.routing.stt import RoutedStt

RATE_HZ = 16000
_LONGEST_MS = 25_000.0
_SEARCH_MS = 8_000.0
_STEP_MS = 20.0


@runtime_checkable
class WholeRecogniser(Protocol):
    """What a recogniser must be able to do, beside streaming, to be compared with itself."""

    def decode(self, stretch: Stretch) -> Transcript: ...

    def align(self, samples: NDArray[np.float32], text: str, *, language: str) -> tuple[Word, ...]: ...


def whole_recogniser(stt: SpeechToText) -> WholeRecogniser | None:
    """The recogniser itself, taken out of its route, where it can be compared with itself."""
    if isinstance(stt, RoutedStt):
        stt = stt.best
    return stt if isinstance(stt, WholeRecogniser) else None


async def recognise_whole(recogniser: WholeRecogniser, recording: Recording) -> tuple[Word, ...]:
    """The words of a clip with their times in ms from its first sample, decoded in windows of at most 25 s."""
    pcm = resample(recording.pcm, RATE_HZ)
    return await asyncio.to_thread(_recognise, recogniser, pcm, recording.clip.language)


def _recognise(recogniser: WholeRecogniser, pcm: Pcm, language: str) -> tuple[Word, ...]:
    words: list[Word] = []
    for window in windows(pcm):
        samples = window.as_float()
        text = " ".join(
            word.text for word in recogniser.decode(Stretch(samples, RATE_HZ, 0.0, (), language, final=True)).words
        )
        if not text:
            continue
        words.extend(
            Word(word.text, word.start_ms + window.start_ms, word.end_ms + window.start_ms, word.confidence)
            for word in recogniser.align(samples, text, language=language)
        )
    return tuple(words)


def windows(pcm: Pcm, longest_ms: float = _LONGEST_MS) -> Iterator[Pcm]:
    """Cut sound into windows of at most `longest_ms`, each at the quietest place of its last eight seconds."""
    begin, longest = 0, round(longest_ms * pcm.rate_hz / 1000)
    while len(pcm.samples) - begin > longest:
        search = round(min(_SEARCH_MS, longest_ms / 2) * pcm.rate_hz / 1000)
        end = begin + longest - search + _quietest(pcm.samples[begin + longest - search : begin + longest], pcm.rate_hz)
        yield Pcm(pcm.samples[begin:end], pcm.rate_hz, 1000.0 * begin / pcm.rate_hz)
        begin = end
    yield Pcm(pcm.samples[begin:], pcm.rate_hz, 1000.0 * begin / pcm.rate_hz)


def _quietest(samples: NDArray[np.int16], rate_hz: int) -> int:
    """The middle of the quietest 200 ms."""
    step = round(_STEP_MS * rate_hz / 1000)
    energy = (samples[: len(samples) // step * step].astype(np.float64).reshape(-1, step) ** 2).sum(axis=1)
    smooth = np.convolve(energy, np.ones(10), mode="valid")
    return int(np.argmin(smooth) + 5) * step
