"""An emulator's side of one WebSocket: a provider's handler talks over it, and its faults happen to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from vivavoce.emulators.faults import Fault

_GARBAGE = '{"type":"Resul'
_LATE = 4096


class Line:
    """What is said waits while the line is stalled, and comes late when it is healed."""

    def __init__(self, connection: ServerConnection, plan: Sequence[tuple[float, Fault]]) -> None:
        self._connection = connection
        self._plan = list(plan)
        self._speaking, self._reading = asyncio.Event(), asyncio.Event()
        self._speaking.set()
        self._reading.set()
        self._asked = asyncio.Event()
        self._slow_s = 0.0
        self._late: asyncio.Queue[tuple[float, str | bytes | dict[str, Any]]] = asyncio.Queue(_LATE)
        self._later: asyncio.Task[None] | None = None
        self._garbage = False
        self._present: dict[str, Fault] = {}

    @property
    def path(self) -> str:
        """Path and query of the handshake."""
        return self._connection.request.path if self._connection.request else ""

    def fault(self, kind: str) -> Fault | None:
        """A fault of the provider's own that is in force now."""
        return self._present.get(kind)

    async def send(self, message: str | bytes | dict[str, Any]) -> None:
        """Say something; a dict as JSON. What cannot be said because nobody is there any more is lost."""
        if not self._slow_s and (self._later is None or self._later.done()):
            await self._say(message)
            return
        # Late is not slower: what follows is as late, and keeps its distance.
        await self._late.put((asyncio.get_running_loop().time() + self._slow_s, message))
        if self._later is None or self._later.done():
            self._later = asyncio.create_task(self._say_late())

    async def _say_late(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._late.empty():
            moment_s, message = await self._late.get()
            await asyncio.sleep(max(0.0, moment_s - loop.time()))
            await self._say(message)

    async def _say(self, message: str | bytes | dict[str, Any]) -> None:
        await self._speaking.wait()
        if self._garbage:
            message = _GARBAGE
        with contextlib.suppress(ConnectionClosed):
            await self._connection.send(json.dumps(message) if isinstance(message, dict) else message)

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """What the client sends, until it or a fault closes."""
        try:
            while True:
                await self._reading.wait()
                message = await self._connection.recv()
                self._asked.set()
                yield message
        except ConnectionClosed:
            return

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self._connection.close(code, reason)

    def abort(self) -> None:
        """Break off without a close frame."""
        self._connection.transport.abort()

    async def misbehave(self) -> None:
        """Let the planned faults happen, each at its moment."""
        loop = asyncio.get_running_loop()
        if any(at_s for at_s, _ in self._plan):
            await self._asked.wait()
        begun_s = loop.time()
        for at_s, fault in self._plan:
            await asyncio.sleep(max(0.0, begun_s + at_s - loop.time()))
            await self.suffer(fault)

    async def suffer(self, fault: Fault) -> None:
        """Let one fault happen now."""
        if fault.kind == "abort":
            self.abort()
        elif fault.kind == "close":
            await self.close(int(fault.number(1011)), "emulated")
        elif fault.kind in ("stall", "freeze"):
            self._speaking.clear()
            if fault.kind == "freeze":
                self._reading.clear()
        elif fault.kind == "slow":
            self._slow_s = fault.number(800) / 1000
        elif fault.kind == "garbage":
            self._garbage = True
        else:
            self._present[fault.kind] = fault

    async def over(self) -> None:
        """Wait until the connection is closed, and let go whom a fault keeps waiting on it."""
        await self._connection.wait_closed()
        self._speaking.set()
        self._reading.set()

    def hush(self) -> None:
        """Drop what would still come late."""
        if self._later is not None:
            self._later.cancel()

    def heal(self) -> None:
        self._slow_s, self._garbage = 0.0, False
        self._present.clear()
        self._speaking.set()
        self._reading.set()
