"""Work that is done for all that has gathered in a while, not for each piece of it."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Gathering:
    """One task waits; whoever has something tells it. It goes on `linger_s` after the first of them, or at once."""

    def __init__(self, linger_s: float) -> None:
        self._linger_s = linger_s
        self._some = asyncio.Event()
        self._now = asyncio.Event()

    def some(self) -> None:
        """There is something that can wait a little."""
        if not self._some.is_set():
            self._some.set()

    def now(self) -> None:
        """There is something that somebody waits for, or enough."""
        self._some.set()
        self._now.set()

    async def wait(self, at_most_s: float | None = None) -> None:
        """Until something has gathered, or for that long without anything."""
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most_s):
                await self._some.wait()
        if self._some.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._linger_s):
                    await self._now.wait()
        self._some.clear()
        self._now.clear()
