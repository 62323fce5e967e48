"""A recognition stream over an engine that decodes whole stretches of sound.

The engine is a blocking function from a `Stretch` to a `Transcript`; this module gives it what streaming needs: a
buffer that stays short, final requests beside a partial one, answers that are dropped when they come too late, and
words that stay settled once they were committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vivavoce.audio.pcm import Pcm
from vivavoce.errors import LegError
from vivavoce.legs.values import Hypothesis, Word

_LONGEST_S = 28
_LEFT_S = 20
"""Models hear 30 s. Sound that long without settled words holds none, or none that will be understood."""

KEPT_WORDS = 8
"""Committed words whose sound stays in the buffer, so that open words are heard in their context.

With 3 instead of 8 the error rate on long speech was 14.9 instead of 13.1 %; with 14 and 30 it was 12.7 %."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Sound to decode: `samples` f32[n] in [-1, 1); the transcript must begin with `prefix`, which is settled.

    `draft` is what was heard after it the last time, in less of the sound: a guess that may save the engine work.
    """

    samples: NDArray[np.float32]
    rate_hz: int
    start_ms: float
    prefix: tuple[Word, ...]
    language: str
    final: bool
    draft: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Transcript:
    """`words` are those after the prefix."""

    words: tuple[Word, ...]
    language: str
    no_speech: float = 0.0


@dataclass(frozen=True, slots=True)
class _Answer:
    """A hypothesis with the utterance and the number of committed words it was decoded under."""

    hypothesis: Hypothesis
    generation: int
    commits: int


Decode = Callable[[Stretch], Transcript]


class UtteranceStream:
    """Implements `SttStream`. At most one partial and, beside it, the requested finals are under way."""

    def __init__(self, decode: Decode, *, executor: Executor, language: str, rate_hz: int) -> None:
        self._decode = decode
        self._executor = executor
        self._language = language
        self._rate_hz = rate_hz
        self._sound = np.empty(rate_hz * 8, np.float32)
        self._length = 0
        self._start_ms: float | None = None
        self._committed: list[Word] = []
        self._commits = 0
        self._draft: tuple[Word, ...] = ()
        self._generation = 0
        self._partial: asyncio.Task[None] | None = None
        self._jobs: set[asyncio.Task[None]] = set()
        self._final: Future[Transcript] | None = None
        self._answers: asyncio.Queue[_Answer | LegError | None] = asyncio.Queue(maxsize=64)
        self._closed = False

    async def push(self, pcm: Pcm, *, voiced: bool = True) -> None:
        if self._start_ms is None:
            self._start_ms = pcm.start_ms
        needed = self._length + len(pcm.samples)
        if needed > len(self._sound):
            self._sound = np.concatenate([self._sound, np.empty(max(needed, len(self._sound)), np.float32)])
        self._sound[self._length : needed] = pcm.as_float()
        self._length = needed
        if self._length > _LONGEST_S * self._rate_hz:
            until_ms = pcm.end_ms - 1000.0 * _LEFT_S
            self._forget_sound(until_ms)
            self._committed = [word for word in self._committed if word.end_ms > until_ms]
            self._draft = ()

    def partial(self) -> None:
        if self._partial is None and self._length:
            self._partial = self._spawn(final=False, epoch=0)

    async def finalise(self, epoch: int) -> None:
        if self._final is not None:
            # An older request that nobody has begun yet is work for nothing.
            self._final.cancel()
        self._spawn(final=True, epoch=epoch)

    def commit(self, words: Sequence[Word]) -> None:
        self._committed.extend(words)
        self._commits += len(words)
        self._draft = self._draft[len(words) :]
        self._forget_settled_sound()

    def reset(self) -> None:
        self._generation += 1
        if self._final is not None:
            self._final.cancel()
        self._length = 0
        self._start_ms = None
        self._committed.clear()
        self._commits = 0
        self._draft = ()

    async def __aiter__(self) -> AsyncIterator[Hypothesis]:
        # Judged when it is taken: what was committed or reset since it was decoded must count.
        while (answer := await self._answers.get()) is not None:
            if isinstance(answer, Exception):
                raise answer
            if answer.generation != self._generation:
                continue
            hypothesis = self._after_commits(answer.hypothesis, self._commits - answer.commits)
            if hypothesis is not None:
                yield hypothesis

    async def settle(self) -> None:
        while self._jobs:
            await asyncio.wait(self._jobs)

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._generation += 1
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        while self._answers.full():
            self._answers.get_nowait()
        self._answers.put_nowait(None)

    def _spawn(self, *, final: bool, epoch: int) -> asyncio.Task[None]:
        stretch = Stretch(
            samples=self._sound[: self._length].copy(),
            rate_hz=self._rate_hz,
            start_ms=self._start_ms or 0.0,
            prefix=tuple(self._committed),
            language=self._language,
            final=final,
            draft=self._draft,
        )
        decoding = self._executor.submit(self._decode, stretch)
        if final:
            self._final = decoding
        job = asyncio.create_task(self._answer(decoding, stretch, epoch, self._generation, self._commits))
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        return job

    async def _answer(
        self, decoding: Future[Transcript], stretch: Stretch, epoch: int, generation: int, commits: int
    ) -> None:
        answer = asyncio.wrap_future(decoding)
        try:
            await asyncio.wait([answer])
            if answer.cancelled():
                return
            transcript = answer.result()
        except Exception as error:  # the task's edge: engines raise what they like
            # Raised to whoever iterates: waiting for an answer that never comes would be worse.
            ours = error if isinstance(error, LegError) else LegError(f"recognition failed: {error}")
            if generation == self._generation:
                await self._answers.put(ours)
            return
        finally:
            decoding.cancel()
            if not stretch.final:
                self._partial = None
        if generation != self._generation:
            return
        self._draft = transcript.words[self._commits - commits :]
        hypothesis = Hypothesis(
            words=transcript.words,
            committed_until_ms=stretch.prefix[-1].end_ms if stretch.prefix else stretch.start_ms,
            final=stretch.final,
            language=transcript.language,
            epoch=epoch,
            no_speech=transcript.no_speech,
            heard_until_ms=stretch.start_ms + 1000.0 * len(stretch.samples) / stretch.rate_hz,
        )
        await self._answers.put(_Answer(hypothesis, generation, commits))

    def _after_commits(self, hypothesis: Hypothesis, newly: int) -> Hypothesis | None:
        """Take off the words that were committed while this was decoded; None when it disagrees with them."""
        if not newly:
            return hypothesis
        settled = self._committed[-newly:]
        if not settled:
            return None
        if [word.text for word in hypothesis.words[:newly]] != [word.text for word in settled] and not hypothesis.final:
            return None
        return replace(hypothesis, words=hypothesis.words[newly:], committed_until_ms=settled[-1].end_ms)

    def _forget_settled_sound(self) -> None:
        surplus = len(self._committed) - KEPT_WORDS
        if surplus <= 0 or self._start_ms is None:
            return
        self._forget_sound(self._committed[surplus - 1].end_ms)
        del self._committed[:surplus]

    def _forget_sound(self, until_ms: float) -> None:
        assert self._start_ms is not None
        cut = min(self._length, max(0, round((until_ms - self._start_ms) * self._rate_hz / 1000)))
        self._sound[: self._length - cut] = self._sound[cut : self._length].copy()
        self._length -= cut
        self._start_ms += 1000.0 * cut / self._rate_hz


def spread_words(texts: Sequence[str], *, start_ms: float, end_ms: float, confidence: float = 1.0) -> tuple[Word, ...]:
    """Time words by their share of characters, for engines that give no times."""
    weights = [len(text) + 1 for text in texts]
    total = sum(weights)
    words: list[Word] = []
    at_ms = start_ms
    for text, weight in zip(texts, weights, strict=True):
        until_ms = at_ms + (end_ms - start_ms) * weight / total
        words.append(Word(text, at_ms, until_ms, confidence))
        at_ms = until_ms
    return tuple(words)
