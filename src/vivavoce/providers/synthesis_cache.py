"""A synthesis leg around a synthesis leg: what was said once is not synthesised again.

A text is one entry, so this is for engines that take whole clauses, not for those that take continuations.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import numpy as np

from vivavoce.audio.pcm import Pcm
from vivavoce.errors import LegError
from vivavoce.legs.tts import SpeechStream, Synthesizer
from vivavoce.legs.values import SpeechChunk
from vivavoce.providers.synthesis_store import Sound, SynthesisStore

MEMORY_BYTES = 32 << 20


class SynthesisCache:
    """Implements `Synthesizer`. `normaliser` is the version of what turned figures into words before.

    `persist` and `folder` are as `SynthesisStore` has them; without a folder everything stays in memory.
    """

    def __init__(
        self,
        inner: Synthesizer,
        *,
        provider: str,
        model: str = "",
        normaliser: str = "",
        memory_bytes: int = MEMORY_BYTES,
        folder: Path | None = None,
        persist: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._inner = inner
        self.LANGUAGES = getattr(inner, "LANGUAGES", None)
        self._identity = (provider, model, normaliser)
        self._store = SynthesisStore(memory_bytes=memory_bytes, folder=folder, persist=persist)

    async def open(self, *, voice: str, language: str, rate_hz: int) -> CachedSpeech:
        inner = await self._inner.open(voice=voice, language=language, rate_hz=rate_hz)
        return CachedSpeech(inner, self._store, identity=(*self._identity, voice, language), rate_hz=rate_hz)

    async def warm_up(self) -> None:
        await self._inner.warm_up()

    async def aclose(self) -> None:
        await self._inner.aclose()


@dataclass(slots=True, eq=False)
class _Line:
    """One text or flush in the order asked; what comes out of it ends with None."""

    epoch: int
    text: str = ""
    key: str = ""
    dropped: bool = False
    made: list[SpeechChunk] = field(default_factory=list)
    out: asyncio.Queue[SpeechChunk | Exception | None] = field(default_factory=asyncio.Queue)

    def end(self, *chunks: SpeechChunk | Exception) -> None:
        for chunk in chunks:
            self.out.put_nowait(chunk)
        self.out.put_nowait(None)


class CachedSpeech:
    """Implements `SpeechStream`. Every text that has to be made is an epoch of its own to the stream inside."""

    def __init__(self, inner: SpeechStream, store: SynthesisStore, *, identity: tuple[str, ...], rate_hz: int) -> None:
        self._inner = inner
        self._store = store
        self._identity = identity
        self._rate_hz = rate_hz
        self._numbers = count()
        self._lines: asyncio.Queue[_Line | None] = asyncio.Queue()
        self._current: _Line | None = None
        self._open: set[_Line] = set()
        self._making: dict[int, _Line] = {}
        self._saving: set[asyncio.Task[None]] = set()
        self._collector = asyncio.create_task(self._collect())

    async def push(self, text: str, epoch: int, *, speed: float = 1.0, lead_ms: float = 0.0) -> None:
        line = self._asked(_Line(epoch, text, self._key(text, speed)))
        sound = self._store.held(line.key)
        if sound is None and self._store.on_disk(text):
            sound = await asyncio.to_thread(self._store.load, line.key)
            if sound is not None:
                self._store.hold(line.key, sound)
        if sound is not None:
            line.end(SpeechChunk(Pcm(sound.samples, self._rate_hz), epoch, sound.text, sound.words, kept=True))
        elif not line.dropped:
            number = next(self._numbers)
            self._making[number] = line
            try:
                await self._inner.push(text, number, speed=speed, lead_ms=lead_ms)
                await self._inner.flush(number)
            except BaseException:
                self._drop(lambda other: other is line)
                raise

    async def flush(self, epoch: int) -> None:
        line = self._asked(_Line(epoch))
        line.end(SpeechChunk(Pcm(np.zeros(0, np.int16), self._rate_hz), epoch, last=True))

    def cancel(self, epoch: int) -> None:
        self._drop(lambda line: line.epoch == epoch)

    async def __aiter__(self) -> AsyncIterator[SpeechChunk]:
        while True:
            if self._current is None:
                self._current = await self._lines.get()
            line = self._current
            chunk = None if line is None or line.dropped else await line.out.get()
            if line is not None and not line.dropped and chunk is not None:
                if isinstance(chunk, Exception):
                    raise chunk
                yield chunk
                continue
            self._current = None
            self._lines.task_done()
            if line is None:
                return
            self._open.discard(line)

    async def settle(self) -> None:
        await self._lines.join()

    async def aclose(self) -> None:
        self._collector.cancel()
        await asyncio.wait([self._collector])
        await asyncio.gather(*self._saving)
        await self._inner.aclose()

    def _asked(self, line: _Line) -> _Line:
        if self._collector.done():
            raise LegError("this voice was closed, or broke")
        self._open.add(line)
        self._lines.put_nowait(line)
        return line

    def _drop(self, unwanted: Callable[[_Line], bool]) -> None:
        for line in self._open:
            if unwanted(line) and not line.dropped:
                line.dropped = True
                line.end()
        for number in [number for number, line in self._making.items() if line.dropped]:
            del self._making[number]
            self._inner.cancel(number)

    def _key(self, text: str, speed: float) -> str:
        parts = [*self._identity, self._rate_hz, text, round(speed, 3)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    async def _collect(self) -> None:
        """Bring what the stream inside makes to its line, and keep it once it is whole."""
        try:
            while True:
                try:
                    async for chunk in self._inner:
                        self._take(chunk)
                    return
                except LegError as error:
                    # The stream inside works in order: what fails is what was asked first.
                    if self._making:
                        self._making.pop(next(iter(self._making))).end(error)
        except Exception as error:  # the task's outermost edge: who waits for a text is told
            for line in self._making.values():
                line.end(error)
        finally:
            for line in self._open:
                line.end()
            self._lines.put_nowait(None)

    def _take(self, chunk: SpeechChunk) -> None:
        line = self._making.get(chunk.epoch)
        if line is None:
            return
        if len(chunk.pcm.samples):
            line.made.append(chunk)
            line.out.put_nowait(replace(chunk, epoch=line.epoch, last=False))
        if chunk.last:
            del self._making[chunk.epoch]
            line.end()
            sound = Sound.joined(line.made)
            self._store.hold(line.key, sound)
            if self._store.on_disk(line.text):
                saving = asyncio.create_task(asyncio.to_thread(self._store.save, line.key, sound))
                self._saving.add(saving)
                saving.add_done_callback(self._saving.discard)
