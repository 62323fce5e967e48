"""What a caller says, as text: one recognition stream whose finals are waited for, and how what was said sounds."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import nullcontext

import numpy as np

from vivavoce.agent.backlog import Backlog
from vivavoce.agent.signals import CallSignals
from vivavoce.audio.pcm import Pcm
from vivavoce.errors import LegError
from vivavoce.legs.stt import SttStream
from vivavoce.legs.turn import TurnDetector

_LOG = logging.getLogger(__name__)
_STIR, _STIR_LEAST, _STIR_MS = 4.0, 100.0, 1000.0
"""Sound so many times louder than the quietest of the last second, and so loud at least (of 32,768), may be a voice."""


class Ears:
    """A turn is open, held, or closed. What comes while it is open belongs to it, with what came just before.

    Held, it seems to be over, and what comes is kept for a while: `open(again=True)` goes on with both. Closed, or
    opened anew, it is forgotten but for the lead-in. `run` must be running while `final` is awaited.
    """

    def __init__(
        self,
        stream: SttStream,
        *,
        detector: TurnDetector | None = None,
        backlog: Backlog | None = None,
        lead_in_ms: float = 400.0,
        held_ms: float = 2000.0,
        signals: CallSignals | None = None,
    ) -> None:
        self._stream, self._detector, self._backlog, self._signals = stream, detector, backlog, signals
        self._lead_in_ms, self._held_ms = lead_in_ms, held_ms
        self._before: deque[Pcm] = deque()
        self._turn: deque[Pcm] = deque()
        self._levels: deque[tuple[float, float]] = deque()
        self._open = self._held = False
        self._epoch = 0
        self._finals: dict[int, asyncio.Future[str]] = {}

    @property
    def listening(self) -> bool:
        """Whether a turn is open."""
        return self._open

    @property
    def crowded(self) -> bool:
        """Whether others wait for the recogniser: one should not ask before it is likely to be needed."""
        return self._backlog is not None and self._backlog.crowded

    async def run(self) -> None:
        """Take what the stream recognises, until it is closed."""
        async for hypothesis in self._stream:
            waiting = self._finals.get(hypothesis.epoch)
            if hypothesis.final and waiting is not None and not waiting.done():
                waiting.set_result(hypothesis.text)
                if self._signals is not None:
                    self._signals.recognised([word.text for word in hypothesis.words])

    @property
    def stirred(self) -> bool:
        """Whether the newest sound could be a voice again: it takes a moment more to know."""
        if not self._levels:
            return False
        newest = self._levels[-1][1]
        return newest >= _STIR_LEAST and newest >= _STIR * min(level for _, level in self._levels)

    async def push(self, pcm: Pcm) -> None:
        self._levels.append((pcm.end_ms, float(np.sqrt(np.mean(np.square(pcm.samples, dtype=np.float64))))))
        while self._levels[-1][0] - self._levels[0][0] > _STIR_MS:
            self._levels.popleft()
        if self._open:
            await self._take(pcm)
            return
        self._before.append(pcm)
        _keep_newest(self._before, self._held_ms if self._held else self._lead_in_ms)

    async def open(self, *, again: bool = False) -> None:
        """A turn begins, or goes on: what comes from now on belongs to it, with what came just before.

        `again` takes a turn up that was held.
        """
        if self._held and not again:
            self._forget()
            _keep_newest(self._before, self._lead_in_ms)
        self._open, self._held = True, False
        while self._before:
            await self._take(self._before.popleft())

    async def final(self) -> str:
        """What the turn was so far. Sound may still follow; then ask again."""
        self._epoch += 1
        epoch = self._epoch
        waiting: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._finals[epoch] = waiting
        try:
            with self._backlog.waiting() if self._backlog else nullcontext():
                await self._stream.finalise(epoch)
                return await waiting
        finally:
            del self._finals[epoch]

    async def complete(self) -> float | None:
        """How likely the turn sounds as if it were over; None without a detector."""
        if self._detector is None or not self._turn:
            return None
        samples = np.concatenate([pcm.samples for pcm in self._turn])
        try:
            return await self._detector.complete(Pcm(samples, self._turn[0].rate_hz, self._turn[0].start_ms))
        except LegError as error:
            # What was said tells, too.
            _LOG.warning("a turn detector failed: %s", type(error).__name__)
            return None

    def hold(self) -> None:
        """The turn seems to be over; `open(again=True)` takes that back."""
        self._open, self._held = False, True

    def close(self) -> None:
        """The turn is over, or was none."""
        self._open = self._held = False
        self._before.clear()
        self._forget()

    async def _take(self, pcm: Pcm) -> None:
        await self._stream.push(pcm, voiced=self.stirred)
        if self._detector is not None:
            self._turn.append(pcm)
            _keep_newest(self._turn, self._detector.heard_ms)

    def _forget(self) -> None:
        self._turn.clear()
        self._stream.reset()
        if self._signals is not None:
            self._signals.turn_over()


def _keep_newest(sound: deque[Pcm], ms: float) -> None:
    while sound and sound[-1].end_ms - sound[0].end_ms >= ms:
        sound.popleft()
