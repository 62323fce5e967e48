"""A synthesis stream over a function that speaks one text: order, epochs, cancellation and back-pressure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import numpy as np

from vivavoce.audio.pcm import Pcm
from vivavoce.errors import LegError
from vivavoce.legs.values import SpeechChunk

_TEXTS = 64
_CHUNKS = 256


@dataclass(frozen=True, slots=True)
class Utterance:
    """Text to speak at `speed` times the usual pace, to be heard `lead_ms` after it was asked for."""

    text: str
    epoch: int
    speed: float
    lead_ms: float


Speak = Callable[[Utterance], AsyncGenerator[SpeechChunk, None]]
"""Gives the sound of one text, piece by piece. It is cancelled where the text is not wanted any more."""


class SpeechQueue:
    """Implements `SpeechStream`. A text that fails is raised to whoever iterates, who may go on iterating."""

    def __init__(self, speak: Speak, *, rate_hz: int) -> None:
        self._speak = speak
        self._silence = Pcm(np.zeros(0, np.int16), rate_hz)
        self._asked: asyncio.Queue[Utterance | int] = asyncio.Queue(_TEXTS)
        self._ready: asyncio.Queue[SpeechChunk | BaseException | None] = asyncio.Queue(_CHUNKS)
        self._dropped: set[int] = set()
        self._speaking: tuple[int, asyncio.Task[None]] | None = None
        self._closed = False
        self._worker = asyncio.create_task(self._work())

    async def push(self, text: str, epoch: int, *, speed: float = 1.0, lead_ms: float = 0.0) -> None:
        await self._ask(Utterance(text, epoch, speed, lead_ms))

    async def flush(self, epoch: int) -> None:
        await self._ask(epoch)

    def cancel(self, epoch: int) -> None:
        self._dropped.add(epoch)
        if self._speaking is not None and self._speaking[0] == epoch:
            self._speaking[1].cancel()

    async def __aiter__(self) -> AsyncIterator[SpeechChunk]:
        while True:
            chunk = await self._ready.get()
            self._ready.task_done()
            if chunk is None:
                return
            if isinstance(chunk, BaseException):
                raise chunk
            if chunk.epoch not in self._dropped:
                yield chunk

    async def settle(self) -> None:
        if not self._closed:
            await self._asked.join()
            await self._ready.join()

    async def aclose(self) -> None:
        self._closed = True
        self._worker.cancel()
        await asyncio.gather(self._worker, return_exceptions=True)
        # What was not spoken is not waited for by `settle` either.
        queues: tuple[asyncio.Queue[Any], ...] = (self._asked, self._ready)
        for queue in queues:
            while not queue.empty():
                queue.get_nowait()
                queue.task_done()
        self._ready.put_nowait(None)

    async def _ask(self, request: Utterance | int) -> None:
        if self._closed:
            raise LegError("this voice was closed")
        await self._asked.put(request)

    async def _work(self) -> None:
        while True:
            request = await self._asked.get()
            try:
                if isinstance(request, int):
                    if request not in self._dropped:
                        await self._ready.put(SpeechChunk(self._silence, request, last=True))
                elif request.epoch not in self._dropped:
                    await self._say(request)
            finally:
                self._asked.task_done()
            if self._asked.empty() and self._ready.empty():
                self._dropped.clear()

    async def _say(self, utterance: Utterance) -> None:
        task = asyncio.create_task(self._fill(utterance))
        self._speaking = (utterance.epoch, task)
        try:
            await asyncio.wait([task])
        finally:
            self._speaking = None
            # Not before the engine is at rest: it may be asked for the next text at once.
            if not task.done():
                task.cancel()
                await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()) is not None:
            await self._ready.put(error)

    async def _fill(self, utterance: Utterance) -> None:
        async with aclosing(self._speak(utterance)) as chunks:
            async for chunk in chunks:
                await self._ready.put(chunk)
