"""Lines as sound: whole, in order, and fixed ones made once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from vivavoce.agent.dialogue import Line
from vivavoce.audio.pcm import Pcm
from vivavoce.legs.tts import SpeechStream

Sound = tuple[Pcm, ...]


class Voice:
    """One voice for one call at a time. `fixed` is shared by all calls of a script: lines that never change."""

    def __init__(self, stream: SpeechStream, *, fixed: dict[str, Sound] | None = None) -> None:
        self._stream = stream
        self._fixed = {} if fixed is None else fixed
        self._epoch = 0
        self._one_at_a_time = asyncio.Lock()

    async def warm(self, lines: Iterable[Line]) -> None:
        """Make the fixed lines now."""
        await self.sounds([line for line in lines if line.fixed])

    async def sounds(self, lines: Sequence[Line]) -> list[Sound]:
        """Each line's sound. Cancelling drops what is being made."""
        return [await self._sound(line) for line in lines]

    async def _sound(self, line: Line) -> Sound:
        if line.text in self._fixed:
            return self._fixed[line.text]
        async with self._one_at_a_time:
            sound = await self._made(line.text)
        if line.fixed:
            self._fixed[line.text] = sound
        return sound

    async def _made(self, text: str) -> Sound:
        self._epoch += 1
        epoch, pieces = self._epoch, []
        try:
            await self._stream.push(text, epoch)
            await self._stream.flush(epoch)
            async for chunk in self._stream:
                if chunk.epoch == epoch:
                    pieces.append(chunk.pcm)
                    if chunk.last:
                        break
        except asyncio.CancelledError:
            self._stream.cancel(epoch)
            raise
        return tuple(piece for piece in pieces if len(piece.samples))
