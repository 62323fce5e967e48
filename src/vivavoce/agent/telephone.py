"""What a conversation needs of a call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from vivavoce.audio.pcm import Pcm
from vivavoce.media import CallEvent
from vivavoce.media.call import Policy as Interruption


class Telephone(Protocol):
    """A call, as `vivavoce.media.Call` is one."""

    def events(self) -> AsyncIterator[CallEvent]: ...

    def audio(self) -> AsyncIterator[Pcm]: ...

    async def play(self, pcm: Pcm, epoch: int, *, last: bool = False) -> None: ...

    def mark(self, name: str) -> None: ...

    async def clear(self) -> float: ...

    def policy(self, policy: Interruption) -> None: ...

    def hang_up(self) -> None: ...
