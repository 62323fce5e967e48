"""From the bytes and word times that a hosted synthesiser sends for one context to chunks of speech."""

from __future__ import annotations

from collections import deque

import numpy as np

from vivavoce.audio.pcm import Pcm, Samples
from vivavoce.audio.resample import Resampler
from vivavoce.legs.values import SpeechChunk, Word
from vivavoce.providers.trimming import Trimmer

_QUIET = 100
"""-50 dB of full scale: what hosted voices send before and behind speech lies below."""
_MARGIN_S = 0.008


def nearest_rate(rate_hz: int, offered: tuple[int, ...]) -> int:
    """The rate to ask for: the one that is wanted, else the lowest that loses nothing, else the highest."""
    return min((rate for rate in sorted(offered) if rate >= rate_hz), default=max(offered))


class Voicing:
    """Sound of one context: 16-bit little-endian samples at `made_hz` in, chunks at `rate_hz` out, silence trimmed.

    A word goes with the chunk that holds its beginning. One whose time comes after its sound goes with the next chunk,
    and its times, which count from that chunk's first sample, are negative then. A text goes with the chunk of its
    first word; without times, with the next chunk.
    """

    def __init__(self, epoch: int, *, made_hz: int, rate_hz: int) -> None:
        self._epoch, self._made_hz, self._rate_hz = epoch, made_hz, rate_hz
        self._trimmer = Trimmer(quiet=_QUIET, margin=round(_MARGIN_S * made_hz))
        self._resampler = Resampler(made_hz, rate_hz) if made_hz != rate_hz else None
        self._odd = b""
        self._given = 0
        self._words: deque[Word] = deque()
        self._timed = False
        self._begun_words = 0
        self._texts: deque[tuple[int, str]] = deque()
        self._text_words = 0

    def text(self, text: str) -> None:
        """Note a text that will be voiced after those before it."""
        self._texts.append((self._text_words, text))
        self._text_words += len(text.split())

    def times(self, words: tuple[Word, ...]) -> None:
        """Note words, timed from the first sample that was sent for the context."""
        self._words.extend(words)
        self._timed = self._timed or bool(words)

    def sound(self, data: bytes) -> SpeechChunk | None:
        """Take bytes in, cut anywhere; give what of them can be heard, if anything."""
        data = self._odd + data
        even = len(data) & ~1
        self._odd = data[even:]
        samples = self._trimmer.push(np.frombuffer(data[:even], "<i2").astype(np.int16, copy=False))
        if self._resampler is not None and len(samples):
            samples = self._resampler.push(samples)
        return self._chunk(samples) if len(samples) else None

    def end(self) -> SpeechChunk | None:
        """What is left: samples that were held back, words and texts that go with no sound."""
        samples = self._resampler.flush() if self._resampler is not None else np.zeros(0, np.int16)
        if not len(samples) and not self._words and not self._texts:
            return None
        return self._chunk(samples, rest=True)

    def _chunk(self, samples: Samples, *, rest: bool = False) -> SpeechChunk:
        start_ms = 1000.0 * self._given / self._rate_hz
        self._given += len(samples)
        end_ms = 1000.0 * self._given / self._rate_hz
        cut_ms = 1000.0 * self._trimmer.cut / self._made_hz
        words: list[Word] = []
        while self._words and (rest or self._words[0].start_ms - cut_ms < end_ms):
            word = self._words.popleft()
            shift_ms = max(word.start_ms - cut_ms, 0.0) - start_ms, word.end_ms - cut_ms - start_ms
            words.append(Word(word.text, *shift_ms, word.confidence))
        self._begun_words += len(words)
        texts: list[str] = []
        while self._texts and (rest or not self._timed or self._texts[0][0] < self._begun_words):
            texts.append(self._texts.popleft()[1])
        return SpeechChunk(
            Pcm(samples, self._rate_hz), self._epoch, " ".join(texts), tuple(words) if self._timed else None
        )
