"""What an emulated recogniser hears: words of a script, told when their sound was heard."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import dropwhile
from pathlib import Path
from typing import Protocol

import numpy as np

from vivavoce.audio.pcm import Samples
from vivavoce.emulators.tape import ALIKE, AUDIBLE, Floats, Script, Tape
from vivavoce.legs.values import Word

_USUAL_HZ = 16000
_PIECE_MS = 20
_WINDOW_MS = 100
"""Audible sound that tells its place. With less, it is looked for only when nothing more is to be expected."""
_RETRY = 1.5
"""Sound that is nowhere on the tape is looked for again when there is so much more of it."""
_LONGEST_MS = 400
_HEARD_SHARE = 0.5
"""So much of a word must have been heard, where sound begins or ends within it."""


@dataclass(frozen=True, slots=True)
class Told:
    """Words after the settled ones, in ms of the sound that was heard, which is `until_ms` long.

    `flushed` answers a `flush`: nothing of the sound until there will change any more.
    """

    words: tuple[Word, ...]
    until_ms: float
    flushed: bool
    language: str = ""


class Recognition(Protocol):
    """What one connection hears. One task hears and flushes, another iterates and settles."""

    async def hear(self, samples: Samples) -> None: ...

    async def flush(self) -> None: ...

    def __aiter__(self) -> AsyncIterator[Told]:
        """What is to be told, until `aclose`; what was not taken gives way to what is newer, but for flushes."""
        ...

    def settle(self, words: Sequence[Word]) -> None:
        """The first of the words that were told are not to be told again."""
        ...

    async def aclose(self) -> None: ...


class Recogniser(Protocol):
    async def open(self, *, rate_hz: int, language: str) -> Recognition:
        """`language` is an ISO 639-1 code or "auto"."""
        ...

    async def aclose(self) -> None: ...


class Scripted:
    """Implements `Recogniser` with a script's words, whatever the language; without a script it hears nothing.

    A word is told `latency_ms` of sound after its end; something is told every `cadence_ms` of sound.
    """

    def __init__(self, script: Path | None, *, latency_ms: float = 80.0, cadence_ms: float = 100.0) -> None:
        self._script = Script.load(script) if script else Script(clips=[])
        self._latency_ms, self._cadence_ms = latency_ms, cadence_ms
        self._tape = lru_cache(lambda rate_hz: Tape(self._script, rate_hz))
        self._tape(_USUAL_HZ)  # ten minutes take a second: not when somebody connects

    async def open(self, *, rate_hz: int, language: str) -> ScriptedRecognition:
        return ScriptedRecognition(self._tape(rate_hz), latency_ms=self._latency_ms, cadence_ms=self._cadence_ms)

    async def aclose(self) -> None:
        pass


class ScriptedRecognition:
    """Implements `Recognition`: follows the sound along the tape, and looks for it anew where it leaves it.

    The sound may begin anywhere, leave out pauses and come again. What is too quiet to tell its place is taken for the
    tape's next.
    """

    def __init__(self, tape: Tape, *, latency_ms: float, cadence_ms: float) -> None:
        self._tape = tape
        self._per_ms = tape.rate_hz / 1000
        self._latency, self._cadence = round(latency_ms * self._per_ms), round(cadence_ms * self._per_ms)
        self._heard = self._told_at = 0
        self._run: _Run | None = None
        self._left: int | None = None
        self._astray: list[Floats] = []
        self._searched = 0
        self._quiet = 0
        self._words: list[Word] = []
        self._settled = 0
        self._flushes: deque[tuple[int, float]] = deque(maxlen=256)
        self._news = self._closed = False
        self._wake = asyncio.Event()

    async def hear(self, samples: Samples) -> None:
        size = round(_PIECE_MS * self._per_ms)
        for start in range(0, len(samples), size):
            self._hear_piece(samples[start : start + size].astype(np.float32))
            if self._heard >= self._told_at + self._cadence:
                self._told_at = self._heard
                self._news = True
                self._wake.set()
                await asyncio.sleep(0)  # for whoever iterates: much sound at once is told of step by step too

    async def flush(self) -> None:
        self._search(last=True)
        self._say(partly=True)
        self._flushes.append((self._settled + len(self._words), self._heard / self._per_ms))
        self._wake.set()

    async def __aiter__(self) -> AsyncIterator[Told]:
        while True:
            await self._wake.wait()
            if self._flushes:
                count, until_ms = self._flushes.popleft()
                yield Told(tuple(self._words[: max(0, count - self._settled)]), until_ms, flushed=True)
            elif self._closed:
                return
            elif self._news:
                self._news = False
                yield Told(tuple(self._words), self._heard / self._per_ms, flushed=False)
            else:
                self._wake.clear()

    def settle(self, words: Sequence[Word]) -> None:
        self._settled += len(words)
        del self._words[: len(words)]

    async def aclose(self) -> None:
        self._closed = True
        self._wake.set()

    def _hear_piece(self, piece: Floats) -> None:
        at = self._heard
        self._heard += len(piece)
        if self._left is None and self._fits(piece, at):
            self._quiet = 0 if _audible(piece) else self._quiet + len(piece)
            self._say()
            return
        if self._left is None:
            self._left = at
        self._astray.append(piece)
        if not any(map(_audible, self._astray)):
            del self._astray[: -(_LONGEST_MS // _PIECE_MS)]
        self._search(last=False)

    def _fits(self, piece: Floats, at: int) -> bool:
        """Whether a piece is what comes next on the tape."""
        run = self._run
        if not _audible(piece):
            return run is None or not _audible(self._tape.at(at - run.ahead, len(piece)) * np.float32(0.5))
        return run is not None and self._tape.likeness(piece, at - run.ahead) >= ALIKE

    def _search(self, *, last: bool) -> None:
        """Look for the place of the sound that is off the tape, once there is enough of it."""
        loud = [_audible(piece) for piece in self._astray]
        if not any(loud) or self._left is None:
            return
        heard = np.concatenate(self._astray)
        audible = sum(len(piece) for piece, is_loud in zip(self._astray, loud, strict=True) if is_loud)
        ended = last or (len(loud) > 3 and not any(loud[-3:]))
        if not (last or ended or audible >= _WINDOW_MS * self._per_ms) or len(heard) < _RETRY * self._searched:
            return
        self._searched = len(heard)
        window = heard[-round(_LONGEST_MS * self._per_ms) :]
        expected = None if self._run is None else self._heard - len(window) - self._run.ahead
        found = self._tape.find(window, near=expected)
        if found is None:
            if len(heard) > 4 * _LONGEST_MS * self._per_ms:
                self._astray = [window]
                self._searched = len(window)
            return
        ahead = self._heard - len(window) - found
        if self._run is None or abs(ahead - self._run.ahead) > 3:
            self._begin(ahead, self._left)
        self._astray, self._left, self._searched, self._quiet = [], None, 0, 0
        self._say()

    def _begin(self, ahead: int, left: int) -> None:
        """Go on elsewhere on the tape with the sound that is astray, and with the quiet before it if it fits there."""
        self._say(partly=True)
        sizes = [len(piece) for piece in dropwhile(lambda piece: not _audible(piece), self._astray)]
        start = self._heard - sum(sizes) - ahead
        following = bisect_right(self._tape.words, start, key=lambda word: word.end)
        if self._run is not None and start >= left - self._quiet - self._run.ahead:
            # Nothing comes again: no word is said for a half before and a half after what was left out.
            following = max(following, self._run.next)
        size = round(_PIECE_MS * self._per_ms)
        for _ in range(min(_LONGEST_MS // _PIECE_MS, self._quiet // size + len(self._astray) - len(sizes))):
            if _audible(self._tape.at(start - size, size)):
                break
            start -= size
        self._run = _Run(ahead, start, following)

    def _say(self, *, partly: bool = False) -> None:
        """Say the words that were heard to their end, and with `partly` one whose end was not heard yet."""
        run = self._run
        if run is None:
            return
        at = (self._heard if self._left is None else self._left) - run.ahead
        while run.next < len(self._tape.words):
            word = self._tape.words[run.next]
            share = _HEARD_SHARE * (word.end - word.start)
            if at < (word.start + share if partly else word.end + self._latency):
                return
            run.next += 1
            if min(word.end, at) - max(word.start, run.start) >= share:
                start_ms = max((word.start + run.ahead) / self._per_ms, self._words[-1].end_ms if self._words else 0.0)
                end_ms = (word.end + run.ahead) / self._per_ms
                self._words.append(Word(word.text, min(start_ms, end_ms), end_ms))


def _audible(piece: Floats) -> bool:
    return float(piece @ piece) >= AUDIBLE**2 * len(piece)


@dataclass(slots=True)
class _Run:
    """Sound that follows the tape: `ahead` samples of the stream lie before the tape's first; it was heard from
    `start` on the tape, and the word with index `next` is the next to be said."""

    ahead: int
    start: int
    next: int
