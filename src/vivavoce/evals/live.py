"""One session over composed sound: each piece is played as live, and the next begins when its dub was heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np

from vivavoce.audio.pcm import FRAME_MS, Pcm, Samples
from vivavoce.clock import NS_PER_MS, Clock
from vivavoce.errors import LegTimeout
from vivavoce.evals.usage import Usage
from vivavoce.translate.events import Event, Spoken, Translated, UtteranceDone
from vivavoce.translate.session import Legs, Session, SessionSettings

_SAMPLE_EVERY_MS = 10_000.0
_LONGEST_WAIT_MS = 90_000.0

E = TypeVar("E")


class Meter(Protocol):
    """What a session costs; `Usage` is one."""

    def cpu_s(self) -> float: ...

    def rss_mib(self) -> float: ...


@dataclass(slots=True)
class Take:
    """One piece of sound as it was interpreted. All `*_ms` are session time; its sound lies from `start_ms` on.

    `began_ms` says of each line when its first sound was heard, `memory` is (session ms, MiB) at about every 10 s.
    """

    number: int
    start_ms: float
    events: list[Event] = field(default_factory=list)
    began_ms: dict[int, float] = field(default_factory=dict)
    memory: list[tuple[float, float]] = field(default_factory=list)
    cpu_s: float = 0.0
    over: bool = False

    def of(self, kind: type[E]) -> list[E]:
        """The events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def lines(self) -> list[Translated]:
        """What was translated, in the order of the lines."""
        return sorted(self.of(Translated), key=lambda line: line.line)

    @property
    def text(self) -> str:
        """The source text that was settled in the end."""
        return " ".join(done.text for done in self.of(UtteranceDone) if done.text)


class LiveRun:
    """Plays pieces into one session and keeps what came of each; `takes` can be read at any time.

    `gap_ms` of silence follows each piece at least. `on_progress` is called with a piece's number and how much of it
    was played in ms. Once `started`, session ms 0 is `origin_ns` of the clock. Unpaced, on a `SteppedClock`, moments
    have no meaning.
    """

    def __init__(
        self,
        *,
        legs: Legs,
        settings: SessionSettings,
        clock: Clock,
        paced: bool = True,
        gap_ms: float = 1000.0,
        on_progress: Callable[[int, float], None] = lambda number, played_ms: None,
        meter: Meter | None = None,
    ) -> None:
        self.takes: list[Take] = []
        self._clock = clock
        self._gap_ms = gap_ms
        self._on_progress = on_progress
        self._meter = meter or Usage()
        self._rate_hz = settings.rate_hz
        self._waiting: list[Spoken] = []
        self._read = 0
        self.latest_tick_ms = 0.0
        self.origin_ns = 0
        self.started = asyncio.Event()
        self._session = Session(
            legs=legs, settings=settings, clock=clock, tell=self._tell, output=self._output, paced=paced
        )

    async def play(self, pieces: Sequence[Samples]) -> None:
        """Play all pieces, mono at the session's rate. Raises LegTimeout when the session never comes to rest."""
        async with aclosing(self._frames(pieces)) as frames:
            await self._session.run(frames)

    async def _frames(self, pieces: Sequence[Samples]) -> AsyncGenerator[Pcm, None]:
        self.origin_ns = origin_ns = self._clock.now_ns()
        self.started.set()
        size = self._rate_hz * FRAME_MS // 1000
        frames = 0

        async def next_frame(samples: Samples) -> Pcm:
            nonlocal frames
            frames += 1
            await self._clock.sleep_until(origin_ns + frames * FRAME_MS * NS_PER_MS)
            return Pcm(samples, self._rate_hz, (frames - 1.0) * FRAME_MS)

        silence = np.zeros(size, np.int16)
        for number, piece in enumerate(pieces):
            take = Take(number, float(frames * FRAME_MS))
            cpu_s = self._meter.cpu_s()
            self.takes.append(take)
            for at in range(0, len(piece), size):
                block = piece[at : at + size]
                yield await next_frame(np.pad(block, (0, size - len(block))) if len(block) < size else block)
                self._note_progress(take, frames * FRAME_MS - take.start_ms)
            quiet_ms = 0
            while quiet_ms < self._gap_ms or not self._session.idle:
                if quiet_ms > _LONGEST_WAIT_MS:
                    raise LegTimeout(f"piece {number} was not dubbed to its end after {quiet_ms / 1000:.0f} s")
                yield await next_frame(silence)
                quiet_ms += FRAME_MS
            take.cpu_s = self._meter.cpu_s() - cpu_s
            self._meter.rss_mib()
            take.over = True

    def _note_progress(self, take: Take, played_ms: float) -> None:
        if played_ms % 500 == 0:
            self._on_progress(take.number, played_ms)
        if played_ms % _SAMPLE_EVERY_MS == 0:
            take.memory.append((take.start_ms + played_ms, self._meter.rss_mib()))

    def _tell(self, event: Event) -> None:
        if not self.takes:
            return
        self.takes[-1].events.append(event)
        if isinstance(event, Spoken) and event.first:
            self._waiting.append(event)

    async def _output(self, original: Samples, dubbed: Samples) -> None:
        """The frame up to `heard_until_ms` goes to the listener now: a tick that is late makes its sound late."""
        self._read += len(dubbed)
        heard_until_ms = 1000.0 * self._read / self._rate_hz
        now_ms = self._session.now_ms
        if len(original):
            self.latest_tick_ms = max(self.latest_tick_ms, now_ms - (heard_until_ms - FRAME_MS))
        for event in [event for event in self._waiting if event.start_ms < heard_until_ms]:
            self._waiting.remove(event)
            self.takes[-1].began_ms[event.line] = max(now_ms, event.start_ms)
