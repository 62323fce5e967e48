"""The turn detector."""

from __future__ import annotations

from typing import Protocol

from vivavoce.audio.pcm import Pcm


class TurnDetector(Protocol):
    """`rate_hz` is what it hears; `heard_ms` of the newest sound is all that it looks at."""

    rate_hz: int
    heard_ms: float

    async def complete(self, pcm: Pcm) -> float:
        """How likely it is, 0 to 1, that whoever speaks in this sound, and is silent now, has finished.

        Raises LegError.
        """
        ...

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...
