"""Lines as sound: piece by piece as they are made, fixed ones once for all calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence

from vivavoce.agent.dialogue import Line
from vivavoce.audio.pcm import Pcm
from vivavoce.legs.tts import SpeechStream

Sound = tuple[Pcm, ...]


class Speech:
    """Lines on their way to sound. Iterate for pieces, each with the number of its line; `cancel` drops the rest."""

    def __init__(self, voice: Voice, lines: Sequence[Line]) -> None:
        self.lines = tuple(lines)
        self._voice = voice
        self._pieces: asyncio.Queue[tuple[int, Pcm] | None] = asyncio.Queue()
        self._begun = asyncio.Event()
        self._making = asyncio.get_running_loop().create_task(self._make())

    async def ready(self) -> None:
        """Wait until the first piece is there, or there is none."""
        await self._begun.wait()

    async def __aiter__(self) -> AsyncIterator[tuple[int, Pcm]]:
        while (piece := await self._pieces.get()) is not None:
            yield piece
        if self._making.done() and not self._making.cancelled():
            # What went wrong is told to who speaks.
            self._making.result()

    def cancel(self) -> None:
        self._making.cancel()

    async def _make(self) -> None:
        try:
            for n, line in enumerate(self.lines):
                async for piece in self._voice.pieces(line):
                    self._pieces.put_nowait((n, piece))
                    self._begun.set()
        finally:
            self._pieces.put_nowait(None)
            self._begun.set()


class Voice:
    """One voice for one call at a time. `fixed` is shared by all calls of a script: lines that never change."""

    def __init__(self, stream: SpeechStream, *, fixed: dict[str, Sound] | None = None) -> None:
        self._stream = stream
        self._fixed = {} if fixed is None else fixed
        self._epoch = 0
        self._one_at_a_time = asyncio.Lock()

    def speech(self, lines: Sequence[Line]) -> Speech:
        """Begin to make these lines."""
        return Speech(self, lines)

    async def warm(self, lines: Iterable[Line]) -> None:
        """Make the fixed lines now."""
        for line in lines:
            async for _ in self.pieces(line):
                pass

    async def pieces(self, line: Line) -> AsyncIterator[Pcm]:
        """A line's sound as it is made. One that is not made to its end is dropped."""
        if line.text in self._fixed:
            for piece in self._fixed[line.text]:
                yield piece
            return
        made: list[Pcm] = []
        async with self._one_at_a_time:
            self._epoch += 1
            epoch, whole = self._epoch, False
            try:
                await self._stream.push(line.text, epoch)
                await self._stream.flush(epoch)
                async for chunk in self._stream:
                    if chunk.epoch != epoch:
                        continue
                    if len(chunk.pcm.samples):
                        made.append(chunk.pcm)
                        yield chunk.pcm
                    if chunk.last:
                        whole = True
                        break
            finally:
                if not whole:
                    self._stream.cancel(epoch)
        if line.fixed:
            self._fixed[line.text] = tuple(made)
