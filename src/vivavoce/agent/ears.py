"""What a caller says, as text: one recognition stream whose finals are waited for."""

from __future__ import annotations

import asyncio
from collections import deque

from vivavoce.audio.pcm import Pcm
from vivavoce.legs.stt import SttStream


class Ears:
    """Keeps a little sound from before speech was noticed, and hears nothing else between turns.

    `run` must be running while `final` is awaited.
    """

    def __init__(self, stream: SttStream, *, lead_in_ms: float = 400.0) -> None:
        self._stream = stream
        self._lead_in_ms = lead_in_ms
        self._before: deque[Pcm] = deque()
        self._open = False
        self._epoch = 0
        self._finals: dict[int, asyncio.Future[str]] = {}

    async def run(self) -> None:
        """Take what the stream recognises, until it is closed."""
        async for hypothesis in self._stream:
            waiting = self._finals.get(hypothesis.epoch)
            if hypothesis.final and waiting is not None and not waiting.done():
                waiting.set_result(hypothesis.text)

    async def push(self, pcm: Pcm) -> None:
        if self._open:
            await self._stream.push(pcm)
            return
        self._before.append(pcm)
        while self._before and self._before[-1].end_ms - self._before[0].end_ms >= self._lead_in_ms:
            self._before.popleft()

    async def open(self) -> None:
        """A turn begins, or goes on: what comes from now on belongs to it, with what came just before."""
        self._open = True
        while self._before:
            await self._stream.push(self._before.popleft())

    async def final(self) -> str:
        """What the turn was so far. Sound may still follow; then ask again."""
        self._epoch += 1
        epoch = self._epoch
        waiting: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._finals[epoch] = waiting
        try:
            await self._stream.finalise(epoch)
            return await waiting
        finally:
            del self._finals[epoch]

    def close(self) -> None:
        """The turn is over, or was none."""
        self._open = False
        self._before.clear()
        self._stream.reset()
