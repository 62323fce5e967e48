"""The synthesis leg."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from vivavoce.legs.values import SpeechChunk


class SpeechStream(Protocol):
    """One voice. Text goes in, audible sound comes out in order by iteration, until `aclose`."""

    async def push(self, text: str, epoch: int, *, speed: float = 1.0, lead_ms: float = 0.0) -> None:
        """Queue text. Engines that take continuations may be given part of a clause.

        `lead_ms` is for how long the listener still hears earlier sound: the first of this may take that long.
        """
        ...

    async def flush(self, epoch: int) -> None:
        """No more text of this epoch: the last chunk of it is marked `last`."""
        ...

    def cancel(self, epoch: int) -> None:
        """Drop text and sound of this epoch, also what is being synthesised."""
        ...

    def __aiter__(self) -> AsyncIterator[SpeechChunk]: ...

    async def settle(self) -> None:
        """Wait until everything pushed and not cancelled has been synthesised and taken."""
        ...

    async def aclose(self) -> None: ...


class Synthesizer(Protocol):
    """Leading and trailing silence of an engine is trimmed by its provider."""

    async def open(self, *, voice: str, language: str, rate_hz: int) -> SpeechStream: ...

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...
