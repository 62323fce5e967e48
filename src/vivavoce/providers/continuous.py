"""A recognition stream over a recogniser that listens continuously and speaks by itself.

Such a recogniser counts time in the sound that it was sent. Here its results become hypotheses in the session's time:
finals gather, each interim replaces the one before, settled words are taken off, and what belongs to an utterance that
was reset is dropped.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from vivavoce.audio.pcm import Pcm, Samples
from vivavoce.errors import LegError, LegLost
from vivavoce.legs.values import Hypothesis, Word
from vivavoce.providers.following import following

_INSIGNIFICANT_MS = 100.0
"""Sound after the last final that a recogniser may not think worth an answer of its own to `finalise`."""
_TRIMMED_MS = 350.0
"""Sound at its end that the answer to `finalise` may leave out."""
_SETTLED_KEPT = 16
_SAME_PLACE_MS = 0.5


@dataclass(frozen=True, slots=True)
class Result:
    """What a recogniser says, in ms of the sound that this line was sent.

    A final covers the sound from the final before until `heard_until_ms` and stays; an interim, which covers the sound
    after the finals, stands until the next result. `language` is "" where it does not say.
    """

    words: tuple[Word, ...]
    final: bool
    heard_until_ms: float
    from_finalise: bool = False
    language: str = ""


class RecognitionLine(Protocol):
    """A connection to a recogniser. Everything that breaks it is raised as a LegError, from iteration too."""

    async def send(self, samples: Samples) -> None: ...

    async def finalise(self) -> None:
        """Ask for a final of everything that was sent."""
        ...

    def __aiter__(self) -> AsyncIterator[Result]: ...

    async def aclose(self) -> None: ...


@dataclass(slots=True)
class _Asked:
    """A `finalise` under way: all sound until `at_ms` of the stream; `epoch` None when nobody waits for it now."""

    at_ms: float
    epoch: int | None


@dataclass(frozen=True, slots=True)
class _Answer:
    words: tuple[Word, ...]
    heard_until_ms: float
    epoch: int


class ContinuousStream:
    """Implements `SttStream`. `cadence_ms` is how often the recogniser says something while it hears speech.

    What breaks the line is raised once to whoever iterates, and by every later `push` and `finalise`.
    """

    def __init__(self, line: RecognitionLine, *, language: str, rate_hz: int, cadence_ms: float) -> None:
        self.cadence_ms = cadence_ms
        self._line = line
        self._rate_hz = rate_hz
        self._language = language
        self._samples = 0
        self._places: list[tuple[float, float]] = []
        self._since_ms = 0.0
        self._committed: deque[Word] = deque(maxlen=_SETTLED_KEPT)
        self._finals: list[Word] = []
        self._interim: tuple[Word, ...] = ()
        self._final_until_ms = self._heard_until_ms = 0.0
        self._asked: deque[_Asked] = deque()
        self._answer: _Answer | None = None
        self._news = False
        self._wake, self._idle = asyncio.Event(), asyncio.Event()
        self._idle.set()
        self._error: LegError | None = None
        self._untold = False
        self._closed = False
        self._listening = asyncio.create_task(self._listen())

    async def push(self, pcm: Pcm, *, voiced: bool = True) -> None:
        self._raise_error()
        if not len(pcm.samples):
            return
        at_ms = self._sent_ms
        if not self._places or abs(self._session_ms(at_ms) - pcm.start_ms) > _SAME_PLACE_MS:
            self._places.append((at_ms, pcm.start_ms))
        self._samples += len(pcm.samples)
        await self._line.send(pcm.samples)

    def partial(self) -> None:
        """Nothing: interims come by themselves."""

    async def finalise(self, epoch: int) -> None:
        self._raise_error()
        self._answer = None
        for asked in self._asked:
            asked.epoch = None
        sent_ms = self._sent_ms
        if sent_ms <= max(self._since_ms, self._final_until_ms + _INSIGNIFICANT_MS):
            self._answer_with(epoch)
            return
        self._asked.append(_Asked(sent_ms, epoch))
        self._idle.clear()
        await self._line.finalise()

    def commit(self, words: Sequence[Word]) -> None:
        self._committed.extend(words)
        if self._committed:
            # Earlier words are out of what `following` compares, and would only be gone through again and again.
            from_ms = self._committed[0].start_ms
            self._finals = [word for word in self._finals if word.end_ms > from_ms - 1000]

    def reset(self) -> None:
        self._since_ms = self._sent_ms
        self._places = self._places[-1:]
        self._committed.clear()
        self._finals, self._interim = [], ()
        self._answer, self._news = None, False
        for asked in self._asked:
            asked.epoch = None
        self._idle.set()

    async def __aiter__(self) -> AsyncIterator[Hypothesis]:
        # A hypothesis is made when it is taken: newer results, commits and resets until then count.
        while True:
            await self._wake.wait()
            if self._closed:
                return
            if self._answer is not None:
                answer, self._answer = self._answer, None
                yield self._hypothesis(answer.words, answer.heard_until_ms, epoch=answer.epoch)
            elif self._news:
                self._news = False
                yield self._hypothesis((*self._finals, *self._interim), self._heard_until_ms)
            elif self._untold and self._error is not None:
                self._untold = False
                raise self._error
            else:
                self._wake.clear()

    async def settle(self) -> None:
        await self._idle.wait()

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._wake.set()
        self._idle.set()
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        await self._line.aclose()

    @property
    def _sent_ms(self) -> float:
        return 1000.0 * self._samples / self._rate_hz

    async def _listen(self) -> None:
        try:
            async for result in self._line:
                self._hear(result)
            self._error = LegLost("the recogniser ended the stream by itself")
        except LegError as error:
            self._error = error
        except Exception as error:  # the task's edge: an answer that nobody waits for any more would never come
            self._error = LegError(f"recognition failed: {type(error).__name__}: {error}")
        self._untold = True
        self._wake.set()
        self._idle.set()

    def _hear(self, result: Result) -> None:
        words = [self._placed(word) for word in result.words if (word.start_ms + word.end_ms) / 2 >= self._since_ms]
        self._language = result.language or self._language
        self._heard_until_ms = max(self._heard_until_ms, result.heard_until_ms)
        if not result.final:
            self._interim = tuple(words)
        else:
            self._finals += words
            self._interim = ()
            self._final_until_ms = max(self._final_until_ms, result.heard_until_ms)
            if (answered := self._answered(result)) is not None:
                self._answer_with(answered)
                return
        if self._heard_until_ms > self._since_ms:
            self._news = True
            self._wake.set()

    def _answered(self, result: Result) -> int | None:
        """The epoch of the newest `finalise` that this final answers, where somebody still waits for it."""
        newest: _Asked | None = None
        asked, until_ms = self._asked, self._final_until_ms
        while asked and asked[0].at_ms <= until_ms + _INSIGNIFICANT_MS:
            newest = asked.popleft()
        if newest is None and result.from_finalise and asked and asked[0].at_ms <= until_ms + _TRIMMED_MS:
            newest = asked.popleft()
        return newest.epoch if newest is not None else None

    def _answer_with(self, epoch: int) -> None:
        self._answer = _Answer((*self._finals, *self._interim), self._heard_until_ms, epoch)
        self._news = False
        self._wake.set()
        self._idle.set()

    def _hypothesis(self, words: Sequence[Word], heard_until_ms: float, *, epoch: int | None = None) -> Hypothesis:
        settled = self._committed
        return Hypothesis(
            words=following(words, tuple(settled)),
            committed_until_ms=settled[-1].end_ms if settled else self._session_ms(self._since_ms),
            final=epoch is not None,
            language=self._language,
            epoch=epoch or 0,
            heard_until_ms=self._session_ms(max(heard_until_ms, self._since_ms), end=True),
        )

    def _placed(self, word: Word) -> Word:
        start_ms = self._session_ms(word.start_ms)
        return Word(word.text, start_ms, max(start_ms, self._session_ms(word.end_ms, end=True)), word.confidence)

    def _session_ms(self, stream_ms: float, *, end: bool = False) -> float:
        """Where in the session a moment of the stream lies; the end of a stretch belongs to what was before it."""
        find = bisect_left if end else bisect_right
        place = find(self._places, stream_ms, key=lambda each: each[0]) - 1
        if not self._places:
            return stream_ms
        sent_ms, session_ms = self._places[max(place, 0)]
        return session_ms + stream_ms - sent_ms

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error
